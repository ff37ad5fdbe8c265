"""Compiled networks on disk: found again as they were written, or not at all."""

import contextlib
import os
import re
from pathlib import Path

import numpy as np
import pytest

from tosa.model import compiled_cache
from tosa.model.compiled_cache import CompiledModelCache

CONTENT = np.random.default_rng(0).integers(0, 256, 100_000, np.uint8)
MADE_FROM = ["graph", "f32", b"code"]


@pytest.fixture
def place(tmp_path):
    written = CompiledModelCache(tmp_path / "cache", MADE_FROM)
    assert written.write(CONTENT)
    return written


def test_what_was_written_is_found(place):
    assert place.file.parent.stat().st_mode & 0o077 == 0 and place.file.stat().st_mode & 0o077 == 0
    found = CompiledModelCache(place.file.parent, MADE_FROM)
    content = found.read()
    np.testing.assert_array_equal(content, CONTENT)
    found.release()
    np.testing.assert_array_equal(content, CONTENT)  # read from the disk again


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells what is in memory")
def test_what_is_asked_for_again_is_in_memory_alone(tmp_path):
    place = CompiledModelCache(tmp_path, MADE_FROM)
    place.write(np.ones(20_000_000, np.uint8))
    content = place.read()
    assert content.all() and resident(place.file) > 15_000
    place.release()
    assert resident(place.file) == 0
    assert content[[5_000_000, 15_000_000]].all()
    assert 0 < resident(place.file) <= 2 * 128


def resident(file: Path) -> int:
    """Counts kB of the file's maps that are in memory."""
    maps = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text(), flags=re.MULTILINE)
    return sum(int(re.search(r"Rss: +(\d+) kB", text)[1]) for text in maps if str(file) in text)


@pytest.mark.parametrize(
    "made_from",
    [["graph", "bf16", b"code"], ["graph", "f32", b"codes"], ["graphf32", b"code"], ["graphf", "32", b"code"]],
)
def test_what_was_made_from_something_else_is_not(place, made_from):
    assert CompiledModelCache(place.file.parent, made_from).read() is None


@pytest.mark.parametrize(
    "change",
    {
        "a bit flipped": lambda data: data[:5] + bytes([data[5] ^ 1]) + data[6:],
        "its end flipped": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        "cut off": lambda data: data[:-1],
        "longer": lambda data: data + b"x",
        "a digest alone": lambda data: data[-32:],
        "short": lambda data: b"x",
        "empty": lambda data: b"",
    }.items(),
    ids=lambda change: change[0],
)
def test_what_is_not_whole_is_not(place, change):
    place.file.write_bytes(change[1](place.file.read_bytes()))
    assert place.read() is None
    place.write(CONTENT)
    np.testing.assert_array_equal(place.read(), CONTENT)


def test_what_another_user_wrote_is_not(place, monkeypatch):
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert place.read() is None


def test_what_was_used_longest_ago_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled_cache, "MAX_FILES", 2)
    places = [CompiledModelCache(tmp_path, [name]) for name in "abc"]
    for age, place in zip((30, 20), places):
        place.write(CONTENT)
        os.utime(place.file, (1e9 - age, 1e9 - age))
    assert places[0].read() is not None  # used again
    places[2].write(CONTENT)
    assert [place.read() is not None for place in places] == [True, False, True]
    assert len(list(tmp_path.iterdir())) == compiled_cache.MAX_FILES


def test_what_a_killed_server_left_goes_and_what_is_not_ours_stays(place, monkeypatch):
    monkeypatch.setattr(compiled_cache, "MAX_FILES", 2)
    folder, replace = place.file.parent, os.replace
    names = []
    monkeypatch.setattr(os, "replace", lambda partial, file: names.append(partial) or replace(partial, file))
    place.write(CONTENT)
    left, in_work = (folder / names[0].name.replace("-", f"-{word}") for word in ("left", "work"))
    for file in (left, in_work, folder / "own.network", folder / ".own.network"):
        file.write_bytes(b"x")
    for file in (left, folder / "own.network", folder / ".own.network"):
        os.utime(file, (1e9, 1e9))
    CompiledModelCache(folder, ["another"]).write(CONTENT)
    CompiledModelCache(folder, ["a third"]).write(CONTENT)
    kept_now = {file.name for file in folder.iterdir()}
    assert left.name not in kept_now and {in_work.name, "own.network", ".own.network"} < kept_now and len(kept_now) == 5


def test_a_disk_that_cannot_be_written_to_is_read(place, monkeypatch):
    def fail(*_):
        raise OSError(30, "read-only file system")

    monkeypatch.setattr(os, "utime", fail)
    np.testing.assert_array_equal(place.read(), CONTENT)


def test_a_folder_that_cannot_be_written_to_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("x")
    place = CompiledModelCache(tmp_path / "file", MADE_FROM)
    assert not place.write(CONTENT) and place.read() is None


@pytest.mark.parametrize("fault", [OSError(28, "no space left"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch, fault):
    def fail(*_):
        raise fault

    monkeypatch.setattr(os, "replace", fail)
    with contextlib.suppress(KeyboardInterrupt):
        CompiledModelCache(tmp_path, MADE_FROM).write(CONTENT)
    assert not list(tmp_path.iterdir())
