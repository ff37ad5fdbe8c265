import numpy as np
import pytest

from pictures import phantom
from sounds import coughs
from tosa.inputs import audio
from tosa.training.data.augmentation import Augmentation
from tosa.training.data.dataset import Case
from tosa.training.data.picture_augmentation import change_picture
from tosa.training.data.sound_augmentation import band_limited, change_sound, mixed

PICTURE = np.repeat(phantom()[:, :, None], 3, axis=2)


def test_pictures_keep_form_and_repeat_by_seed():
    made = [change_picture(PICTURE, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert all(picture.shape == (299, 299, 3) and picture.dtype == np.uint8 for picture in made)
    assert (made[0] == made[1]).all() and (made[0] != made[2]).any()


def test_pictures_stay_what_they_are():
    """Lungs stay darker than what is between them, whatever the exposure and the position."""
    kept = 0
    for seed in range(100):
        gray = change_picture(PICTURE, np.random.default_rng(seed)).mean(axis=2)
        kept += gray[130:170, 85:105].mean() < gray[130:170, 140:160].mean()
    assert kept > 80  # frames are moved, zoomed and stretched


@pytest.mark.parametrize("background", [None, coughs(3, seed=9)])
@pytest.mark.parametrize("seconds", [0.35, 2.0, 9.0])
def test_sounds_of_any_length(seconds, background):
    for seed in range(20):
        drawn = change_sound(coughs(seconds), np.random.default_rng(seed), background)
        assert drawn.shape == (299, 299, 3) and drawn.dtype == np.uint8 and drawn.std() > 1


def test_mixed_keeps_the_ratio():
    tone = np.sin(2 * np.pi * 441 * np.arange(audio.SAMPLE_RATE) / audio.SAMPLE_RATE).astype(np.float32)
    noise = np.random.default_rng(0).normal(size=len(tone)).astype(np.float32)
    added = mixed(tone, noise, 20) - tone
    assert 10 * np.log10(np.square(tone).mean() / np.square(added).mean()) == pytest.approx(20, abs=0.3)


def test_band_limiting_takes_what_lies_above():
    noise = np.random.default_rng(0).normal(size=audio.SAMPLE_RATE).astype(np.float32)

    class Telephone:
        """Stands for a generator that draws 3 kHz and 20 Hz."""

        uniform = staticmethod(lambda low, high: {2_500: 3_000, 20: 20}[low])

    spectrum = np.abs(np.fft.rfft(band_limited(noise, Telephone)))
    assert spectrum[6000:].mean() < 0.1 * spectrum[500:2000].mean()


def test_the_name_of_an_augmentation_is_that_of_its_backgrounds(tmp_path):
    """By content: the same bottlenecks are found for the same sounds elsewhere, and none for others so called."""

    def named(folder, content):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").write_bytes(content)
        cases = [Case(tmp_path / folder / "a.wav", "cough", label, label, "training") for label in ("not sick", "sick")]
        made = Augmentation(cases)
        assert len(made.backgrounds) == 1
        return str(made)

    first, moved, other = named("a", b"one"), named("b", b"one"), named("c", b"two")
    assert first == moved != other and str(Augmentation([])) not in (first, other)
