"""Synthetic negatives: each function changes an X-ray as its name says."""

import numpy as np
import pytest

from pictures import phantom, rgb
from tosa.training.gate import synthetic_negatives

SQUARE = rgb(phantom(200, 200))
GRAY = SQUARE[:, :, 0]
SEEDS = range(12)


def negative(way, seed: int) -> np.ndarray:
    made = way(SQUARE, np.random.default_rng(seed))
    assert made.shape == SQUARE.shape and made.dtype == np.uint8
    assert (made == made[:, :, :1]).all()
    return made[:, :, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_has_the_pictures_histogram_and_none_of_its_shapes(seed):
    made = negative(synthetic_negatives.noise, seed)
    np.testing.assert_array_equal(np.bincount(made.ravel(), minlength=256), np.bincount(GRAY.ravel(), minlength=256))
    assert abs(np.corrcoef(made.ravel(), GRAY.ravel())[0, 1]) < 0.35


def test_noise_is_fine_and_coarse():
    steps = [np.abs(np.diff(negative(synthetic_negatives.noise, seed).astype(int))).mean() for seed in SEEDS]
    assert max(steps) > 4 * min(steps)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_silhouette_has_two_levels_and_the_pictures_outline(seed):
    made = negative(synthetic_negatives.silhouette, seed)
    middle = (made > int(made.min()) + 10) & (made < int(made.max()) - 10)
    assert middle.mean() < 0.2  # at its soft edges
    bright = GRAY[made > (int(made.min()) + int(made.max())) / 2]
    assert bright.mean() > GRAY.mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_double_exposure_is_the_picture_and_the_picture_turned(seed):
    made = negative(synthetic_negatives.double_exposure, seed).astype(float)
    rest = made - np.polyval(np.polyfit(GRAY.ravel().astype(float), made.ravel(), 1), GRAY)
    assert np.corrcoef(made.ravel(), GRAY.ravel())[0, 1] > 0.2
    assert rest.std() > 3  # what the picture alone does not explain


@pytest.mark.parametrize("seed", SEEDS)
def test_a_clipped_one_is_mostly_black_or_white(seed):
    made = negative(synthetic_negatives.clipped, seed)
    low, high = synthetic_negatives.SATURATED
    assert low - 0.05 < ((made == 0) | (made == 255)).mean() <= high + 0.05
    assert (np.diff(made.ravel()[np.argsort(GRAY.ravel(), kind="stable")].astype(int)) >= 0).all()  # order is kept


def test_every_way_is_taken():
    assert {way.__name__ for way in synthetic_negatives.WAYS} == {
        "turned", "shuffled", "scrambled", "magnified", "noise", "silhouette", "double_exposure", "clipped",
    }  # fmt: skip
    made = {synthetic_negatives.synthetic_negative(SQUARE, np.random.default_rng(seed)).tobytes() for seed in range(99)}
    assert len(made) > 50
