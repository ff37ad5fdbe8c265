"""retrain.py killed, without room, without leave to write, with a damaged cache, and twice at once.

Whatever happens, the graph that was there serves on, and the same command then gives the same bytes as ever.
"""

import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import retrain
from running import PATIENCE, ROOT, TORTURE
from tosa.model.network import Network
from tosa.training.features.bottleneck_cache import HEADER_BYTES

KILLS = 20 if TORTURE else 3


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Two folders of thirty pictures, dark and light."""
    folder = tmp_path_factory.mktemp("pictures")
    for label, gray in (("not sick", 40), ("sick", 200)):
        (folder / label).mkdir()
        for number in range(30):
            noise = np.random.default_rng(number).integers(0, 40, (80, 100), dtype=np.uint8)
            Image.fromarray(noise + np.uint8(gray)).save(folder / label / f"p{number}.png")
    return folder


class Place:
    """A folder with an old graph and its labels, which a training is to replace."""

    def __init__(self, folder: Path, small_graph, pictures: Path):
        self.folder, self.graph, self.labels = folder, folder / "graph.pb", folder / "labels.txt"
        self.cache = folder / "bottlenecks"
        shutil.copy(small_graph[0], self.graph)
        self.labels.write_text(small_graph[1].read_text())
        self.old = self.digest()
        self.flags = [
            f"--image_dir={pictures}", f"--bottleneck_dir={self.cache}", f"--model_dir={folder / 'inception'}",
            f"--output_graph={self.graph}", f"--output_labels={self.labels}", "--how_many_training_steps=30",
            f"--summaries_dir={folder / 'summaries'}", f"--report_dir={folder / 'report'}",
        ]  # fmt: skip
        self.environment = os.environ | {"TOSA_GRAPH": str(small_graph[0]), "TOSA_LABELS": str(small_graph[1])}

    def start(self, *before: str, **options) -> subprocess.Popen:
        command = [sys.executable, *(before or ["retrain.py"]), *self.flags]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            **options,
        )  # fmt: skip

    def digest(self) -> str:
        return hashlib.sha256(self.graph.read_bytes()).hexdigest()

    def partial(self) -> list[str]:
        """Files that were begun and not finished."""
        return [file.name for file in self.folder.rglob(".*") if file.is_file()]


@pytest.fixture
def place(small_graph, pictures, tmp_path, monkeypatch) -> Place:
    made = Place(tmp_path, small_graph, pictures)
    for name in ("TOSA_GRAPH", "TOSA_LABELS"):
        monkeypatch.setenv(name, made.environment[name])
    return made


@pytest.fixture(scope="module")
def undisturbed(small_graph, pictures, tmp_path_factory) -> tuple[Place, float]:
    """What the command writes where nothing happens, and after how many seconds it ends."""
    made = Place(tmp_path_factory.mktemp("wanted"), small_graph, pictures)
    started = time.monotonic()
    process = made.start()
    assert process.wait(120 * PATIENCE) == 0, process.stderr.read()
    assert made.digest() != made.old
    return made, time.monotonic() - started


@pytest.fixture(scope="module")
def wanted(undisturbed) -> str:
    """The digest of the graph that the command writes where nothing happens."""
    return undisturbed[0].digest()


def test_killed_at_any_moment(place, undisturbed, wanted):
    _, whole = undisturbed
    chosen = random.Random(0)
    for _ in range(KILLS):
        if chosen.random() < 0.5:
            shutil.rmtree(place.cache, ignore_errors=True)
        process = place.start()
        time.sleep(chosen.uniform(0.3, 1) * whole)
        process.kill()
        process.wait()
        assert place.digest() in (place.old, wanted)
        assert Network.load(place.graph, place.labels).tasks
    assert place.start().wait(120 * PATIENCE) == 0
    assert place.digest() == wanted


KILL_AT = """
import os, signal, sys
left, rename = [int(sys.argv.pop(1))], os.replace
def replace(*paths):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*paths)
os.replace = replace
import retrain
sys.exit(retrain.main())
"""


def test_killed_before_each_file_takes_its_place(place, undisturbed, wanted):
    """Labels that stay as they are, so that whichever of graph and labels came first, the pair is whole."""
    for written, old in ((undisturbed[0].graph, place.graph), (undisturbed[0].labels, place.labels)):
        shutil.copy(written, old)
    for number in range(1, 10):
        shutil.rmtree(place.cache, ignore_errors=True)
        process = place.start("-c", KILL_AT, str(number))
        status = process.wait(120 * PATIENCE)
        assert Network.load(place.graph, place.labels).tasks and place.digest() == wanted
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert number > 2  # the cache, the graph and the labels were renamed


@pytest.mark.parametrize("room", [0, 6000])
def test_no_room(place, wanted, room):
    """As on a full disk, files cannot grow beyond `room` bytes."""
    limit = (room, resource.RLIM_INFINITY)
    process = place.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    _, said = process.communicate(timeout=120 * PATIENCE)
    assert process.returncode == 2 and "Traceback" not in said
    assert said.splitlines()[-1].startswith("retrain.py: ") and str(place.folder) in said
    assert place.digest() == place.old and not place.partial()
    assert Network.load(place.graph, place.labels).tasks
    assert place.start().wait(120 * PATIENCE) == 0 and place.digest() == wanted


@pytest.mark.parametrize("flag", ["output_graph", "output_labels", "bottleneck_dir"])
def test_read_only_folder(place, flag, capsys):
    folder = Path("/proc/self") if os.getuid() == 0 else place.folder / "closed"  # root may write to closed ones
    if os.getuid():
        folder.mkdir(mode=0o555)
    assert retrain.main([*place.flags, f"--{flag}={folder / 'new'}"]) == 2
    said = capsys.readouterr().err
    assert str(folder / "new") in said and said.count("\n") == 1
    assert place.digest() == place.old and not place.partial()


def flip(file: Path, at: int) -> None:
    """Change one bit of the byte at `at`."""
    data = bytearray(file.read_bytes())
    data[at] ^= 8
    file.write_bytes(data)


# How a file of the cache is damaged, what is said then, and how many of the sixty bottlenecks are made again.
WHOLE, ONE = "is damaged and is made again", "is damaged at a bottleneck"
DAMAGE = {
    "empty": (lambda file: file.write_bytes(b""), "", 60),
    "junk": (lambda file: file.write_bytes(b"junk" * 99), WHOLE, 60),
    "cut in its header": (lambda file: file.write_bytes(file.read_bytes()[:10]), WHOLE, 60),
    "its end cut": (lambda file: file.write_bytes(file.read_bytes()[:-1]), "", 1),
    "a value flipped": (lambda file: flip(file, -8), ONE, 1),
    "a key flipped": (lambda file: flip(file, HEADER_BYTES), "", 1),
    "another width": (lambda file: flip(file, HEADER_BYTES - 8), WHOLE, 60),
    "zeros": (lambda file: file.write_bytes(bytes(file.stat().st_size)), WHOLE, 60),
    "gone": (lambda file: file.unlink(), "", 60),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_cache(place, wanted, name, capsys):
    assert retrain.main(place.flags) == 0
    (file,) = place.cache.rglob("*.bottlenecks")
    damage, reported, again = DAMAGE[name]
    damage(file)
    capsys.readouterr()
    assert retrain.main(place.flags) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert place.digest() == wanted
    assert reported in said and ("is damaged" in said) == bool(reported)
    assert f"{again} bottleneck files created." in said


def test_two_at_once(place, wanted):
    both = [place.start(), place.start()]
    for process in both:
        _, said = process.communicate(timeout=240 * PATIENCE)
        assert process.returncode == 0, said
    assert place.digest() == wanted and not place.partial()
    assert Network.load(place.graph, place.labels).tasks
