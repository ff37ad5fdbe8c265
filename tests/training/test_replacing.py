"""What a training says and keeps of the graph that it replaces, and how it says to serve the new one."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import retrain
from tosa.model.graph import Graph
from tosa.model.metadata import GraphMetadata, TaskMetadata
from tosa.training.commands import messages
from tosa.training.files import keep_previous
from tosa.training.graph import assemble
from tosa.training.head.head import Head

CHANNELS = 16  # of small_graph's bottleneck


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Ten dark and ten light pictures."""
    for label, gray in (("dark", 40), ("light", 200)):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (40 + number, 40), gray + number).save(
                tmp_path / "pictures" / label / f"{label}{number}.png"
            )
    return tmp_path / "pictures"


@pytest.fixture(autouse=True)
def embedded(small_graph, monkeypatch):
    monkeypatch.setenv("TOSA_GRAPH", str(small_graph[0]))
    monkeypatch.setenv("TOSA_LABELS", str(small_graph[1]))


def train(folder: Path, pictures: Path, *more: str) -> int:
    return retrain.main([
        f"--image_dir={pictures}", f"--output_graph={folder}/graph.pb", f"--output_labels={folder}/labels.txt",
        f"--bottleneck_dir={folder}/bottlenecks", f"--summaries_dir={folder}/summaries", "--model_dir=inception",
        "--how_many_training_steps=3", *more,
    ])  # fmt: skip


def write_graph(small_graph, folder: Path, *tasks: str) -> bytes:
    """Writes a graph with these tasks to where `train` writes its own, and returns its bytes."""
    heads = [Head(task, ("a", "b"), np.zeros((CHANNELS, 2)), np.zeros(2)) for task in tasks]
    metadata = GraphMetadata(tasks={task: TaskMetadata(task, "picture") for task in tasks})
    content = assemble.assemble(Graph(small_graph[0].read_bytes()).trunk(), heads, metadata)
    (folder / "graph.pb").write_bytes(content)
    (folder / "labels.txt").write_text(assemble.label_lines(heads))
    return content


def test_what_is_replaced_is_told_before_the_training_and_kept(small_graph, pictures, tmp_path, capsys):
    before, labels = write_graph(small_graph, tmp_path, "asthma", "cough"), "asthma: a\nasthma: b\ncough: a\ncough: b\n"
    assert train(tmp_path, pictures) == 0
    out = capsys.readouterr().out
    told = f"'{tmp_path}/graph.pb' is replaced, and the new graph has only sound: asthma, cough will be dropped. "
    assert 0 <= out.index(told) < out.index("bottleneck files created") < out.index("Step 0")
    assert (tmp_path / "graph.previous.pb").read_bytes() == before
    assert (tmp_path / "labels.previous.txt").read_text() == labels
    second = (tmp_path / "graph.pb").read_bytes()
    assert train(tmp_path, pictures) == 0
    assert "will be dropped" not in capsys.readouterr().out
    assert (tmp_path / "graph.previous.pb").read_bytes() == second, "one generation is kept"


def test_nothing_is_kept_of_a_training_that_fails(small_graph, pictures, tmp_path):
    before = write_graph(small_graph, tmp_path, "asthma")
    assert train(tmp_path, pictures, "--demonstration=none") == 2
    assert (tmp_path / "graph.pb").read_bytes() == before
    assert not list(tmp_path.glob("*.previous.*"))


def test_a_missing_file_has_no_previous_one(tmp_path):
    keep_previous(tmp_path / "graph.pb")
    assert not list(tmp_path.iterdir())


def test_the_last_line_serves_the_new_graph(pictures, tmp_path, capsys, monkeypatch):
    """In a shell it starts the server with this graph; here --help stands for the start, which takes a port."""
    monkeypatch.setattr(messages.shutil, "which", lambda name: None)
    folder = tmp_path / "my models"
    assert train(folder, pictures) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    command = last.removeprefix("To serve it: ")
    python = Path(sys.executable).name
    assert command == f"TOSA_GRAPH={shlex.quote(f'{folder}/graph.pb')} {python} -m tosa serve"
    root = Path(retrain.__file__).parent
    served = command.replace(python, shlex.quote(sys.executable), 1)
    ran = subprocess.run(["sh", "-c", f"{served} --help"], cwd=root, capture_output=True, text=True)
    assert ran.returncode == 0 and "Serve the page" in ran.stdout
    monkeypatch.setattr(messages.shutil, "which", lambda name: f"/usr/bin/{name}")
    messages.print_how_to_serve(Path("models/x/graph.pb"))
    assert capsys.readouterr().out == "To serve it: TOSA_GRAPH=models/x/graph.pb tosa serve\n"


def test_this_python_below_the_working_folder_is_named_by_its_path(tmp_path, monkeypatch):
    monkeypatch.setattr(messages.sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert messages._python() == ".venv/bin/python"


def test_an_evaluation_ends_without_a_line_on_serving(pictures, tmp_path, capsys):
    assert train(tmp_path, pictures) == 0
    capsys.readouterr()
    graph = [f"--graph={tmp_path}/graph.pb", f"--labels={tmp_path}/labels.txt"]
    assert retrain.main([f"--image_dir={pictures}", "--evaluate=all", *graph]) == 0
    assert "To serve it" not in capsys.readouterr().out


@pytest.mark.parametrize("made", [True, False])
def test_a_fresh_clone_has_no_spectrograms(tmp_path, capsys, made):
    folder = Path("melspectrograms/train")
    if made:
        folder.mkdir(parents=True)
    assert train(tmp_path, folder) == 2
    err = capsys.readouterr().err
    assert "'melspectrograms/train'" in err and "--audio_dir=SOUNDS, with one folder of sounds for each label" in err
    assert err.count("\n") == 1
