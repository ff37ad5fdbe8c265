"""The audit finds what was planted: a shortcut in the border, a data set in the bottleneck, an answer that flips."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import phantom
from sounds import coughs, wav
from tosa.audit import audit, shortcuts
from tosa.audit.card import put_card
from tosa.audit.subgroups import subgroup_accuracy, subgroups_of
from tosa.errors import UsageError
from tosa.model.graph import Graph
from tosa.model.metadata import GraphMetadata
from tosa.training.data.dataset import Case
from tosa.training.graph import assemble
from tosa.training.head.head import Head
from tosa.training.metrics import Answers, auc
from tosa.training.report import model_card


def cases(folder: Path, border: bool, count: int = 60) -> tuple[list[Case], list[Case]]:
    """Training and testing pictures of noise, whose class only a bright border or a bright middle tells."""
    made = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 100, (96, 96), dtype=np.uint8)
        part = np.s_[:6] if border else np.s_[40:60, 40:60]
        pixels[part] += np.uint8(100 * (number % 2))
        file = folder / f"{border}{number}.png"
        Image.fromarray(pixels).save(file)
        split = "training" if number < 40 else "testing"
        made.append(Case(file, "lungs", ("normal", "ill")[number % 2], str(number), split, f"hospital {number % 2}"))
    return [case for case in made if case.split == "training"], [case for case in made if case.split == "testing"]


def answers_by(name: str, training: list[Case], testing: list[Case]) -> tuple[Answers, list[int]] | None:
    feature = {name: shortcuts.OF_PICTURES[name]}
    values, tested = (shortcuts.features_of(each, feature)[name] for each in (training, testing))
    return shortcuts.answers_by(training, values, testing, tested)


def test_a_cue_in_the_border_is_found_there_alone(tmp_path):
    for planted in (True, False):
        found, rows = answers_by("borders only", *cases(tmp_path, planted))
        value = auc(found.targets == 1, found.scores[:, 1])
        assert value > 0.99 if planted else value < 0.85
        assert rows == list(range(20))


def sized(case: Case, width: int, height: int) -> Case:
    return replace(case, extra={"native_width": str(width), "native_height": str(height)})


def test_aspect_and_native_size_are_those_of_the_table(tmp_path):
    """Ill pictures were wide and low, though all files have one shape. Those of unknown size are left out."""
    shapes = {"normal": (1000, 900), "ill": (1000, 600)}
    training, testing = ([sized(case, *shapes[case.label]) for case in each] for each in cases(tmp_path, True))
    testing += [replace(case, extra={"native_width": "", "native_height": ""}) for case in testing[:3]]
    for name, expected in (("aspect ratio", 1), ("native height", 1), ("native width", 0.5)):
        found, rows = answers_by(name, training, testing)
        assert auc(found.targets == 1, found.scores[:, 1]) == expected and rows == list(range(20))
    assert answers_by("aspect ratio", training, testing[:9]) is None, "nine cases to test on are too few"


def test_size_is_that_of_the_pixels_where_the_table_knows_none():
    case = Case(Path("a.png"), "lungs", "ill", "a", "training")
    assert shortcuts.native_size(case, np.zeros((90, 120, 3), np.uint8)) == (120, 90)
    assert shortcuts.native_size(sized(case, 300, 200), np.zeros((90, 120, 3), np.uint8)) == (300, 200)


def test_margins_are_measured_on_each_side():
    pixels = np.random.default_rng(0).integers(0, 255, (100, 80, 3), dtype=np.uint8)
    pixels[:, :4], pixels[:, 72:], pixels[:10], pixels[95:] = 3, 0, 0, 255
    case = Case(Path("a.png"), "lungs", "ill", "a", "training")
    assert shortcuts.margins(case, pixels) == pytest.approx([0.1, 0.05, 0.05, 0.1])
    assert shortcuts.margins(case, np.zeros((9, 9, 3), np.uint8)) == pytest.approx([0] * 4), "it has no content"


def test_where_a_shortcut_is_wrong_the_network_is_asked():
    """The healthy stand in other columns; one kind of illness for the other is no such error."""
    targets = np.array([0] * 10 + [1] * 10 + [2] * 10)
    mine = np.r_[[0] * 10, [1] * 6, [2] * 2, [0] * 2, [2] * 10]  # two of those that the shortcut misses are missed
    theirs = np.r_[[2] * 10, [2] * 10, [1] * 10]
    labels = ("normal", "flu", "cold")
    network = Answers("lungs", labels, targets, np.eye(3)[mine], [str(n) for n in range(30)])
    shortcut = Answers("lungs", ("cold", "flu", "normal"), 2 - targets, np.eye(3)[theirs], network.groups)
    found = audit.where_wrong(network, shortcut)
    assert (found["value"], found["n"]) == (0.8, 10)
    assert audit.where_wrong(network, replace(shortcut, scores=np.eye(3)[2 - targets])) is None  # never wrong
    assert audit.where_wrong(replace(network, labels=("cat", "dog", "cow")), shortcut) is None


def test_silence_tells_how_much_is_quiet_and_where():
    samples = np.r_[np.zeros(22_050), np.random.default_rng(0).uniform(-0.5, 0.5, 22_050)].astype(np.float32)
    *quiet, before, after = shortcuts.silence(Case(Path("a.wav"), "cough", "sick", "a", "training"), samples)
    assert quiet == pytest.approx([0.5] * 3, abs=0.03) and before == pytest.approx(0.5, abs=0.03) and after < 0.03


def test_a_bottleneck_that_holds_its_source_is_told(tmp_path):
    training, testing = cases(tmp_path, True)
    everything = training + testing
    random = np.random.default_rng(0).normal(size=(60, 8))
    told = shortcuts.source_told(everything, random + np.arange(60)[:, None] % 2 * 5)
    assert told["balanced_accuracy"] > 0.95 and told["guessing"] == 0.5 and told["n"] == 20
    assert shortcuts.source_told(everything, random)["balanced_accuracy"] < 0.8
    assert shortcuts.source_told([case for case in everything if case.label == "ill"], random[:30]) is None
    assert shortcuts.source_told(everything[:-1], random[:-1]) is None, "nine cases to test on are too few"


def test_subgroups_of_a_case():
    case = Case(Path("a.png"), "covid", "normal", "a", "testing", "nih")
    person = replace(case, extra={"age": "39.5", "sex": "F", "view": ""})
    assert subgroups_of(person) == ["source nih", "sex F", "age 18 to 39"]
    assert subgroups_of(replace(case, extra={"age": ""})) == ["source nih"]
    assert subgroups_of(replace(case, source="", extra={"kind": "crying_baby"})) == ["kind crying baby"]


def test_accuracy_of_subgroups_with_enough_cases():
    """Right for women, wrong for men; nine of unknown sex are too few."""
    sexes = ["F"] * 10 + ["M"] * 12 + ["X"] * 9
    people = [Case(Path(f"{n}"), "t", "a", str(n), "testing", extra={"sex": sex}) for n, sex in enumerate(sexes)]
    scores = np.eye(2)[[0] * 10 + [1] * 21]
    found = subgroup_accuracy(people, Answers("t", ("a", "b"), np.zeros(31, int), scores, [c.group for c in people]))
    assert {name: (rate["value"], rate["n"]) for name, rate in found.items()} == {"sex F": (1, 10), "sex M": (0, 12)}


CHANNELS = 16  # of small_graph's bottleneck
LABELS = ("normal", "bacterial pneumonia", "viral pneumonia")


def write_table(folder: Path, delimiter: str) -> Path:
    """A table of drawn X-rays and two coughs: of each label, ten to train on, ten to validate, ten to test."""
    lines = ["file,task,label,group,split,source,age,licence"]
    for number in range(90):
        label, split = LABELS[number % 3], ("training", "validation", "testing")[number // 30]
        pixels = np.roll(phantom(90, 80), number % 7, axis=1)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,pneumonia,{label},p{number},{split},clinic,{number % 3 * 20},CC0")
    for number in range(24):
        (folder / f"{number}.wav").write_bytes(wav(coughs(seed=number % 4)))
        split = ("training", "testing")[number // 12]
        lines.append(f"{number}.wav,cough,{('sick', 'not sick')[number % 2]},s{number},{split},telephone,,")
    table = folder / "cases.csv"
    table.write_text("\n".join(lines).replace(",", delimiter))
    return table


@pytest.fixture(scope="module")
def graph(small_graph, tmp_path_factory):
    """A graph with two tasks and without a gate, and its labels."""
    folder, rng = tmp_path_factory.mktemp("graph"), np.random.default_rng(0)
    tasks = {"pneumonia": LABELS, "cough": ("not sick", "sick")}
    heads = [
        Head(task, labels, rng.normal(size=(CHANNELS, len(labels))), rng.normal(size=len(labels)))
        for task, labels in tasks.items()
    ]
    trunk = Graph(small_graph[0].read_bytes()).trunk()
    (folder / "graph.pb").write_bytes(assemble.assemble(trunk, heads, GraphMetadata()))
    (folder / "labels.txt").write_text(assemble.label_lines(heads))
    return folder / "graph.pb", folder / "labels.txt"


def serve(patch: pytest.MonkeyPatch, graph: tuple[Path, Path]) -> None:
    patch.setenv("TOSA_GRAPH", str(graph[0]))
    patch.setenv("TOSA_LABELS", str(graph[1]))


@pytest.fixture(scope="module")
def audited(graph, tmp_path_factory):
    """What the command writes for a graph without a gate and a table with semicolons."""
    folder = tmp_path_factory.mktemp("audit")
    table, output = write_table(folder, ";"), folder / "audit.json"
    with pytest.MonkeyPatch.context() as patch:
        serve(patch, graph)
        others = ["--others", str(folder)]
        patch.setattr(sys, "argv", ["audit", str(table), *others, f"--output={output}", f"--bottleneck_dir={folder}/b"])
        audit.main()
    return json.loads(output.read_text())


def test_a_graph_without_a_gate_is_audited(audited):
    assert "gate" not in audited and set(audited["tasks"]) == {"pneumonia", "cough"}
    assert audited["tasks"]["pneumonia"]["figures"]["cases"] == 30
    shown = set(shortcuts.OF_PICTURES)
    assert set(audited["tasks"]["pneumonia"]["shortcuts"]) == shown
    assert audited["copies"]["files"] > 0 and audited["licences"] == [
        {"source": "clinic", "licence": "CC0", "files": 90}
    ]


def test_a_table_with_semicolons_keeps_its_subgroups(audited):
    groups = audited["tasks"]["pneumonia"]["subgroups"]
    assert {name: rate["n"] for name, rate in groups.items()} == {
        "source clinic": 30,
        "age 0 to 17": 10,
        "age 18 to 39": 10,
        "age 40 to 59": 10,
    }


def test_handling_has_a_bound_for_each_row(audited):
    for task in ("pneumonia", "cough"):
        first, *rows = audited["tasks"][task]["handling"].values()
        assert "bound" not in first and all(row["bound"]["kept"] > 0.9 for row in rows) and len(rows) > 20


@pytest.mark.parametrize(
    "row, said",
    [
        ("0.png,asthma,normal,testing", "no task 'asthma'"),
        ("0.png,pneumonia,normal,training", "no testing case of pneu"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(graph, tmp_path, monkeypatch, row, said):
    Image.fromarray(phantom()).save(tmp_path / "0.png")
    (tmp_path / "t.csv").write_text(f"file,task,label,split\n{row}\n")
    serve(monkeypatch, graph)
    monkeypatch.setattr(sys, "argv", ["audit", f"{tmp_path}/t.csv", f"--bottleneck_dir={tmp_path}/b"])
    with pytest.raises(SystemExit, match=said):
        audit.main()


def test_an_audit_is_put_into_the_card_of_its_graph(audited, graph, tmp_path):
    file, measured = tmp_path / "graph.pb", tmp_path / "audit.json"
    file.write_bytes(graph[0].read_bytes())
    measured.write_text(json.dumps(audited))
    words = tmp_path / "words.json"
    card_words = {"truth": "a guess", "limitations": ["Drawn."]}
    words.write_text(json.dumps({"title": "Mine", "sources": {"clinic": "here", "moon": "there"},
                                 "tasks": {"pneumonia": {"limits": "None.", "card": card_words}}}))  # fmt: skip
    put_card(file, measured, words)
    carrying = Graph(file.read_bytes())
    card = carrying.card()
    task = card["tasks"]["pneumonia"]
    assert task["tested"]["confusion"] == audited["tasks"]["pneumonia"]["figures"]["confusion_matrix"]
    assert set(task["handling"]) == set(audited["tasks"]["pneumonia"]["handling"])
    assert task["truth"] == "a guess" and task["limitations"] == ["Drawn."] and card["sources"] == {"clinic": "here"}
    assert carrying.metadata().title == "Mine" and carrying.metadata().task("pneumonia").limits == "None."
    assert json.loads(measured.read_text())["sha256"] == carrying.sha256 != audited["sha256"]
    put_card(file, measured, words)
    assert Graph(file.read_bytes()).sha256 == carrying.sha256, "once more changes nothing"
    measured.write_text(json.dumps(audited))
    with pytest.raises(UsageError, match="measure this graph first"):
        put_card(file, measured, None)


def test_the_model_card_shows_handling_and_licences(audited):
    card = model_card.markdown(audited)
    assert "## Handling" in card and "## Stability" not in card and "| clinic | CC0 | 90 |" in card
    row = audited["tasks"]["pneumonia"]["handling"]["mirrored"]
    verdict = "missed" if row["misses"] else "holds"
    (line,) = [line for line in card.splitlines() if line.startswith("| mirrored |")]
    assert line.startswith(f"| mirrored | {model_card.interval(row['kept'])} |") and line.endswith(f"| {verdict} |")
