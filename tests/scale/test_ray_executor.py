"""A Ray cluster of three nodes on this machine, from which workers and a whole node are taken in the middle.

What a training makes on it, spectrograms and bottlenecks, is compared with what this machine makes.
"""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import retrain
from patient_ray import ray_cluster, started
from running import PATIENCE, ROOT
from sounds import RATE, coughs, wav
from tosa.errors import ModelError, UsageError
from tosa.model.network import GraphFile
from tosa.scale.ray_executor import RayExecutor
from tosa.scale.stored_graph import StoredGraph
from tosa.training.commands import options
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.features.bottlenecks import bottlenecks
from tosa.training.features.cluster import Cluster
from tosa.training.features.drawings import Drawing

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.filterwarnings("error:.*removed in Ray")  # of what Tosa uses
ITEMS = 160
CPUS = 2  # of the nodes together


@pytest.fixture(scope="module")
def cluster():
    """A head without cores to work on, and two nodes that work."""
    with ray_cluster(num_cpus=0) as cluster:
        yield cluster, [started(lambda: cluster.add_node(num_cpus=1)) for _ in range(CPUS)]


def logging(log: str, gate: Path):
    """What makes a function that writes down what it does; the last quarter of the items waits until `gate` exists.

    Defined here so that it travels by value.
    """

    def make():
        import ray

        def work(item):
            while item[0] >= ITEMS * 3 // 4 and not gate.exists():
                time.sleep(0.05)
            with open(log, "a") as lines:
                lines.write(f"{os.getpid()}\n")
            return {"item": item, "pid": os.getpid(), "node": ray.get_runtime_context().get_node_id()}

        return work

    return make


def killed_once(make, mark: str):
    """The same as `make`, but the first process of all that takes a fifth item is killed before it answers it."""

    def make_mortal():
        work, taken = make(), []

        def mortal(item):
            taken.append(item)
            if len(taken) == 5:
                try:
                    open(mark, "x").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                except FileExistsError:
                    pass
            return work(item)

        return mortal

    return make_mortal


def test_nothing_is_lost_and_nothing_comes_twice(cluster, tmp_path):
    """A worker is killed among the first items; with half of them, the node that made the last result."""
    made, (whole, nodes) = [], cluster
    log, mark, gate = tmp_path / "log", tmp_path / "killed", tmp_path / "removed"
    make = killed_once(logging(str(log), gate), str(mark))
    for result in RayExecutor(whole.address).map(make, [[number, f"file{number}"] for number in range(ITEMS)]):
        made.append(result)
        if len(made) == ITEMS // 2:
            (node,) = (node for node in nodes if node.node_id == result["node"])
            nodes.remove(node)
            whole.remove_node(node, allow_graceful=False)
            gate.touch()
    nodes.append(started(lambda: whole.add_node(num_cpus=1)))  # for the other tests
    assert sorted(result["item"] for result in made) == [[number, f"file{number}"] for number in range(ITEMS)]
    assert len({result["node"] for result in made}) >= 2 and mark.exists()
    assert len(log.read_text().splitlines()) >= ITEMS  # what was lost was done again


def test_errors_of_tosa_come_as_they_were_raised_and_paths_start_where_the_driver_is(cluster, tmp_path, monkeypatch):
    executor = RayExecutor(cluster[0].address, in_order=True)

    def fails(item=None):
        raise ModelError(f"no graph for {item}")

    with pytest.raises(ModelError, match="no graph for 1"):
        list(executor.map(lambda: fails, [1]))
    with pytest.raises(ModelError, match="no graph for None"):
        list(executor.map(fails, [1]))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    numbers = list(range(40))
    found = list(executor.map(lambda: lambda number: [number, os.path.exists("here")], numbers))
    assert found == [[number, True] for number in numbers]


def test_a_graph_that_did_not_arrive_whole_is_told(cluster):
    RayExecutor(cluster[0].address)
    stored = StoredGraph.put(b"graph")
    with stored.files() as (graph, labels):
        assert graph.read_bytes() == b"graph" and labels is None
    with pytest.raises(ModelError, match="The graph that arrived"), StoredGraph(stored.reference, "12").files():
        pass


def pictures_of(folder: Path) -> dict[str, str]:
    """A digest of each picture by its path, without what the killed worker had begun to write."""
    files = sorted(folder.rglob("*.png"))
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_training_makes_the_same_bytes_as_on_this_machine(cluster, small_graph, tmp_path, monkeypatch, capsys):
    """Spectrograms, bottlenecks and the graph, though a worker is killed while each of the first two is made."""
    monkeypatch.setenv("TOSA_GRAPH", str(small_graph[0]))
    monkeypatch.setenv("TOSA_LABELS", str(small_graph[1]))
    monkeypatch.chdir(tmp_path)
    times = np.arange(RATE) / RATE
    for number in range(12):
        for label, samples in (
            ("sick", coughs(seed=number)), ("not sick", np.sin(2 * np.pi * (200 + 40 * number) * times) / 2),
        ):  # fmt: skip
            Path("sounds", label).mkdir(parents=True, exist_ok=True)
            Path("sounds", label, f"case{number}.wav").write_bytes(wav(samples))
    marks: list[Path] = []

    class Mortal:
        def __init__(self, *arguments, **more):
            self.executor = RayExecutor(*arguments, **more)

        def map(self, make, items):
            marks.append(tmp_path / f"killed{len(marks)}")
            return self.executor.map(killed_once(make, str(marks[-1])), items)

    monkeypatch.setattr(options, "RayExecutor", Mortal)
    made = {}
    for name, more in {"local": [], "cluster": [f"--ray={cluster[0].address}"]}.items():
        folders = {"image_dir": "pictures", "bottleneck_dir": "bottlenecks", "model_dir": "inception"}
        folders |= {"summaries_dir": "logs", "report_dir": "report", "output_graph": "graph", "output_labels": "labels"}
        given = [f"--{flag}={name}/{place}" for flag, place in folders.items()]
        assert retrain.main([*given, "--audio_dir=sounds", "--how_many_training_steps=30", *more]) == 0
        assert "24 bottleneck files created." in capsys.readouterr().out
        (cache,) = Path(name, "bottlenecks").rglob("*.bottlenecks")
        made[name] = pictures_of(Path(name, "pictures")), cache.read_bytes(), Path(name, "graph").read_bytes()
    (drawn, cached, graph), (drawn_there, cached_there, graph_there) = made.values()
    assert drawn == drawn_there and len(drawn) == 24
    assert cached == cached_there, "the bottlenecks differ"
    assert graph == graph_there, "the graphs differ"
    assert len(marks) == 2 and all(mark.exists() for mark in marks)


def test_what_the_cache_has_and_what_cannot_be_read_is_as_on_this_machine(cluster, small_graph, tmp_path):
    drawings = []
    for number in range(20):
        file = tmp_path / f"{number}.png"
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(file)
        drawings.append(Drawing(Case(file, "t", "a", str(number), "training")))
    drawings[3].case.file.write_bytes(b"")
    drawings[11].case.file.unlink()
    file = GraphFile.read_trunk(small_graph[0])
    network = file.start(precision="f32")

    def make(name, some, elsewhere=None):
        skipped = SkippedFiles(skip=True)
        made = bottlenecks(some, network, "trunk", tmp_path / name, skipped, cluster=elsewhere)
        return made, skipped.sentences

    elsewhere = Cluster.of(RayExecutor(cluster[0].address, in_order=True), file.graph.data)
    make("b", drawings[4:14:2])
    (here, said_here), (there, said_there) = make("a", drawings), make("b", drawings, elsewhere)
    assert here.drawings == there.drawings and here.contents == there.contents and len(here.drawings) == 18
    assert (here.values == there.values).all()
    assert said_here == said_there and len(said_here) == 2
    with pytest.raises(UsageError, match=r"3\.png' is empty"):
        bottlenecks(drawings, network, "trunk", tmp_path / "c", SkippedFiles(), cluster=elsewhere)


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    """In a process of its own, since this one is connected to the cluster of the other tests."""
    screening = ["tosa", "screen", "x.wav", "--out", str(tmp_path / "r.csv"), "--ray", "127.0.0.1:1"]
    training = ["retrain", "--image_dir=x", "--output_graph=g", "--output_labels=l", "--ray=127.0.0.1:1"]
    for command, status in ((screening, 1), (training, 2)):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, timeout=120 * PATIENCE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert "No Ray cluster answers at --ray=127.0.0.1:1" in done.stderr
