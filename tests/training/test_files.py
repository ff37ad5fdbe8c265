import errno
import os
from pathlib import Path

import pytest

from tosa.errors import UsageError
from tosa.training import files


def test_beside_replaces_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "x"
    with files.atomic_write(target) as partial:
        partial.write_text("one")
    with pytest.raises(UsageError, match=r"deep/x.*No space left"):  # noqa: PT012
        with files.atomic_write(target) as partial:
            partial.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert target.read_text() == "one" and list(target.parent.iterdir()) == [target]


def test_folder_beside(tmp_path):
    for _ in range(2):
        (tmp_path / "out").mkdir(exist_ok=True)
        with files.atomic_folder(tmp_path / "out") as partial:
            (partial / "x").touch()
        (tmp_path / "out" / "x").unlink()
    with pytest.raises(ValueError, match=r"^$"):
        with files.atomic_folder(tmp_path / "out"):
            raise ValueError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_check_writable_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.delattr(Path, "mkdir")  # not even for a moment, in which a second run could take it for its own
    files.check_writable(tmp_path / "a" / "b" / "graph.pb")
    files.check_writable(tmp_path / "a" / "b", is_folder=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "path, is_folder", [("/proc/none/x", False), ("/proc/none", True), ("/dev/null", True), ("/", False)]
)
def test_check_writable_names_what_is_not(path, is_folder, tmp_path):
    with pytest.raises(UsageError, match=f"Cannot write '{path}'"):
        files.check_writable(Path(path), is_folder)
