import threading
from pathlib import Path

import numpy as np
import openvino
import pytest

from running import PATIENCE
from tosa import settings
from tosa.errors import ModelError, SettingError
from tosa.model import engine, graph, network, quantization, subgraph
from tosa.model.network import Network

LONG = 30 * PATIENCE  # s
PICTURE = np.zeros((1, 299, 299, 3), np.uint8)


def counted(compiled, counts, name, monkeypatch, wait=lambda: None):
    """Have a compiled graph count how often it is asked, and wait each time."""
    infer = compiled.infer

    def count(pictures):
        counts.append(name)
        wait()
        return infer(pictures)

    monkeypatch.setattr(compiled, "infer", count)


def ask_at_once(engine, number):
    threads = [threading.Thread(target=engine.infer, args=(PICTURE,)) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_picture_alone_gets_all_cores_and_several_a_core_each(small_graph, monkeypatch):
    asked, counts, compiled = Network.load(*small_graph)._engine, [], threading.Event()
    for _ in range(3):
        asked.infer(PICTURE)
    assert asked._together is None
    # The first of four waits until a second one has come, for which the graph is compiled again.
    imported = asked._imported
    monkeypatch.setattr(asked, "_imported", lambda hint: (compiled.set(), imported(hint))[1])
    counted(asked._alone, counts, "alone", monkeypatch, lambda: compiled.wait(LONG))
    ask_at_once(asked, 4)
    monkeypatch.undo()
    all_four = threading.Barrier(4, timeout=LONG)
    counted(asked._alone, counts, "alone", monkeypatch, all_four.wait)  # compiled again, to share the other's weights
    counted(asked._together, counts, "together", monkeypatch, all_four.wait)
    counts.clear()
    ask_at_once(asked, 4)
    assert sorted(counts) == ["alone", "together", "together", "together"]
    monkeypatch.undo()
    counted(asked._alone, counts, "alone again", monkeypatch)
    asked.infer(PICTURE)
    assert counts[-1] == "alone again"


def test_both_ways_answer_alike(small_graph):
    asked = Network.load(*small_graph)._engine
    pictures = np.random.default_rng(0).integers(0, 256, (2, 299, 299, 3), np.uint8)
    for alone, together in zip(asked._alone.infer(pictures), asked._for_several().infer(pictures), strict=True):
        np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-6)
    assert asked._alone.transformed is asked._together.transformed  # one copy of the weights in memory


def test_run_singly_several_pictures_have_the_same_answers(small_graph):
    file = network.GraphFile.read(*small_graph)
    asked, one_by_one = (file._started("f32", None, None, singly)._engine for singly in (False, True))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 299, 299, 3), np.uint8)
    for wanted, given in zip(asked.infer(pictures), one_by_one.infer(pictures), strict=True):
        assert given.shape == wanted.shape
        np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-6)
    ask_at_once(one_by_one, 4)
    assert one_by_one._together is None


def test_a_fault_leaves_the_next_picture_its_cores(small_graph):
    asked = Network.load(*small_graph)._engine
    with pytest.raises(RuntimeError):
        asked.infer(np.zeros((1, 5, 5, 3), np.uint8))
    assert asked._running == 0
    asked.infer(PICTURE)


def test_nobody_waits_for_what_another_compiles(small_graph, monkeypatch):
    asked, compiling, go_on = Network.load(*small_graph)._engine, threading.Event(), threading.Event()
    imported = asked._imported

    def slowly(*given):
        compiling.set()
        assert go_on.wait(LONG)
        return imported(*given)

    monkeypatch.setattr(asked, "_imported", slowly)
    asked._running = 1  # as if one were being answered
    first = threading.Thread(target=asked.infer, args=(PICTURE,))
    first.start()
    assert compiling.wait(LONG)
    asked.infer(PICTURE)
    assert asked._together is None
    go_on.set()
    first.join()
    assert asked._together and asked._running == 1


def test_what_could_not_be_compiled_is_answered_all_the_same_and_tried_again(small_graph, monkeypatch, capsys):
    asked = Network.load(*small_graph)._engine
    imported = asked._imported
    monkeypatch.setattr(asked, "_imported", lambda *_: (_ for _ in ()).throw(RuntimeError("no memory")))
    asked._running = 1
    assert len(asked.infer(PICTURE)) == 5 and asked._running == 1 and not asked._together
    assert "no memory" in capsys.readouterr().err
    monkeypatch.setattr(asked, "_imported", imported)
    asked.infer(PICTURE)
    assert asked._together


def test_what_decides_a_compiled_network_holds_all_code_that_makes_it():
    made_by = engine.cache_key_parts()
    for module in (subgraph, quantization, engine, graph):
        assert Path(module.__file__).read_bytes() in made_by
    assert openvino.get_version() in made_by


def test_whatever_openvino_says_of_a_graph_names_it(small_graph, monkeypatch):
    def fail(*_):
        raise UnicodeDecodeError("utf-8", b"\xe2", 0, 1, "invalid continuation byte")

    monkeypatch.setattr(engine, "read", fail)
    with pytest.raises(ModelError, match="cannot be run"):
        Network.load(*small_graph)


@pytest.mark.parametrize("capabilities, precision", [(["FP32", "INT8"], "f32"), (["FP32", "BF16"], "bf16")])
def test_bfloat16_only_where_the_processor_has_it(capabilities, precision, monkeypatch):
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: capabilities)
    assert engine.native_precision() == precision


def test_the_setting_decides(small_graph, monkeypatch):
    monkeypatch.setenv("TOSA_PRECISION", "f32")
    assert Network.load(*small_graph).precision == "f32"
    monkeypatch.setenv("TOSA_PRECISION", "auto")
    assert Network.load(*small_graph).precision == engine.native_precision()
    monkeypatch.setenv("TOSA_PRECISION", "bf16")  # f32 all the same where the processor cannot
    assert Network.load(*small_graph).precision in {"bf16", engine.native_precision()}


def test_a_precision_that_is_none_is_refused(small_graph, monkeypatch):
    monkeypatch.setenv("TOSA_PRECISION", "int4")
    with pytest.raises(SettingError, match="TOSA_PRECISION must be one of auto, cascade, f32, bf16, int8, not 'int4'"):
        settings.Settings()
    with pytest.raises(SettingError):
        network.Network.load(*small_graph)
