import numpy as np
import pytest

from tosa.training.features.bottleneck_cache import HEADER_BYTES, Cache, record_type

FEATURES = 5
KEYS = [bytes([number]) * 32 for number in range(6)]
VALUES = np.arange(6 * FEATURES, dtype=np.float32).reshape(6, FEATURES)


@pytest.fixture
def folder(tmp_path):
    """A cache of four records, in batches of three and one."""
    with Cache(tmp_path, FEATURES) as cache:
        cache.add(KEYS[:3], VALUES[:3])
        cache.add(KEYS[3:4], VALUES[3:4])
    return tmp_path


def held(folder):
    with Cache(folder, FEATURES) as cache:
        records = {number: cache.get(key) for number, key in enumerate(KEYS)}
    for number, record in records.items():
        if record is not None:
            assert (record["values"] == VALUES[number]).all()
    return {number for number, record in records.items() if record is not None}


def test_what_was_added_is_there_in_one_file(folder):
    assert held(folder) == {0, 1, 2, 3}
    assert len(list(folder.iterdir())) == 1


def test_two_runs_at_once_do_not_disturb_each_other(folder):
    with Cache(folder, FEATURES) as one, Cache(folder, FEATURES) as other:
        one.add(KEYS[4:5], VALUES[4:5])
        other.add(KEYS[4:6], VALUES[4:6])
        assert held(folder) == set(range(6))
    assert held(folder) == set(range(6))


@pytest.mark.parametrize("size", [1, HEADER_BYTES, HEADER_BYTES + 10])
def test_a_file_cut_off_loses_what_was_cut(folder, size, capsys):
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:size])
    assert held(folder) == set()
    assert ("made again" in capsys.readouterr().out) == (size < HEADER_BYTES)
    file.write_bytes(whole[:-1])
    assert held(folder) == {0, 1, 2}


def test_another_runs_file_without_a_batch_is_left(folder):
    (folder / "new.bottlenecks").touch()
    assert held(folder) == {0, 1, 2, 3} and (folder / "new.bottlenecks").exists()


def test_a_changed_byte_is_seen_and_repaired(folder, capsys):
    (file,) = folder.iterdir()
    data = bytearray(file.read_bytes())
    data[HEADER_BYTES + record_type(FEATURES).itemsize + 70] ^= 1
    file.write_bytes(data)
    assert held(folder) == {0, 2, 3}
    assert "is damaged at a bottleneck, which is calculated again" in capsys.readouterr().out
    with Cache(folder, FEATURES) as cache:
        cache.add(KEYS[1:2], VALUES[1:2])
    assert held(folder) == {0, 1, 2, 3}
    assert not capsys.readouterr().out


@pytest.mark.parametrize("features", [4, 6])
def test_records_of_another_size_are_not_taken(folder, features, capsys):
    with Cache(folder, features) as cache:
        assert cache.get(KEYS[0]) is None
    assert "is damaged and is made again" in capsys.readouterr().out
