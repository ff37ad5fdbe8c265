import numpy as np
import pytest

from tosa import errors, settings
from tosa.inputs import intensity


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_histogram_counts_every_sample(dtype):
    stored = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (130, 70), dtype)
    np.testing.assert_array_equal(
        intensity.histogram(stored), np.bincount(stored.ravel(), minlength=256**stored.itemsize)
    )


def counted(*pairs: tuple[float, int]) -> tuple[np.ndarray, np.ndarray]:
    values, counts = zip(*pairs)
    return np.array(values, float), np.array(counts)


def test_the_range_leaves_out_few_far_values_at_either_end():
    values, counts = counted((-900, 5), (0, 400), (50, 300), (100, 400), (110, 3), (900, 5))
    assert intensity.robust_range(values, counts) == (0, 110)  # 110 is near, so no outlier


def test_the_range_keeps_far_values_that_are_many():
    values, counts = counted((0, 400), (100, 400), (900, 50))
    assert intensity.robust_range(values, counts) == (0, 900)


def test_the_range_of_a_picture_of_hardly_anything_but_one_value_is_its_own():
    assert intensity.robust_range(*counted((0, 9990), (70, 4), (90, 6))) == (0, 90)


def test_values_that_no_pixel_has_do_not_count():
    assert intensity.robust_range(*counted((-99, 0), (1, 5), (4, 5), (99, 0))) == (1, 4)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(errors.NotFinite):
        intensity.robust_range(*counted((1, 5), (np.inf, 5)))


@pytest.mark.parametrize("width, height, size, says", [(5001, 5000, 1, "25 megapixels"), (5000, 5000, 6, "128 MiB")])
def test_a_refusal_names_the_limit_that_was_hit(width, height, size, says):
    with pytest.raises(errors.PictureTooLarge, match=says):
        intensity.check_size(width, height, size)


def test_what_is_at_the_limits_fits():
    intensity.check_size(5000, 5000, 5)
    assert settings.MAX_PICTURE_PIXELS == 5000 * 5000
