"""A graph is asked with pictures that are drawn with the preprocessing and the mel bank that it carries."""

from dataclasses import replace

import numpy as np
import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.util.tensor_util import make_tensor_proto

from sounds import coughs, wav
from tosa import screening
from tosa.inputs import audio, decoder_pool, spectrogram
from tosa.model.graph import constant_node
from tosa.model.metadata import GraphMetadata
from tosa.model.model import MEL_BANK
from tosa.model.network import Network
from tosa.preprocessing import Preprocessing

OTHER = replace(Preprocessing(), n_mels=64, sample_rate=16_000, f_max=7_000.0, window_seconds=2.0, top_db=60.0)
SOUND = wav(coughs(4.0))


def bank() -> np.ndarray:
    """64 bands of eight bins each: float32 (64, 513)."""
    return np.eye(64, dtype=np.float32).repeat(8, axis=1)[:, :512] @ np.eye(512, 513, dtype=np.float32)


@pytest.fixture(scope="module")
def network(small_graph, tmp_path_factory) -> Network:
    definition = GraphDef.FromString(small_graph[0].read_bytes())
    text = GraphMetadata(preprocessing=OTHER).to_json().encode()
    (node,) = (node for node in definition.node if node.name == "tosa/metadata")
    node.attr["value"].tensor.CopyFrom(make_tensor_proto(np.array(text, dtype=object)))
    definition.node.append(constant_node(MEL_BANK, bank()))
    file = tmp_path_factory.mktemp("graph") / "graph.pb"
    file.write_bytes(definition.SerializeToString())
    return Network.load(file, small_graph[1])


def test_a_sound_is_drawn_as_the_graph_says(network, monkeypatch):
    asked, run = [], network.run
    monkeypatch.setattr(network, "run", lambda pictures, kind: asked.append(pictures) or run(pictures, kind))
    assert screening.screen(network, SOUND, None)["findings"]
    with decoder_pool.Pool(1) as pool:
        assert screening.screen(network, SOUND, None, decode=pool)["findings"]
    window = audio.window(audio.decode_sound(SOUND, OTHER.sample_rate), OTHER)
    expected = spectrogram.draw(window, OTHER, bank())
    assert np.abs(expected.astype(int) - spectrogram.draw_file(SOUND)).mean() > 1  # today's picture is another one
    for pictures in asked:
        np.testing.assert_array_equal(pictures, expected[None])


def test_the_time_axis_is_the_graphs(network, monkeypatch):
    seconds, axis = [], screening.heatmap.time_axis
    monkeypatch.setattr(screening.heatmap, "time_axis", lambda width, long: seconds.append(long) or axis(width, long))
    screening.screen(network, SOUND, None, with_explanation=True)
    assert seconds == [2.0]
