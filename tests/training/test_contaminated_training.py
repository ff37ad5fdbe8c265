"""retrain.py on files that the trunk was fine-tuned on, --folds and --compare, as users call them, on a small trunk."""

import json

import numpy as np
import pytest
from PIL import Image

import retrain
from tosa.model.graph import Graph
from tosa.model.metadata import GraphMetadata
from tosa.model.network import Network
from tosa.training.data.contamination import SeenFiles
from tosa.training.data.dataset import Case
from tosa.training.data.fingerprints import marks_of
from tosa.training.graph import assemble
from tosa.training.head.head import Head
from tosa.web.card.limits import limits as card_limits
from tosa.web.card.words import Words, strings

CHANNELS = 16  # of small_graph's bottleneck
SIDES = (140, 110)


def picture(seed: int, light: bool) -> Image.Image:
    """A gray picture of soft blots, dark or light."""
    blots = np.random.default_rng(seed).integers(0, 90, (12, 12), np.uint8) + np.uint8(120 * light)
    return Image.fromarray(blots).resize(SIDES, Image.Resampling.BICUBIC)


def folder_of(place, seeds, quality: int):
    """One folder a label, three pictures of each person: light ones are healthy."""
    for seed in seeds:
        label = ("ill", "healthy")[seed // 3 % 2]
        (place / label).mkdir(parents=True, exist_ok=True)
        picture(seed, label == "healthy").save(place / label / f"person{seed // 3}_{seed}.jpg", quality=quality)
    return place


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Sixty pictures of twenty people."""
    return folder_of(tmp_path_factory.mktemp("seen"), range(60), 95)


@pytest.fixture
def served(small_graph, seen, tmp_path, monkeypatch):
    """The small graph, with the fingerprints of the sixty pictures, in the place of the embedded one."""
    cases = [Case(file, "lungs", "x", file.name, "training") for file in sorted(seen.glob("*/*.jpg"))]
    constants = SeenFiles().with_cases(cases, marks_of(cases)).constants()
    graph = Graph(small_graph[0].read_bytes())
    head = Head("cough", ("not sick", "sick"), np.zeros((CHANNELS, 2), np.float32), np.zeros(2, np.float32))
    file = tmp_path / "served.pb"
    file.write_bytes(assemble.assemble(graph.trunk(), [head], GraphMetadata(), constants=constants))
    monkeypatch.setenv("TOSA_GRAPH", str(file))
    monkeypatch.setenv("TOSA_LABELS", str(small_graph[1]))
    return file


def run(folder, pictures, *more) -> int:
    return retrain.main([
        f"--image_dir={pictures}", "--task=lungs", r"--group_regex=person\d+", f"--report_dir={folder / 'report'}",
        *more,
    ])  # fmt: skip


def train(folder, pictures, *more, graph="graph") -> int:
    return run(
        folder, pictures, "--how_many_training_steps=30", "--learning_rate=0.1", f"--model_dir={folder / 'inception'}",
        f"--bottleneck_dir={folder / 'bottlenecks'}", f"--summaries_dir={folder / 'summaries'}",
        f"--output_graph={folder / graph}.pb", f"--output_labels={folder / graph}.txt", *more,
    )  # fmt: skip


def test_training_on_copies_is_told_and_its_test_refused(served, seen, tmp_path, capsys):
    copies = folder_of(tmp_path / "copies", range(60), 60)
    assert train(tmp_path, copies) == 2
    said = capsys.readouterr()
    assert "60 of your 60 files" in said.out and "were in the training of this trunk" in said.out
    assert "--allow_contaminated" in said.err and not (tmp_path / "graph.pb").exists()
    assert train(tmp_path, copies, "--allow_contaminated") == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())["data"]
    testing = report["files"]["testing"]
    assert testing > 0 and report["in_the_training_of_the_trunk"]["testing"] == f"{testing} of {testing}"
    page = (tmp_path / "report" / "report.md").read_text()
    assert page.index("60 of your 60 files") < page.index("## lungs")
    graph = Graph((tmp_path / "graph.pb").read_bytes())
    (doubts,) = graph.card()["data"]
    assert (doubts["seen_by_trunk"], doubts["seen_by_trunk_testing"], doubts["ungrouped"]) == (60, testing, 0)
    network = Network.load(tmp_path / "graph.pb")
    for language in ("en", "es", "fr"):
        limits = dict(card_limits(network, Words(language, network.metadata)))["lungs"]
        assert strings(language)["limits.seen_by_trunk_testing"].format(count=testing) in limits
    kept = graph.constant("tosa/fingerprints/training/pictures")
    assert len(kept) == 60  # the trunk's, carried on


def test_new_files_are_trained_on_without_a_word(served, tmp_path, capsys):
    new = folder_of(tmp_path / "new", range(300, 360), 80)
    assert train(tmp_path, new) == 0
    assert "in the training of this trunk" not in capsys.readouterr().out
    found = json.loads((tmp_path / "report" / "report.json").read_text())["data"]
    assert found["files_in_the_training_of_the_trunk"] == []


def test_evaluating_copies_is_refused_and_other_splits_are_told(served, tmp_path, capsys):
    assert train(tmp_path, folder_of(tmp_path / "new", range(300, 360), 80)) == 0
    copies = folder_of(tmp_path / "copies", range(60), 60)
    graph = [f"--graph={tmp_path / 'graph.pb'}", f"--labels={tmp_path / 'graph.txt'}"]
    assert run(tmp_path, copies, "--evaluate=all", *graph) == 2
    assert "60 of the 60 files to test on" in capsys.readouterr().err
    assert run(tmp_path, copies, "--evaluate=training", *graph) == 0
    assert run(tmp_path, copies, "--evaluate", "--allow_contaminated", *graph) == 0
    assert capsys.readouterr().out.count("the results below are too good") == 2


def test_folds(served, tmp_path, capsys):
    new = folder_of(tmp_path / "new", range(300, 360), 80)
    assert train(tmp_path, new, "--folds=4") == 0
    out = capsys.readouterr().out
    assert "Fold 4 of 4." in out and "No graph was written" in out and "To serve it" not in out
    assert not (tmp_path / "graph.pb").exists()
    lungs = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["lungs"]
    assert lungs["cases"] == 60 and lungs["groups"] == 20 and lungs["accuracy"]["over_groups"]["groups"] == 20
    each = lungs["folds"]["each"]
    assert len(each) == 4 and sum(fold["groups"] for fold in each) == 20
    assert lungs["folds"]["over_folds"]["accuracy"]["mean"] == pytest.approx(np.mean([f["accuracy"] for f in each]))
    assert "| standard deviation |" in (tmp_path / "report" / "report.md").read_text()
    assert train(tmp_path, new, "--folds=40") == 2
    assert "needs at least 40 groups, and the cases have 20" in capsys.readouterr().err
    assert train(tmp_path, folder_of(tmp_path / "copies", range(60), 60), "--folds=4") == 2
    assert "60 of the 60 files to test on" in capsys.readouterr().err


def test_two_graphs_are_compared(served, tmp_path, capsys):
    new = folder_of(tmp_path / "new", range(300, 360), 80)
    assert train(tmp_path, new) == 0
    assert train(tmp_path, new, "--how_many_training_steps=1", "--seed=3", graph="other") == 0
    graph = [f"--graph={tmp_path / 'graph.pb'}", f"--labels={tmp_path / 'graph.txt'}"]
    assert run(tmp_path, new, "--evaluate=all", f"--compare={tmp_path / 'other.pb'}", *graph) == 0
    assert "McNemar's exact p" in capsys.readouterr().out
    found = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["lungs"]["comparison"]
    assert found["cases"] == 60
    gap = found["accuracy"]["this"]["value"] - found["accuracy"]["other"]["value"]
    assert found["accuracy"]["difference"]["value"] == pytest.approx(gap)
    test = found["mcnemar"]
    assert (test["only_this_right"] - test["only_other_right"]) / 60 == pytest.approx(gap)
    assert "Compared with the other graph" in (tmp_path / "report" / "report.md").read_text()
    assert run(tmp_path, new, "--evaluate=all", f"--compare={served}", *graph) == 2
    assert "no task 'lungs'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train(tmp_path, new, f"--compare={served}")
    assert "--compare needs --evaluate" in capsys.readouterr().err
