"""How X-rays are fitted to the network's size."""

import numpy as np
import pytest

from tosa.inputs import xray
from tosa.preprocessing import Preprocessing

LETTERBOX = Preprocessing(geometry="letterbox")


def gray(height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.full((height, width, 1), 200, np.uint8), (height, width, 3))


@pytest.mark.parametrize("pixels", [gray(300, 600), np.ascontiguousarray(gray(300, 600))])
def test_letterbox_keeps_the_aspect_ratio_between_black(pixels):
    fitted = xray.fit(pixels, LETTERBOX)
    assert fitted.shape == (299, 299, 3) and fitted.dtype == np.uint8
    rows = np.flatnonzero((fitted > 100).all(axis=(1, 2)))
    assert len(rows) == pytest.approx(299 / 2, abs=2) and rows.mean() == pytest.approx(149, abs=1)
    assert not fitted[:70].any() and not fitted[-70:].any()


def test_squash_fills_the_square():
    assert (xray.fit(gray(300, 600)) == 200).all()


def test_a_square_is_the_same_in_both_geometries():
    pixels = np.random.default_rng(0).integers(0, 255, (400, 400, 1), np.uint8).repeat(3, axis=2)
    np.testing.assert_array_equal(xray.fit(pixels, LETTERBOX), xray.fit(pixels))
