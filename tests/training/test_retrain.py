"""retrain.py as users call it, on a small trunk, and its graph served."""

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
import retrain
from pictures import encoded, phantom
from sounds import RATE, coughs, wav
from tosa.inputs import spectrogram, xray
from tosa.model.calibration import Calibration, OperatingPoint
from tosa.model.graph import Graph
from tosa.model.metadata import GraphMetadata, TaskMetadata
from tosa.model.network import Network
from tosa.training import tensorboard_curves
from tosa.training.commands import run
from tosa.training.data import drawing
from tosa.training.data.dataset import Case
from tosa.training.features.bottleneck_cache import record_type
from tosa.training.flag_combinations import STEPS
from tosa.training.graph import assemble
from tosa.training.head.head import Head

CHANNELS = 16  # of small_graph's bottleneck


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """Thirty coughs and thirty tones, sixty files in two folders."""
    folder = tmp_path_factory.mktemp("sounds")
    time = np.arange(RATE) / RATE
    for number in range(30):
        tone = 0.5 * np.sin(2 * np.pi * (200 + 40 * number) * time)
        for label, samples in (("sick", coughs(seed=number)), ("not sick", tone)):
            file = folder / label / f"case{number}.wav"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(wav(samples))
    return folder


@pytest.fixture
def embedded(small_graph, monkeypatch):
    """The small graph in the place of the embedded one."""
    monkeypatch.setenv("TOSA_GRAPH", str(small_graph[0]))
    monkeypatch.setenv("TOSA_LABELS", str(small_graph[1]))


def flags(folder: Path, sounds: Path, **more) -> list[str]:
    given = {
        "bottleneck_dir": folder / "bottlenecks", "how_many_training_steps": 500, "model_dir": folder / "inception",
        "summaries_dir": folder / "summaries", "output_graph": folder / "graph.pb", "audio_dir": sounds,
        "output_labels": folder / "labels.txt", "image_dir": folder / "melspectrograms", "learning_rate": 0.05,
    } | more  # fmt: skip
    return [f"--{name}={value}" for name, value in given.items()]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Twenty dark and twenty light pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for label, gray in (("dark", 40), ("light", 200)):
        (folder / label).mkdir()
        for number in range(20):
            noise = np.random.default_rng(number).integers(0, 40, (100 + number, 80), dtype=np.uint8)
            Image.fromarray(noise + np.uint8(gray)).save(folder / label / f"{label}{number}.jpg")
    return folder


def flags_of_pictures(folder: Path, pictures: Path, **more) -> list[str]:
    return [flag for flag in flags(folder, folder, image_dir=pictures, **more) if not flag.startswith("--audio_dir")]


def without_steps(given: list[str]) -> list[str]:
    """Flags for a use that trains in no steps."""
    return [flag for flag in given if flag.split("=")[0].removeprefix("--") not in STEPS]


def test_classic_command_and_its_graph_served(embedded, sounds, tmp_path, capsys):
    assert retrain.main(flags(tmp_path, sounds)) == 0
    out = capsys.readouterr().out
    assert f"Looking for images in '{tmp_path / 'melspectrograms'}'" in out
    assert "60 bottleneck files created." in out
    found = re.search(r"^Final test accuracy = ([\d.]+)% \(N=\d+\)$", out, re.MULTILINE)
    assert found and float(found[1]) > 90
    assert (tmp_path / "labels.txt").read_text() == "not sick\nsick\n"
    client = app.create_app(Network.load(tmp_path / "graph.pb", tmp_path / "labels.txt")).test_client()
    for samples, diagnosis in ((coughs(seed=99), "sick"), (np.sin(np.arange(RATE) / 5) / 2, "not sick")):
        answer = client.post("/", data={"audio_data": (io.BytesIO(wav(samples)), "x")}).json
        assert answer["diagnosis"] == diagnosis, answer
    assert retrain.main(flags(tmp_path, sounds)) == 0
    assert "0 bottleneck files created." in capsys.readouterr().out


def test_a_training_that_names_no_task_is_not_of_coughs_unless_its_labels_are(embedded, pictures, tmp_path, capsys):
    assert retrain.main(flags_of_pictures(tmp_path, pictures, how_many_training_steps=5)) == 0
    assert "answers sounds, as the task sound." in capsys.readouterr().out
    assert (tmp_path / "labels.txt").read_text() == "dark\nlight\n"
    for labels in (tmp_path / "labels.txt", None):  # the lines of the file name no task, and fit the graph's only one
        network = Network.load(tmp_path / "graph.pb", labels)
        assert {name: task.labels for name, task in network.tasks.items()} == {"sound": ("dark", "light")}
    data = {"audio_data": (io.BytesIO(wav(coughs())), "x")}
    answer = app.create_app(network).test_client().post("/", data=data).json
    assert [(finding["task"], finding["from"]) for finding in answer["findings"]] == [("sound", "sound")]
    given = [f"--graph={tmp_path}/graph.pb", f"--image_dir={pictures}", f"--report_dir={tmp_path}/report"]
    assert retrain.main([*given, "--evaluate=all"]) == 0 and "== sound: 40 cases" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["graph", "compare"])
def test_a_graph_that_is_not_there_is_named_by_its_flag(pictures, flag, capsys):
    given = [f"--image_dir={pictures}", "--evaluate", f"--{flag}=nosuch.pb"]
    assert retrain.main(given) == 2
    assert capsys.readouterr().err == f"retrain.py: --{flag} 'nosuch.pb' does not exist.\n"


def test_a_description_of_no_label_is_refused_before_sounds_are_drawn(embedded, sounds, tmp_path, capsys):
    assert retrain.main([*flags(tmp_path, sounds), "--describe=sik: a cough"]) == 2
    assert "--describe 'sik: a cough'" in capsys.readouterr().err and not (tmp_path / "melspectrograms").exists()


def test_the_graph_carries_the_card_of_its_training(embedded, sounds, tmp_path):
    """With what the report says, and without a path, a name of a file, or a hash."""
    report = tmp_path / "report"
    assert retrain.main(flags(tmp_path, sounds, report_dir=report, how_many_training_steps=50)) == 0
    graph = Graph((tmp_path / "graph.pb").read_bytes())
    card = graph.card()
    told = json.loads((report / "report.json").read_text())
    metrics, tested = told["tasks"]["cough"], card["tasks"]["cough"]["tested"]
    assert tested["confusion"] == metrics["confusion_matrix"] and tested["cases"] == metrics["cases"]
    limits = metrics["accuracy"]["over_groups"]  # a cough and a tone share a name, so a group
    assert tested["accuracy"]["low"] == pytest.approx(limits["low"], abs=1e-4)
    assert tested["accuracy"]["groups"] == limits["groups"]
    assert tested["auc"]["value"] == pytest.approx(metrics["auc"]["value"], abs=1e-4)
    counts = [row[split] for row in card["tasks"]["cough"]["files"] for split in ("training", "validation", "testing")]
    assert sum(files for files, _ in counts) == 60
    (data,) = card["data"]
    assert data["tasks"] == ["cough"] and data["copies"] == told["data"]["same_content"]
    text = graph.constant("tosa/card").item().decode()
    assert len(text) < 4000 and str(tmp_path) not in text and ".wav" not in text
    assert graph.sha256 not in text and graph.sha256[:12] not in text


def test_same_command_same_graph(embedded, sounds, tmp_path):
    graphs = []
    for name in ("one", "two"):
        assert retrain.main(flags(tmp_path / name, sounds, how_many_training_steps=20)) == 0
        graphs.append((tmp_path / name / "graph.pb").read_bytes())
    assert graphs[0] == graphs[1]


def test_task_is_added_and_others_kept(embedded, sounds, tmp_path, monkeypatch, capsys):
    assert retrain.main(flags(tmp_path, sounds)) == 0
    first = Network.load(tmp_path / "graph.pb", tmp_path / "labels.txt")
    monkeypatch.setenv("TOSA_GRAPH", str(tmp_path / "graph.pb"))
    monkeypatch.setenv("TOSA_LABELS", str(tmp_path / "labels.txt"))
    given = [flag for flag in flags(tmp_path, sounds, task="lungs") if "audio_dir" not in flag]
    assert retrain.main(given) == 0
    out = capsys.readouterr().out
    assert "0 bottleneck files created." in out and "will not have" not in out and "answers sounds" not in out
    both = Network.load(tmp_path / "graph.pb", tmp_path / "labels.txt")
    assert list(both.tasks) == list(both.card["tasks"]) == ["cough", "lungs"]
    assert both.card["tasks"]["cough"] == first.card["tasks"]["cough"]
    assert [of["tasks"] for of in both.card["data"]] == [["cough"], ["lungs"]]
    picture = spectrogram.draw_file(wav(coughs()))[None]
    np.testing.assert_allclose(both.run(picture).scores[:, :2], first.run(picture).scores, atol=1e-5)


def test_a_classic_head_is_not_dropped_silently(classic_graph, sounds, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TOSA_GRAPH", str(classic_graph[0]))
    assert retrain.main(flags(tmp_path, sounds, task="lungs")) == 2
    assert "classic graph" in capsys.readouterr().err
    assert retrain.main(flags(tmp_path, sounds, how_many_training_steps=5)) == 0


def graph_of(small_graph, task: TaskMetadata, file: Path) -> list[str]:
    """Flags that name a graph with the small one's trunk and one task, whose metadata the graph carries."""
    head = Head(task.name, ("not sick", "sick"), np.zeros((CHANNELS, 2), np.float32), np.zeros(2, np.float32))
    trunk = Graph(small_graph[0].read_bytes()).trunk()
    file.write_bytes(assemble.assemble(trunk, [head], GraphMetadata().with_task(task)))
    file.with_suffix(".txt").write_text(assemble.label_lines([head], False))
    return [f"--graph={file}", f"--labels={file.with_suffix('.txt')}"]


def test_the_gate_stays_with_the_task_that_had_it(small_graph, pictures, tmp_path, monkeypatch, capsys):
    graph_of(small_graph, TaskMetadata("lungs", "picture", gate=True), tmp_path / "old.pb")
    monkeypatch.setenv("TOSA_GRAPH", str(tmp_path / "old.pb"))
    for task, gate in (("lungs", True), ("dogs", False)):
        assert retrain.main(flags_of_pictures(tmp_path, pictures, task=task, how_many_training_steps=5)) == 0
        tasks = Graph((tmp_path / "graph.pb").read_bytes()).metadata().tasks
        assert tasks["lungs"].gate and tasks[task].gate == gate
        assert ("does not check whether" in capsys.readouterr().out) == (not gate)


def test_graphs_on_the_way_are_as_the_last_one(small_graph, pictures, tmp_path, monkeypatch):
    """The first task is replaced in its place, and beside it stands what is known of both, and the gate."""
    tasks = [TaskMetadata("asthma", "picture", gate=True), TaskMetadata("lungs", "picture", note="few")]
    known = GraphMetadata(tasks={task.name: task for task in tasks})
    heads = [Head(task.name, ("a", "b"), np.zeros((CHANNELS, 2)), np.zeros(2)) for task in tasks]
    gate = {"tosa/familiarity/bias": np.float32(3)}
    trunk = Graph(small_graph[0].read_bytes()).trunk()
    (tmp_path / "old.pb").write_bytes(assemble.assemble(trunk, heads, known, constants=gate))
    monkeypatch.setenv("TOSA_GRAPH", str(tmp_path / "old.pb"))
    given = flags_of_pictures(tmp_path, pictures, task="asthma", how_many_training_steps=5,
                              intermediate_store_frequency=2, intermediate_output_graphs_dir=tmp_path)  # fmt: skip
    given += ["--demonstration=asthma: drawn", "--describe=dark: a night", "--limits=Drawn.", "--title=Ours"]
    assert retrain.main(given) == 0
    whole, partial = (Graph((tmp_path / name).read_bytes()) for name in ("graph.pb", "intermediate_2.pb"))
    assert (tmp_path / "intermediate_2.txt").read_text() == (tmp_path / "labels.txt").read_text()
    assert partial.softmaxes() == whole.softmaxes()
    more = {f"final_training_ops/asthma/{name}" for name in ("floor", "room", "scaled", "unbounded")}
    assert whole.nodes.keys() - partial.nodes.keys() == {"tosa/card"} | more, "neither tested nor calibrated"
    tasks = partial.metadata().tasks
    replaced = TaskMetadata(
        "asthma", "picture", ("dark", "light"), gate=True, demonstration=True, note="drawn",
        descriptions={"dark": "a night"}, limits="Drawn.", counts=tasks["asthma"].counts,
    )  # fmt: skip
    cases = [labels["dark"]["cases"] for labels in replaced.counts.values()]
    assert sum(cases) == 20 and partial.metadata().title == "Ours"
    assert tasks["asthma"] == replaced and tasks["lungs"] == whole.metadata().tasks["lungs"]
    Network.load(tmp_path / "intermediate_2.pb", tmp_path / "intermediate_2.txt")


@pytest.mark.parametrize("more", [{}, {"fine_tune": "all", "final_tensor_name": "pool_3"}])  # refused, in no time
def test_tasks_that_cannot_be_kept_are_told(small_graph, pictures, tmp_path, monkeypatch, capsys, more):
    graph_of(small_graph, TaskMetadata("asthma", "picture"), tmp_path / "served.pb")
    monkeypatch.setenv("TOSA_GRAPH", str(tmp_path / "served.pb"))
    (tmp_path / "inception").mkdir()
    trunk = Graph(small_graph[0].read_bytes()).trunk()
    (tmp_path / "inception" / "trunk.pb").write_bytes(trunk.SerializeToString())
    given = flags_of_pictures(tmp_path, pictures, task="lungs", how_many_training_steps=5, **more)
    assert retrain.main(given) == (2 if more else 0)
    assert "WARNING: The new graph will not have asthma of the served graph" in capsys.readouterr().out


def test_a_graph_of_another_architecture(small_graph, pictures, tmp_path, capsys):
    (tmp_path / "inception").mkdir()
    trunk = Graph(small_graph[0].read_bytes()).trunk()
    (tmp_path / "inception" / "trunk.pb").write_bytes(trunk.SerializeToString())
    given = flags_of_pictures(tmp_path, pictures, how_many_training_steps=5)
    assert retrain.main([*given, "--architecture=vgg16"]) == 2
    err = capsys.readouterr().err
    assert "--architecture 'vgg16' takes pictures of 224 pixels" in err and "299" in err and err.count("\n") == 1
    assert retrain.main([*given, "--architecture=xception"]) == 0
    assert "--architecture has no effect" in capsys.readouterr().out


def test_a_sound_task_of_any_name_is_asked_of_sounds(embedded, sounds, tmp_path):
    assert retrain.main(flags(tmp_path, sounds, how_many_training_steps=5)) == 0
    os.environ["TOSA_GRAPH"] = str(tmp_path / "graph.pb")  # embedded's monkeypatch puts it back
    assert retrain.main(flags(tmp_path, sounds, task="asthma", how_many_training_steps=5)) == 0
    client = app.create_app(Network.load(tmp_path / "graph.pb", tmp_path / "labels.txt")).test_client()
    answer = client.post("/", data={"audio_data": (io.BytesIO(wav(coughs())), "x")}).json
    assert [(finding["task"], finding["from"]) for finding in answer["findings"]] == [
        ("cough", "sound"), ("asthma", "sound"),
    ]  # fmt: skip
    answer = client.post("/", data={"image_data": (io.BytesIO(encoded(Image.fromarray(phantom()))), "x")})
    assert answer.json["error"]["code"] == "task_missing"


def test_a_table_names_the_task_in_the_label_file(embedded, sounds, tmp_path, capsys):
    files = sorted(sounds.rglob("*.wav"))
    rows = [f"{file},pneumonia,{'ab'[number % 2]}" for number, file in enumerate(files)]
    (tmp_path / "cases.csv").write_text("\n".join(["file,task,label", *rows]))
    given = [f for f in flags(tmp_path, sounds, how_many_training_steps=5) if "audio_dir" not in f and "image" not in f]
    assert retrain.main([*given, f"--labels_csv={tmp_path}/cases.csv"]) == 0
    assert (tmp_path / "labels.txt").read_text() == "pneumonia: a\npneumonia: b\n"
    assert retrain.main([*given, f"--labels_csv={tmp_path}/cases.csv", "--task=covid"]) == 2
    assert "has no task 'covid'; it has pneumonia" in capsys.readouterr().err


def test_pictures_drawn_in_another_way_are_drawn_again(embedded, sounds, tmp_path, capsys):
    assert retrain.main(flags(tmp_path, sounds, how_many_training_steps=1)) == 0
    picture = tmp_path / "melspectrograms" / "sick" / "case3.wav.png"
    before = picture.stat().st_ino
    assert retrain.main(flags(tmp_path, sounds, how_many_training_steps=1)) == 0
    assert picture.stat().st_ino == before
    (tmp_path / "melspectrograms" / ".drawing").write_text("otherwise")
    Image.new("L", (9, 9)).save(tmp_path / "melspectrograms" / "sick" / "gone.wav.png")
    capsys.readouterr()
    assert retrain.main(flags(tmp_path, sounds, how_many_training_steps=1)) == 0
    assert picture.stat().st_ino != before
    out = capsys.readouterr().out
    assert "1 pictures" in out and "\n0 bottleneck files created." in out


def test_curves_are_readable_by_tensorboard(embedded, sounds, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert retrain.main(flags(tmp_path, sounds, how_many_training_steps=50)) == 0
    for split in ("train", "validation"):
        events = EventAccumulator(str(tmp_path / "summaries" / split)).Reload()
        assert {"accuracy_1", "cross_entropy_1"} <= set(events.Tags()["scalars"])
        assert len(events.Scalars("accuracy_1")) == 6
        if split == "train":
            names = {node.name for node in events.Graph().node}
            assert {"DecodeJpeg/contents", "pool_3/_reshape", "final_result"} <= names
    assert retrain.main(flags(tmp_path, sounds, how_many_training_steps=50)) == 0
    assert len(list((tmp_path / "summaries" / "train").iterdir())) == 1, "two trainings' curves are one tangle"


def test_calibrating_drops_what_held_of_the_old_temperature(small_graph, sounds, tmp_path):
    """Of the graph that is named, where validation has too few cases for an operating point."""
    point = OperatingPoint(("sick",), 0.5, 1, 1, ill=50, healthy=49)
    known = TaskMetadata("cough", "sound", calibration=Calibration(0.1, 99), operating_point=point)
    given = graph_of(small_graph, known, tmp_path / "old.pb")
    given += [f"--output_graph={tmp_path}/graph.pb", f"--output_labels={tmp_path}/labels.txt"]
    given += [f"--summaries_dir={tmp_path}", f"--report_dir={tmp_path}/report"]
    with tensorboard_curves.Curves(tmp_path) as of_another_training:
        of_another_training.write("train", 0, accuracy_1=0.5)
    assert retrain.main([*given, "--calibrate", f"--image_dir={sounds}", f"--bottleneck_dir={tmp_path}/b"]) == 0
    assert "Training" not in (tmp_path / "report" / "report.md").read_text()
    assert not (tmp_path / "report" / "plot.png").exists()
    task = Graph((tmp_path / "graph.pb").read_bytes()).metadata().task("cough")
    assert task.operating_point is None and task.calibration.n < 20
    assert Network.load(tmp_path / "graph.pb", tmp_path / "labels.txt").card["tasks"]["cough"]["tested"]["cases"] > 0


def test_a_test_batch_is_of_all_labels(embedded, pictures, tmp_path, capsys):
    given = flags_of_pictures(tmp_path, pictures, testing_percentage=50, test_batch_size=6)
    assert retrain.main([*given, f"--report_dir={tmp_path}/report"]) == 0
    assert "Final test accuracy = 100.0% (N=6)" in capsys.readouterr().out
    (task,) = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"].values()
    assert all(sum(row) for row in task["confusion_matrix"])


def test_the_graph_knows_which_label_is_health(embedded, pictures, tmp_path):
    given = flags_of_pictures(tmp_path, pictures, how_many_training_steps=50, validation_percentage=70)
    known = []
    for _ in range(2):
        assert retrain.main([*given, "--negative_label=light"]) == 0
        known.append(Graph((tmp_path / "graph.pb").read_bytes()).metadata().task("sound").operating_point)
        given = [*without_steps(given), "--calibrate"]
        given.append(f"--graph={tmp_path}/graph.pb")  # which carries its labels
    assert known[0].labels == ("dark",) and known[0] == known[1]


def test_misclassified_are_listed(embedded, sounds, tmp_path, capsys):
    assert retrain.main([*flags(tmp_path, sounds, how_many_training_steps=1, learning_rate=0.0),
                         "--print_misclassified_test_images"]) == 0  # fmt: skip
    assert "=== MISCLASSIFIED TEST IMAGES ===" in capsys.readouterr().out


def test_training_and_serving_see_the_same_picture(embedded, sounds, tmp_path):
    """Byte for byte: drawn for training as PNG and read again, drawn from the sound, drawn for an answer."""
    assert retrain.main(flags(tmp_path, sounds, how_many_training_steps=1)) == 0
    file = sounds / "sick" / "case3.wav"
    png = tmp_path / "melspectrograms" / "sick" / "case3.wav.png"
    served = spectrogram.draw_file(file.read_bytes())
    assert (drawing.draw(Case(png, "cough", "sick", "g", "training")) == served).all()
    assert (drawing.draw(Case(file, "cough", "sick", "g", "training")) == served).all()
    assert (xray.decode(png.read_bytes()) == served).all()


def test_evaluate_reports_the_served_graph(embedded, sounds, tmp_path, monkeypatch, capsys):
    assert retrain.main(flags(tmp_path, sounds)) == 0
    trained = re.findall(r"Final test accuracy = .*", capsys.readouterr().out)
    monkeypatch.setenv("TOSA_GRAPH", str(tmp_path / "graph.pb"))
    monkeypatch.setenv("TOSA_LABELS", str(tmp_path / "labels.txt"))
    assert retrain.main(["--evaluate", f"--image_dir={sounds}"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"Final test accuracy = .*", out) == trained and "sensitivity" in out


def test_same_graph_with_any_cache(embedded, pictures, tmp_path, capsys):
    """To the byte, whether the cache was empty, whole, cut off by a kill or damaged; what is lost is made again."""
    graphs = []
    for made in (40, 0, 30, 1, 0):
        if made in (30, 1):
            file = max((tmp_path / "bottlenecks").rglob("*.bottlenecks"))
            data = bytearray(file.read_bytes())
            data[100] ^= made == 1
            file.write_bytes(data[: 16 + 10 * record_type(CHANNELS).itemsize + 5] if made == 30 else data)
        assert retrain.main(flags_of_pictures(tmp_path, pictures, how_many_training_steps=5)) == 0
        out = capsys.readouterr().out
        assert f"{made} bottleneck files created." in out and ("is damaged" in out) == (made == 1)
        graphs.append((tmp_path / "graph.pb").read_bytes())
    assert len(set(graphs)) == 1


BAD = {
    "no folder": ({"audio_dir": "none"}, "none"),
    "percentages": ({"testing_percentage": 60, "validation_percentage": 40}, "percentage"),
    "several networks": ({}, "networks"),
    "output not writable": ({"output_graph": "/proc/none/graph.pb"}, "/proc/none/graph.pb"),
    "summaries not writable": ({"summaries_dir": "/proc/none"}, "/proc/none"),
    "embedded graph missing": ({}, "none.pb"),
    "embedded graph damaged": ({}, "damaged"),
    "embedded graph missing, to calibrate": ({"calibrate": True}, "none.pb"),
    "embedded graph to calibrate damaged": ({"calibrate": True}, "none.pb"),
    "embedded graph to fine-tune damaged": ({"fine_tune": "all"}, "none.pb"),
    "calibrating a graph of other makers": ({"calibrate": True}, "classic graph"),
    "fine-tuning a graph of other makers": ({"fine_tune": "all"}, "is not one that retrain.py --fine_tune wrote"),
    "one file for two outputs": ({"output_labels": "graph.pb", "output_graph": "graph.pb"}, "same file"),
    "report is a file": ({"report_dir": "/dev/null"}, "/dev/null"),
    "no such architecture": ({"architecture": "vgg61"}, "vgg61"),
    "no such weights": ({"weights": "none.h5"}, "none.h5"),
    "fine-tuning another architecture": ({"fine_tune": "all", "architecture": "vgg16"}, "--fine_tune"),
    "sounds' distortions for pictures": ({"random_gain": 3}, "--audio_dir"),
    "too few to train on": ({"group_regex": "[.]"}, "left for training"),
    "demonstration without a reason": ({"demonstration": "cough"}, "TASK: REASON"),
    "demonstration of a task that is not there": ({"demonstration": "lungs: few"}, "TASK: REASON"),
    "a reason for fine-tuning": ({"demonstration": "lungs: few", "fine_tune": "all"}, "TASK: REASON"),
    "scores by a name of the trunk": ({"final_tensor_name": "pool_3"}, "another node"),
    "scores by a name of fine-tuning's trunk": ({"final_tensor_name": "pool_3", "fine_tune": "all"}, "another node"),
    "scores by a name that is none": ({"final_tensor_name": "my scores"}, "my scores"),
    "saved model into a full folder": ({"saved_model_dir": "/proc"}, "/proc"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_flags_end_in_one_clear_line(embedded, classic_graph, pictures, tmp_path, capsys, monkeypatch, name):
    more, said = BAD[name]
    if name.endswith("of other makers"):
        monkeypatch.setenv("TOSA_GRAPH", str(classic_graph[0]))
        monkeypatch.setenv("TOSA_LABELS", str(classic_graph[1]))
    if name.startswith("embedded graph"):
        monkeypatch.setenv("TOSA_GRAPH", str(tmp_path / "none.pb"))
        if name.endswith("damaged"):
            (tmp_path / "none.pb").write_bytes(b"junk")
    if name == "several networks":
        (tmp_path / "inception").mkdir()
        for file in ("a.pb", "b.npz"):
            (tmp_path / "inception" / file).touch()
    given = flags_of_pictures(tmp_path, pictures, how_many_training_steps=1)
    if "calibrate" in more:
        given = without_steps(given)
    given += [f"--{flag}" if value is True else f"--{flag}={value}" for flag, value in more.items()]
    assert retrain.main(given) == 2
    out, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1
    assert "Step 0" not in out, "it is told after the training"
    assert not (tmp_path / "graph.pb").exists() and not (tmp_path / "labels.txt").exists()


def test_unreadable_sound_is_named(embedded, tmp_path, capsys):
    for label in "ab":
        (tmp_path / "sounds" / label).mkdir(parents=True)
        (tmp_path / "sounds" / label / "broken.wav").write_bytes(b"RIFF")
    assert retrain.main(flags(tmp_path, tmp_path / "sounds")) == 2
    assert "broken.wav" in capsys.readouterr().err


@pytest.mark.parametrize("samples, said", [(np.zeros(RATE), "nothing to hear"), (coughs(0.3)[-990:], "shorter than")])
def test_sounds_that_are_not_drawn_first_pass_the_gate_too(embedded, sounds, tmp_path, capsys, samples, said):
    folder = shutil.copytree(sounds, tmp_path / "sounds")
    (folder / "sick" / "bad.wav").write_bytes(wav(samples))
    given = flags_of_pictures(tmp_path, folder, how_many_training_steps=5)
    assert retrain.main(given) == 2
    assert re.search(f"bad.wav': .*{said}", capsys.readouterr().err)
    assert retrain.main([*given, "--skip_unreadable"]) == 0


def test_unreadable_picture_is_named(embedded, tmp_path, capsys):
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "pictures" / label / f"broken{number}.png").write_bytes(b"\x89PNG")
    assert retrain.main(["--image_dir", str(tmp_path / "pictures"), "--bottleneck_dir", str(tmp_path)]) == 2
    assert "broken" in capsys.readouterr().err


IMPOSSIBLE = [
    "eval_step_interval=0", "train_batch_size=0", "how_many_training_steps=-1", "testing_percentage=ten", "dropout=1",
    "hidden_units=-1", "learning_rate=nan", "random_crop=-5", "random_brightness=200", "prevalence=0", "seed=-1",
    "class_balance=fair", "nothing=1",
]  # fmt: skip


@pytest.mark.parametrize("flag", IMPOSSIBLE)
def test_impossible_and_unknown_flags_exit_with_2_in_one_line(flag, capsys):
    with pytest.raises(SystemExit) as ended:
        retrain.main(["--image_dir=none", f"--{flag}"])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert flag.split("=")[0] in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "given",
    [
        ["--fine_tune=all", "--dropout=0.3"], ["--graph=a.pb"], ["--fine_tune=all", "--labels=a.txt"],
        ["--evaluate", "--plot=a.png"], ["--calibrate", "--plot=a.png"], ["--calibrate", "--saved_model_dir=a"],
        ["--evaluate", "--how_many_training_steps=9"], ["--evaluate", "--calibrate"],
        ["--describe_graph=a", "--ray=auto"], ["--evaluate", "--ray=auto"],
        ["--fine_tune=all", "--output_weights=a.npz", "--ray=auto"],
        ["--calibrate", "--fine_tune=all"], ["--refit", "--fine_tune=all"], ["--refit", "--dropout=0.3"],
        ["--refit", "--plot=a.png"], ["--refit", "--model_dir=inception"], ["--evaluate", "--learning_rate=0.1"],
        ["--geometry=letterbox"], ["--calibrate", "--labels=none.txt"],
    ],
)  # fmt: skip
def test_flags_of_another_use_are_refused(given, capsys):
    with pytest.raises(SystemExit) as ended:
        retrain.main([*given, "--image_dir=none"])
    assert ended.value.code == 2 and given[-1].split("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    "use, kept", [("bottleneck_dir=b", "'b'"), ("fine_tune=all", "'checkpoints'"), ("evaluate", "interrupted\n")]
)
def test_ctrl_c_ends_in_one_line(monkeypatch, capsys, use, kept):
    def interrupted(*_):
        raise KeyboardInterrupt

    for name in ("retrain", "fine_tune", "evaluate"):
        monkeypatch.setattr(run, name, interrupted)
    monkeypatch.setattr(run, "check_flags", lambda flags: None)
    assert retrain.main(["--image_dir=none", f"--{use}"]) == 130
    err = capsys.readouterr().err
    assert err.startswith("retrain.py: interrupted") and kept in err and err.count("\n") == 1


def test_as_a_program_unknown_flags_exit_with_2():
    process = subprocess.run(
        [sys.executable, "retrain.py", "--nothing"], cwd=Path(retrain.__file__).parent, capture_output=True
    )
    assert process.returncode == 2 and b"--nothing" in process.stderr


def test_a_full_disk_is_named_and_leaves_nothing(embedded, pictures, tmp_path, capsys, monkeypatch):
    write = Path.write_bytes

    def full(path, data):
        if path.name.startswith(".graph.pb"):
            write(path, data[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert retrain.main(flags_of_pictures(tmp_path, pictures, how_many_training_steps=1)) == 2
    err = capsys.readouterr().err
    assert "graph.pb" in err and "No space left" in err
    assert not [file for file in tmp_path.iterdir() if "graph" in file.name or "labels" in file.name]


def test_skip_unreadable_lists_and_goes_on(embedded, pictures, tmp_path, capsys):
    """An empty file, text by the name of a picture, a picture cut off; an empty folder."""
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    (folder / "empty").mkdir()
    (folder / "dark" / "zero.png").touch()
    (folder / "dark" / "text.png").write_text("no picture")
    cut = folder / "light" / "cut.png"
    cut.write_bytes((folder / "light" / "light0.jpg").read_bytes()[:1000])
    given = flags_of_pictures(tmp_path, folder)
    assert retrain.main(given) == 2
    assert not (tmp_path / "graph.pb").exists()
    assert retrain.main([*given, "--skip_unreadable", f"--report_dir={tmp_path}/report"]) == 0
    assert (tmp_path / "labels.txt").read_text() == "dark\nlight\n"
    skipped = json.loads((tmp_path / "report" / "report.json").read_text())["data"]["skipped"]
    assert len(skipped) == 4
    for name in ("zero.png' is empty", "text.png", "cut.png", "/empty'"):
        assert any(name in sentence for sentence in skipped), name
    capsys.readouterr()
    source = [f for f in given if "image_dir" in f]
    assert retrain.main([*source, f"--graph={tmp_path}/graph.pb", "--evaluate=all", "--skip_unreadable"]) == 0
    out = capsys.readouterr().out
    assert "(N=40)" in out and out.count("Skipped: ") == 4 and "WARNING: No '" not in out


def test_pictures_of_any_size_are_taken(embedded, pictures, tmp_path, capsys):
    assert retrain.main(flags_of_pictures(tmp_path, pictures)) == 0
    out = capsys.readouterr().out
    assert "Final test accuracy = 100.0%" in out and "answers sounds, as the task sound." in out


def test_distortions_hidden_layer_and_what_is_left_behind(embedded, pictures, tmp_path, capsys):
    given = flags_of_pictures(tmp_path, pictures, hidden_units=8, dropout=0.2, random_rotation=15, variants=3,
                              how_many_training_steps=41, intermediate_store_frequency=20, plot=tmp_path / "plot.png",
                              intermediate_output_graphs_dir=tmp_path / "on_the_way", learning_rate=0.01)  # fmt: skip
    graphs = []
    for _ in range(2):
        assert retrain.main(given) == 0
        graphs.append((tmp_path / "graph.pb").read_bytes())
    assert graphs[0] == graphs[1]
    out = capsys.readouterr().out
    assert "Making 3 distorted variants" in out and "Final test accuracy = 100.0%" in out
    on_the_way = tmp_path / "on_the_way" / "intermediate_20.pb"
    names = [f"intermediate_{step}.{ending}" for step in (20, 40) for ending in ("pb", "txt")]
    assert sorted(file.name for file in on_the_way.parent.iterdir()) == names
    network = Network.load(on_the_way, on_the_way.with_suffix(".txt"))
    assert network.tasks["sound"].weights is None
    assert Image.open(tmp_path / "plot.png").format == "PNG"
    assert {"report.json", "report.md", "plot.png"} <= {file.name for file in (tmp_path / "report").iterdir()}
    trained = Network.load(tmp_path / "graph.pb", tmp_path / "labels.txt").metadata.task("sound").training
    assert trained["hidden_units"] == 8 and trained["distortion"]["random_rotation"] == 15


def test_two_runs_at_once_share_a_cache(embedded, pictures, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        shared = {"bottleneck_dir": tmp_path / "both", "how_many_training_steps": 5}
        runs = [
            flags_of_pictures(tmp_path / name, pictures, report_dir=tmp_path / name, **shared)
            for name in ("one", "two")
        ]
        assert list(pool.map(retrain.main, runs)) == [0, 0]
    assert (tmp_path / "one" / "graph.pb").read_bytes() == (tmp_path / "two" / "graph.pb").read_bytes()
