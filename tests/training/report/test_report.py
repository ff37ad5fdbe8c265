import json
import time

import numpy as np
from PIL import Image

from pictures import phantom
from tosa.training.data.dataset import Case
from tosa.training.metrics import Answers
from tosa.training.report import charts, report


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


def test_text_counts_right():
    scores = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    text = report.text(Answers("l", ("normal", "bacteria", "virus"), np.array([0, 1, 1, 2]), scores, list("abcd")))
    assert "accuracy      50.0%" in text and "(N=4; Wilson)" in text
    assert "sensitivity   66.7%" in text and "specificity  100.0%" in text and "AUC" in text
    assert "if 10.0% of all were ill" in text


def test_folder_has_numbers_pages_and_pictures(tmp_path):
    curves = {("train", "accuracy_1"): [(0, 0.5), (10, 0.9)], ("train", "cross_entropy_1"): [(0, 0.7), (10, 0.2)]}
    data = {"files": {"testing": 40}, "same_content": 2, "skipped": ["'x' is empty."]}
    answers, cases = answered(tmp_path, 40)
    folder = tmp_path / "report"
    report.write(folder, report.Report([(answers, cases)], data, curves))
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
    assert "over 20 groups" in page and "'x' is empty." in page and "virus against the rest" in page


def test_one_kind_of_case_and_no_miss(tmp_path):
    Image.fromarray(phantom()).save(tmp_path / "x.png")
    cases = [Case(tmp_path / "x.png", "t", "normal", "g", "testing")] * 3
    answers = Answers("t", ("ill", "normal"), np.array([1, 1, 1]), np.tile([0.1, 0.9], (3, 1)), ["g"] * 3)
    report.write(tmp_path / "report", report.Report([(answers, cases)]))
    found = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["t"]
    assert found["auc"] is None and found["sensitivity"]["value"] is None and found["specificity"]["value"] == 1
    assert not (tmp_path / "report" / "t-misclassified.png").exists()


def test_same_answers_same_files(tmp_path):
    for name in "ab":
        report.write(tmp_path / name, report.Report([answered(tmp_path, 30)]))
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_dollars_are_no_mathematics(tmp_path):
    curves = {("validation", f"{kind}/$\\frac$"): [(0, 0.5), (1, 0.9)] for kind in ("accuracy", "cross_entropy")}
    odd = answered(tmp_path, 30, ("$\\frac$", "$x_$"), "$\\sqrt$.png")
    report.write(tmp_path / "report", report.Report([odd], curves=curves))
    assert len(list((tmp_path / "report").glob("*.png"))) == 5


def test_a_thousand_cases_take_seconds(tmp_path):
    """Five on an idle machine; processor time is what is measured, since others may be at work."""
    start = time.process_time()
    report.write(tmp_path / "report", report.Report([answered(tmp_path, 1000)]))
    assert time.process_time() - start < 5


def test_contact_sheet_shows_what_it_was_given():
    pictures = [np.full((40, 40, 3), level, np.uint8) for level in (10, 200)]
    axes = [axes for axes in charts.contact_sheet(pictures, ["first", "second"]).axes if axes.images]
    assert [a.get_title() for a in axes] == ["first", "second"]
    assert [a.images[0].get_array().mean() for a in axes] == [10, 200]
