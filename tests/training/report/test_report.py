import json
import time

import numpy as np
import pytest
from PIL import Image

from pictures import phantom
from sounds import coughs, wav
from tosa.preprocessing import Preprocessing
from tosa.training import metrics
from tosa.training.data import drawing
from tosa.training.data.dataset import Case
from tosa.training.metrics import Answers
from tosa.training.report import charts, outputs, report, text
from tosa.training.report.curve_notes import warnings_of
from tosa.training.report.options import ReportOptions


def answered(folder, count, labels=("normal", "bacteria", "virus"), name="x.png"):
    """Answers right three times of four, to a picture or two a group."""
    rng = np.random.default_rng(0)
    Image.fromarray(phantom()).save(folder / name)
    targets = rng.integers(0, len(labels), count)
    scores = rng.dirichlet(np.ones(len(labels)), count)
    scores[np.arange(count), np.where(rng.random(count) < 0.75, targets, 0)] += 1
    scores /= scores.sum(axis=1, keepdims=True)
    cases = [Case(folder / name, "lungs", labels[target], f"p{row // 2}", "testing", "ab"[row % 2])
             for row, target in enumerate(targets)]  # fmt: skip
    return Answers("lungs", labels, targets, scores, [case.group for case in cases]), cases


def write(folder, tasks, data=None, curves=None):
    options = ReportOptions(folder)
    report.write(
        folder, report.Report([report.TaskReport.of(*task, options) for task in tasks], data or {}, curves or {})
    )


def test_text_counts_right():
    scores = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    answers = Answers("l", ("normal", "bacteria", "virus"), np.array([0, 1, 1, 2]), scores, list("abcd"))
    lines = text.task_lines(answers, metrics.task_metrics(answers))
    assert "accuracy      50.0%" in lines and "(N=4; Wilson)" in lines
    assert "sensitivity   66.7%" in lines and "specificity  100.0%" in lines and "AUC" in lines
    assert "if 10.0% of all were ill" in lines


def test_folder_has_numbers_pages_and_pictures(tmp_path):
    curves = {("train", "accuracy_1"): [(0, 0.5), (10, 0.9)], ("train", "cross_entropy_1"): [(0, 0.7), (10, 0.2)]}
    data = {"files": {"testing": 40}, "same_content": 2, "skipped": ["'x' is empty."]}
    answers, cases = answered(tmp_path, 40)
    folder = tmp_path / "report"
    write(folder, [(answers, cases)], data, curves)
    found = json.loads((folder / "report.json").read_text())
    lungs = found["tasks"]["lungs"]
    wrong = int((answers.predicted != answers.targets).sum())
    assert lungs["cases"] == 40 and len(lungs["misclassified"]) == wrong > 0 and found["data"] == data
    scores = [miss["score"] for miss in lungs["misclassified"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(of["cases"] for of in lungs["by_source"].values()) == 40
    page = (folder / "report.md").read_text()
    for name in ("lungs-confusion", "lungs-roc", "lungs-reliability", "lungs-misclassified", "plot"):
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.format == "PNG" and min(picture.size) > 200
        assert f"]({name}.png)" in page
    assert "over 20 groups" in page and "'x' is empty." in page
    called = answers.predicted == 2
    precision, count = (answers.targets[called] == 2).mean(), (answers.targets == 2).sum()
    assert f"| virus | {count} | {precision:.3f} |" in page


def test_one_kind_of_case_and_no_miss(tmp_path):
    Image.fromarray(phantom()).save(tmp_path / "x.png")
    cases = [Case(tmp_path / "x.png", "t", "normal", "g", "testing")] * 3
    answers = Answers("t", ("ill", "normal"), np.array([1, 1, 1]), np.tile([0.1, 0.9], (3, 1)), ["g"] * 3)
    write(tmp_path / "report", [(answers, cases)])
    found = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["t"]
    assert found["auc"] is None and found["sensitivity"]["value"] is None and found["specificity"]["value"] == 1
    assert not (tmp_path / "report" / "t-misclassified.png").exists()


def test_same_answers_same_files(tmp_path):
    for name in "ab":
        write(tmp_path / name, [answered(tmp_path, 30)])
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_dollars_are_no_mathematics(tmp_path):
    curves = {("validation", f"{kind}/$\\frac$"): [(0, 0.5), (1, 0.9)] for kind in ("accuracy", "cross_entropy")}
    odd = answered(tmp_path, 30, ("$\\frac$", "$x_$"), "$\\sqrt$.png")
    write(tmp_path / "report", [odd], curves=curves)
    assert len(list((tmp_path / "report").glob("*.png"))) == 5


def test_a_thousand_cases_take_seconds(tmp_path):
    """2.4 s of a processor's time (EPYC, Zen 5). The limit is for slower ones; time that grows by squares is beyond."""
    start = time.process_time()
    write(tmp_path / "report", [answered(tmp_path, 1000)])
    assert time.process_time() - start < 12


def test_contact_sheet_shows_what_it_was_given():
    pictures = [np.full((40, 40, 3), level, np.uint8) for level in (10, 200)]
    captions = [["first", "label: a"], ["second" * 12, "label: b"]]
    axes = [axes for axes in charts.contact_sheet(pictures, captions).axes if axes.images]
    first, second = (a.get_title() for a in axes)
    assert first == "first\nlabel: a" and second.replace("\n", "") == "second" * 12 + "label: b", "names are whole"
    assert max(map(len, second.split("\n"))) <= charts.CAPTION_WIDTH
    assert [a.images[0].get_array().mean() for a in axes] == [10, 200]


@pytest.mark.parametrize("hertz", [500, 4000])
def test_contact_sheet_gives_sounds_axes_in_seconds_and_hertz(hertz):
    """A tone's brightest row is at its frequency's mark."""
    tone = np.sin(2 * np.pi * hertz * np.arange(int(2.5 * 22_050)) / 22_050).astype(np.float32)
    picture = drawing.draw_window(tone)
    sheet = charts.contact_sheet([np.zeros((9, 9, 3), np.uint8), charts.Spectrogram(picture, Preprocessing())],
                                 [["picture"], ["sound"]])  # fmt: skip
    plain, sound = sheet.axes[:2]
    assert not plain.axison and sound.axison
    assert (sound.get_xlabel(), sound.get_ylabel()) == ("s", "Hz") and sound.get_xlim() == (0, 2.5)
    bottom, top = sound.get_ylim()
    row = picture.sum(axis=2).mean(axis=1).argmax()
    height = top - (row + 0.5) / len(picture) * (top - bottom)
    marks = {label.get_text(): place for label, place in zip(sound.get_yticklabels(), sound.get_yticks(), strict=True)}
    assert marks[str(hertz)] == pytest.approx(height, abs=1.5)


def test_misclassified_sounds_are_drawn(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(coughs()))
    cases = [Case(tmp_path / "a.wav", "cough", "sick", "g", "testing")]
    answers = Answers("cough", ("not sick", "sick"), np.array([1]), np.array([[0.8, 0.2]]), ["g"])
    write(tmp_path / "report", [(answers, cases)])
    with Image.open(tmp_path / "report" / "cough-misclassified.png") as sheet:
        assert len(np.unique(np.asarray(sheet.convert("RGB")).reshape(-1, 3), axis=0)) > 500


def test_metrics_are_made_once(tmp_path, monkeypatch):
    """A bootstrap takes seconds on large data sets; the terminal, report.json and report.md share one."""
    calls = []
    monkeypatch.setattr(report, "task_metrics", lambda *given: calls.append(given) or metrics.task_metrics(*given))
    options = ReportOptions(tmp_path / "report", tmp_path / "plot.png")
    outputs.write_outputs(options, outputs.task_reports(options, [answered(tmp_path, 30)]), {})
    assert len(calls) == 1 and (tmp_path / "plot.png").is_file()


def test_nothing_stays_of_an_earlier_report_but_what_others_wrote(tmp_path):
    folder = tmp_path / "report"
    curves = {("train", "accuracy_1"): [(0, 0.5), (10, 0.9)]}
    write(folder, [answered(tmp_path, 40)], curves=curves)
    (folder / "notes.png").write_bytes(b"mine")
    (folder / "other-roc.png").write_bytes(b"mine too")
    answers, cases = answered(tmp_path, 3)
    right = np.eye(3)[answers.targets]
    write(folder, [(Answers("heart", answers.labels, answers.targets, right, answers.groups), cases)])
    kept = {"notes.png", "other-roc.png"}
    written = {"report.json", "report.md", "heart-confusion.png", "heart-roc.png", "heart-reliability.png"}
    assert {file.name for file in folder.iterdir()} == written | kept


@pytest.mark.parametrize("numbers", ["[1]", "{", '{"tasks": 3}', '{"tasks": {}, "files": ["../../x", 1]}'])
def test_a_file_that_is_no_report_of_tosa_removes_nothing(tmp_path, numbers):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (tmp_path / "x").touch()
    (folder / "report.json").write_text(numbers)
    report.remove_earlier(folder)
    assert (tmp_path / "x").exists() and (folder / "report.json").exists()


def test_files_of_reports_before_they_listed_their_files(tmp_path):
    for name in ("report.md", "plot.png", "big-heart-roc.png", "heart-roc.png"):
        (tmp_path / name).touch()
    (tmp_path / "report.json").write_text('{"tasks": {"big heart": {}}, "data": {}}')
    report.remove_earlier(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["heart-roc.png"]


def test_curves_of_few_cases_show_their_number_and_band():
    points = [(0, 0.6), (10, 1.0)]
    curves = {("validation", "accuracy_1"): points, ("validation", "cases_1"): [(0, 5), (10, 5)],
              ("train", "accuracy_1"): points, ("validation", "cross_entropy_1"): points}  # fmt: skip
    accuracy, loss = charts.training(curves).axes
    assert [line.get_label() for line in accuracy.lines] == ["train", "validation (n=5)"]
    (band,) = accuracy.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((metrics.wilson(3, 5)[0], 1)) and not loss.collections
    assert np.isclose(heights, metrics.wilson(5, 5)[0]).any(), "five of five may be fewer of more"


def test_a_perfect_roc_of_few_cases_is_not_certain():
    """Three ill and three healthy, in pairs of one group each: the band leaves room for worse."""
    scores = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3)
    answers = Answers("t", ("normal", "ill"), np.array([0] * 3 + [1] * 3), scores, list("abcdef"))
    (axes,) = charts.roc(answers).axes
    assert [line.get_label() for line in axes.lines][1] == "any but normal (n=3 + 3)"
    (band,) = axes.patches
    x, y = band.get_xy().T
    least = metrics.wilson(3, 3)[0]
    assert np.isclose(y[np.isclose(x, 1 - least)], least).any(), "sensitivity and specificity may both be lower"
    assert x.min() >= 0 and y.max() <= 1


@pytest.mark.parametrize(
    "losses, told",
    [
        (np.r_[np.linspace(1, 0.3, 10), np.linspace(0.3, 0.9, 30)], True), (np.linspace(1, 0.3, 40), False),
        (np.r_[np.linspace(1, 0.3, 35), np.linspace(0.3, 0.4, 5)], False), (np.full(40, 0.3), False),
        (np.r_[np.linspace(1, 0.3, 10), np.full(30, 0.31)], False), (np.array([0.3, 0.9]), False),
    ],
)  # fmt: skip
def test_a_loss_that_rises_for_long_is_told(losses, told):
    points = [(10 * number, float(loss)) for number, loss in enumerate(losses)]
    curves = {("validation", "cross_entropy/lungs"): points, ("train", "cross_entropy/lungs"): points}
    sentences = warnings_of(curves)
    assert len(sentences) == told
    for sentence in sentences:
        assert "of lungs was lowest, 0.3" in sentence and "rose to 0.8" in sentence
        assert "--how_many_training_steps=90)" in sentence or "--how_many_training_steps=100)" in sentence


def test_an_accuracy_with_training_cases_says_so(tmp_path, capsys):
    options = ReportOptions(tmp_path / "report", split="all", negative_label="healthy")
    outputs.write_outputs(options, outputs.task_reports(options, [answered(tmp_path, 30)]), {})
    out = capsys.readouterr().out
    assert "% (N=30), including training cases\n" in out and "Final test accuracy" not in out
    assert "== lungs: 30 cases of 15 groups, including training cases" in out
    assert "has no label 'healthy', which --negative_label names; it has normal, bacteria, virus." in out
    assert "groups were tested, including training cases." in (tmp_path / "report" / "report.md").read_text()
