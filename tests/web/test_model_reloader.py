"""New files put in the place of the served ones, and files that cannot be served."""

import gc
import hashlib
import shutil
import threading
import time
import weakref

import pytest

from running import PATIENCE, Running, free_port
from sounds import coughs, wav
from tosa.model import graph as graphs
from tosa.model import network
from tosa.web import model_reloader, serve
from tosa.web.model_reloader import ModelFiles

SOUND = wav(coughs())


@pytest.fixture
def files(small_graph, tmp_path):
    """A sealed graph and its labels, to be replaced."""
    graph, labels = tmp_path / "graph.pb", tmp_path / "labels.txt"
    graph.write_bytes(graphs.seal(small_graph[0].read_bytes()))
    shutil.copy(small_graph[1], labels)
    return graph, labels


def put(file, data: bytes) -> None:
    """Write beside and rename, as retrain.py does."""
    beside = file.with_suffix(".new")
    beside.write_bytes(data)
    beside.replace(file)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


DAMAGE = {
    "empty": lambda data: b"",
    "junk": lambda data: b"junk",
    "cut in half": lambda data: data[: len(data) // 2],
    "its last byte cut": lambda data: data[:-1],
    "a byte more": lambda data: data + b"\0",
    "a byte flipped in its weights": lambda data: flipped(data, len(data) // 2),
    "its first byte flipped": lambda data: flipped(data, 0),
    "a byte flipped in its seal": lambda data: flipped(data, len(data) - 9),
    "a byte flipped in its seal's name": lambda data: flipped(data, data.rindex(b"tosa/sha256")),
}
BAD_LABELS = {
    "labels that are empty": "",
    "labels that are too few": "cough: not sick\ncough: sick\n",
    "labels of another graph": "not sick\nsick\n",
    "labels that are no text": "\udcff",
}


def damage(files, name: str) -> str:
    """Damage one of the files; its name."""
    graph, labels = files
    if name in DAMAGE:
        put(graph, DAMAGE[name](graph.read_bytes()))
        return graph.name
    put(labels, BAD_LABELS[name].encode("utf-8", "surrogateescape"))
    return labels.name


@pytest.mark.parametrize("name", [*DAMAGE, *BAD_LABELS])
def test_start_up_refuses_and_names_the_file(files, name, monkeypatch, capsys):
    damaged = damage(files, name)
    monkeypatch.setenv("TOSA_GRAPH", str(files[0]))
    monkeypatch.setenv("TOSA_LABELS", str(files[1]))
    monkeypatch.setenv("TOSA_PORT", str(free_port()))  # the server listens before the graph is read
    assert serve.main() == 1
    said = capsys.readouterr().err
    assert damaged in said and said.count("\n") == 1


def test_every_flipped_byte_is_seen(files):
    data = files[0].read_bytes()
    for at in range(len(data)):
        with pytest.raises(graphs.GraphError):
            graphs.Graph(flipped(data, at))


def test_a_graph_of_another_maker_has_no_seal(classic_graph):
    assert network.Network.load(*classic_graph).tasks


def swapped(served) -> bool:
    """Look twice, as the watch does: once to see a change, once to see that it has settled."""
    return served.reload_if_changed() or served.reload_if_changed()


class TestSwap:
    def test_a_new_pair_is_taken_up_and_the_old_one_let_go(self, files, classic_graph):
        served = model_reloader.ModelReloader.load(ModelFiles(*files))
        old = weakref.ref(served.network)
        assert not swapped(served)
        for file, new in zip(files, classic_graph):
            put(file, new.read_bytes())
        assert not served.reload_if_changed() and list(served.network.tasks) == ["cough", "pneumonia", "covid"]
        assert served.reload_if_changed() and list(served.network.tasks) == ["cough"]
        gc.collect()
        assert old() is None
        assert not swapped(served)

    @pytest.mark.parametrize("name", [*DAMAGE, *BAD_LABELS])
    def test_a_bad_pair_is_refused_once_and_the_old_one_kept(self, files, name, capsys):
        served = model_reloader.ModelReloader.load(ModelFiles(*files))
        kept = served.network
        damaged = damage(files, name)
        assert not swapped(served) and not swapped(served)
        said = capsys.readouterr().err
        assert served.network is kept and said.count("\n") == 1 and damaged in said

    def test_half_a_pair_waits_for_the_other_half(self, files, classic_graph, capsys):
        served = model_reloader.ModelReloader.load(ModelFiles(*files))
        put(files[1], classic_graph[1].read_bytes())
        assert not served.reload_if_changed()
        put(files[0], classic_graph[0].read_bytes())
        assert not served.reload_if_changed() and served.reload_if_changed()
        assert capsys.readouterr().err.count("\n") == 1

    def test_a_missing_file_is_waited_for(self, files):
        served = model_reloader.ModelReloader.load(ModelFiles(*files))
        data = files[0].read_bytes()
        files[0].unlink()
        assert not swapped(served)
        put(files[0], data)
        assert swapped(served)

    def test_what_changes_while_it_is_read_is_read_again(self, files, monkeypatch):
        served = model_reloader.ModelReloader.load(ModelFiles(*files))
        data, read = files[0].read_bytes(), network.GraphFile.read
        put(files[0], data)
        served.reload_if_changed()

        def changing(*paths):
            put(files[0], data)
            return read(*paths)

        monkeypatch.setattr(network.GraphFile, "read", changing)
        assert not served.reload_if_changed()
        monkeypatch.undo()
        assert swapped(served)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # how the thread is ended
    def test_the_watch_goes_on_whatever_happens(self, files, monkeypatch, capsys):
        served, looks = model_reloader.ModelReloader.load(ModelFiles(*files)), []

        def look():
            looks.append(1)
            raise MemoryError("none left") if len(looks) < 3 else SystemExit  # which ends a thread

        monkeypatch.setattr(model_reloader, "INTERVAL", 0.01)
        monkeypatch.setattr(served, "reload_if_changed", look)
        served.watch()
        _wait_for(lambda: len(looks) == 3)
        assert capsys.readouterr().err.count("MemoryError('none left')") == 2

    def test_what_is_taken_up_is_kept_too(self, files, classic_graph, tmp_path):
        served = model_reloader.ModelReloader.load(ModelFiles(*files, tmp_path / "cache"))
        served.network.save()
        for file, new in zip(files, classic_graph):
            put(file, new.read_bytes())
        assert swapped(served)
        served.network.save()
        assert len(list((tmp_path / "cache").iterdir())) == 2


def test_the_server_keeps_what_it_compiled(small_graph, tmp_path):
    """The second start finds what the first one wrote, and answers the same."""
    (tmp_path / "temporary").mkdir()
    cache, scores, written = tmp_path / "cache", [], set()
    for _ in range(2):
        with Running(*small_graph, tmp_path / "temporary", TOSA_CACHE=cache) as server:
            scores.append(server.post(SOUND, {"Content-Type": "audio/wav"})[1]["score"])
            _wait_for(lambda: list(cache.glob("[!.]*")))
            time.sleep(2 * model_reloader.INTERVAL)
            written |= {file.stat().st_ino for file in cache.iterdir()}
    assert len(written) == 1 and scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_no_request_is_lost(files, classic_graph, small_graph, tmp_path):
    """While both pairs take turns, every answer is whole and from one of them."""
    (tmp_path / "temporary").mkdir()
    pairs = [[file.read_bytes() for file in pair] for pair in (classic_graph, small_graph)]
    with Running(*files, tmp_path / "temporary") as server:
        answers, done = [], threading.Event()

        def ask():
            while not done.is_set():
                answers.append(server.post(SOUND, {"Content-Type": "audio/wav"}))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for turn in range(4):
            for file, data in zip(files, pairs[turn % 2]):
                put(file, data)
            _wait_for(lambda: sum("new graph" in line for line in server.err.all) > turn)
            _, answer, _ = server.post(SOUND, {"Content-Type": "audio/wav"})
            assert answer["model"]["sha256"] == hashlib.sha256(pairs[turn % 2][0]).hexdigest()
        put(files[0], b"junk")
        _wait_for(lambda: any("continues with" in line for line in server.err.all))
        done.set()
        for thread in threads:
            thread.join()
    assert {status for status, _, _ in answers} == {200}


def _wait_for(condition, seconds=20):
    until = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
