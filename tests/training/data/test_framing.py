from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pictures import phantom
from tosa.preprocessing import Preprocessing
from tosa.training.data import framing
from tosa.training.data.framing import Framing, frame

SQUASH, LETTERBOX = Preprocessing(), Preprocessing(geometry="letterbox")
SIDE = SQUASH.size
STILL = Framing(  # nothing but a mirror
    whole=0, crop=0, most_stretch=0, stretch=0, zoom=(1, 1), rotation=0, shift=0, coarse=0, margin=0, black=1
)


def disc(height: int, width: int, radius: int = 40) -> np.ndarray:
    """A white disc in the middle of black: uint8 (height, width)."""
    down, across = np.indices((height, width))
    return (np.hypot(down - height / 2, across - width / 2) < radius).astype(np.uint8) * 255


def extent(picture: np.ndarray) -> tuple[int, int]:
    """Height and width of the bright part."""
    bright = picture > 127
    return int(bright.any(axis=1).sum()), int(bright.any(axis=0).sum())


def frames(pixels, preprocessing, how, count):
    return [frame(pixels, np.random.default_rng(seed), preprocessing, how) for seed in range(count)]


@pytest.mark.parametrize("preprocessing", [SQUASH, LETTERBOX])
def test_frames_keep_their_form_and_repeat_by_seed(preprocessing):
    made = [frame(phantom(), np.random.default_rng(seed), preprocessing) for seed in (1, 1, 2)]
    assert all(picture.shape == (SIDE, SIDE) and picture.dtype == np.uint8 for picture in made)
    assert (made[0] == made[1]).all() and (made[0] != made[2]).any()


@pytest.mark.parametrize("preprocessing, aspect", [(SQUASH, 2), (LETTERBOX, 1)])
def test_a_letterbox_keeps_circles_round_and_squashing_does_not(preprocessing, aspect):
    for how in (STILL, replace(STILL, whole=1)):
        for made in frames(disc(150, 300), preprocessing, how, 4):
            high, wide = extent(made)
            assert high == pytest.approx(aspect * wide, abs=3)


def test_without_any_change_a_frame_is_the_served_picture_or_its_mirror():
    picture = phantom()
    served = framing._fitted(picture, SQUASH).astype(int)
    for made in frames(picture, SQUASH, STILL, 6):
        assert min(np.abs(made - served).mean(), np.abs(made[:, ::-1] - served).mean()) < 3


def ratios(made):
    """Logarithms of width to height of the bright part."""
    return np.log([wide / high for high, wide in map(extent, made)])


def test_a_letterbox_is_stretched_as_far_as_it_says():
    found = ratios(frames(disc(200, 201, 30), LETTERBOX, replace(STILL, stretch=0.2), 150))
    assert np.abs(found).max() < 0.45 and found.std() > 0.12 and abs(found.mean()) < 0.05


@pytest.mark.parametrize("cropped", [False, True])
def test_whatever_the_shape_the_distortion_is_drawn_from_the_same_shapes(cropped):
    """A disc looks as a squash of 0.95 to 1.8 would show it, whether its picture is narrow, wide or was cropped."""
    how = replace(STILL, most_stretch=9, crop=0.15 if cropped else 0)
    for height, width in ((300, 270), (200, 360), (250, 300)):
        found = -ratios(frames(disc(height, width), SQUASH, how, 60))
        assert found.min() == pytest.approx(np.log(0.95), abs=0.07)
        assert found.max() == pytest.approx(np.log(1.8), abs=0.07)
        assert found.mean() == pytest.approx(np.log(0.95 * 1.8) / 2, abs=0.05)


def test_a_squashed_picture_of_known_aspect_is_distorted_as_if_it_had_it_still():
    how = replace(STILL, most_stretch=9)
    squashed = np.asarray(Image.fromarray(disc(300, 450)).resize((300, 300)))
    made = [frame(squashed, np.random.default_rng(seed), SQUASH, how, aspect=1.5) for seed in range(80)]
    assert -ratios(made).mean() == pytest.approx(np.log(0.95 * 1.8) / 2, abs=0.05)


def test_stretching_has_a_bound():
    """Whatever is drawn, height and width are scaled by 0.25 at most each, so that a chest stays one."""
    found = ratios(frames(disc(100, 400, 30), SQUASH, replace(STILL, most_stretch=0.25), 30))
    assert found == pytest.approx(np.full(30, np.log(100 / 400) + 0.5), abs=0.1)


def test_the_disc_stays_in_sight_whatever_is_drawn():
    """Crop, zoom, stretch and shift together leave most of the middle of a picture in the frame."""
    shares = [(made > 127).mean() for made in frames(disc(300, 300, 90), SQUASH, Framing(margin=0), 200)]
    assert min(shares) > 0.15  # the disc covers 28 % of the picture


def test_each_side_is_cropped_on_its_own():
    rng, image = np.random.default_rng(0), Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (200, 1)))
    cut = [np.asarray(framing._cropped(image, Framing(), rng))[0, [0, -1]] for _ in range(300)]
    left, right = np.array(cut, int).T
    assert left.max() <= 30 and right.min() >= 169 and (left > 0).mean() == pytest.approx(0.6, abs=0.1)
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.2


def test_square_pictures_get_a_random_aspect_where_it_is_kept():
    """They came squashed, and what they were before is not known."""
    found = np.exp(ratios(frames(disc(200, 200), LETTERBOX, STILL, 40)))
    assert found.min() > 0.9 and found.max() < 1.85 and found.std() > 0.1


def test_resolutions_are_many():
    """The finest detail of a checkerboard is lost in some pictures and kept in others."""
    board = (np.indices((800, 800)).sum(axis=0) // 4 % 2 * 255).astype(np.uint8)
    contrasts = [made.std() for made in frames(board, SQUASH, replace(STILL, coarse=0.5), 40)]
    assert min(contrasts) < 0.5 * max(contrasts)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (400, 3), (64, 64), (1200, 900)])
@pytest.mark.parametrize("preprocessing", [SQUASH, LETTERBOX])
def test_pictures_of_any_size(shape, preprocessing):
    for made in frames(np.full(shape, 90, np.uint8), preprocessing, Framing(), 10):
        assert made.shape == (SIDE, SIDE)
