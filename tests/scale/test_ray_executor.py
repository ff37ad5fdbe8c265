"""A Ray cluster of three nodes on this machine; a worker and then a whole node are killed in the middle."""

import os
import signal
import subprocess
import sys
import time

import pytest

from running import PATIENCE, ROOT
from tosa.scale.ray_executor import RayExecutor

pytest.importorskip("ray", reason="Ray is not installed")
ITEMS = 160


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A head without cores to work on, and two nodes that work."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(ROOT))  # as if Tosa were installed on the nodes
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        yield cluster, nodes
        ray.shutdown()
        cluster.shutdown()


def slow(log: str):
    """What makes a function that writes down which process works; defined here so that it travels by value."""

    def make():
        def work(item):
            time.sleep(0.05)
            with open(log, "a") as lines:
                lines.write(f"{os.getpid()}\n")
            return {"item": item, "pid": os.getpid()}

        return work

    return make


def test_nothing_is_lost_and_nothing_comes_twice(cluster, tmp_path):
    """With half of the items, the worker that made the last result is killed; then one of the two nodes."""
    made, (whole, nodes) = [], cluster
    executor = RayExecutor(whole.address)
    for result in executor.map(slow(str(tmp_path / "log")), [[number, f"file{number}"] for number in range(ITEMS)]):
        made.append(result)
        if len(made) == ITEMS // 4:
            os.kill(result["pid"], signal.SIGKILL)
        if len(made) == ITEMS // 2:
            whole.remove_node(nodes.pop(), allow_graceful=False)
    assert sorted(result["item"] for result in made) == [[number, f"file{number}"] for number in range(ITEMS)]
    assert len({result["pid"] for result in made}) >= 2
    assert len((tmp_path / "log").read_text().splitlines()) >= ITEMS  # what was lost was done again


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    """In a process of its own, since this one is connected to the cluster of the other test."""
    command = [
        sys.executable,
        "-m",
        "tosa",
        "screen",
        "x.wav",
        "--out",
        str(tmp_path / "r.csv"),
        "--ray",
        "127.0.0.1:1",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120 * PATIENCE)
    assert done.returncode == 1 and "No Ray cluster answers at --ray=127.0.0.1:1" in done.stderr
