import base64
import io

import numpy as np
import pytest
from PIL import Image

from tosa.model import heatmap


def planted(row, column, channels=16):
    """A feature map whose channel 3 fires at one place only."""
    features = np.random.default_rng(0).uniform(0, 0.1, (8, 8, channels)).astype(np.float32)
    features[row, column, 3] = 5
    return features


@pytest.mark.parametrize("row, column", [(0, 0), (2, 5), (7, 7)])
def test_peak_lies_on_the_planted_cue(row, column):
    weights = np.eye(16, dtype=np.float32)[3]
    found = heatmap.activation_map(planted(row, column), weights)
    assert np.unravel_index(found.argmax(), found.shape) == (row, column) and found.max() == 1 and found.min() >= 0
    tinted = heatmap.overlay(np.zeros((299, 299, 3), np.uint8), planted(row, column), weights)[:, :, 1]
    peak = np.array(np.unravel_index(tinted.argmax(), tinted.shape))
    assert (np.abs(peak - (np.array([row, column]) + 0.5) * 299 / 8) < 299 / 8).all()


def test_map_adds_up_to_the_logit():
    features, weights = planted(1, 1), np.random.default_rng(1).uniform(0, 1, 16).astype(np.float32)
    share = heatmap.activation_map(features, weights)
    logit = features.mean(axis=(0, 1)) @ weights
    assert share.mean() * (features @ weights).max() == pytest.approx(logit, rel=1e-5)


def test_what_speaks_against_is_not_tinted():
    pixels = np.full((50, 50, 3), 100, np.uint8)
    assert (heatmap.overlay(pixels, planted(1, 1), -np.ones(16, np.float32)) == pixels).all()


@pytest.mark.parametrize("channels, mode", [(3, "RGB"), (1, "L")])
def test_data_uri_is_the_picture(channels, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, channels), dtype=np.uint8)
    pixels = np.broadcast_to(pixels, (20, 30, 3))
    data = base64.b64decode(heatmap.data_uri(pixels).removeprefix("data:image/png;base64,"))
    image = Image.open(io.BytesIO(data))
    assert image.mode == mode and (np.asarray(image.convert("RGB")) == pixels).all()


def test_time_axis_has_a_tick_each_half_second():
    axis = heatmap.time_axis(299, 2.5)
    assert axis.shape == (heatmap.AXIS_HEIGHT, 299, 3)
    assert np.flatnonzero(axis[0, :, 0]).tolist() == [round(298 * tick / 5) for tick in range(6)]
    assert axis[4:].max() == 255  # the numbers
