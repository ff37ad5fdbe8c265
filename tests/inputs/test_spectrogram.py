from dataclasses import replace

import numpy as np
import pytest

from sounds import RATE, coughs
from tosa.inputs import audio, spectrogram
from tosa.inputs.colormap import MAGMA
from tosa.preprocessing import Preprocessing

COUGHS = coughs()
DEFAULT = Preprocessing()
OTHER = Preprocessing(
    sample_rate=16_000, n_fft=512, hop_length=100, n_mels=60, f_min=20, f_max=8_000, window_seconds=2, size=224
)


def librosas_bank(preprocessing: Preprocessing) -> np.ndarray:
    return pytest.importorskip("librosa").filters.mel(
        sr=preprocessing.sample_rate, n_fft=preprocessing.n_fft, n_mels=preprocessing.n_mels,
        fmin=preprocessing.f_min, fmax=preprocessing.f_max,
    )  # fmt: skip


def librosas_log_mel(samples: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    librosa = pytest.importorskip("librosa")
    power = librosa.feature.melspectrogram(
        y=samples, sr=preprocessing.sample_rate, n_fft=preprocessing.n_fft, hop_length=preprocessing.hop_length,
        n_mels=preprocessing.n_mels, fmin=preprocessing.f_min, fmax=preprocessing.f_max,
    )  # fmt: skip
    return librosa.power_to_db(power, ref=np.max, top_db=preprocessing.top_db)


def test_packaged_mel_bank_is_librosas():
    np.testing.assert_array_equal(spectrogram.packaged_mel_bank(), librosas_bank(DEFAULT))


def test_log_mel_is_librosas():
    samples = audio.window(COUGHS)
    np.testing.assert_allclose(spectrogram.log_mel(samples), librosas_log_mel(samples, DEFAULT), atol=0.01)


def test_log_mel_of_another_preprocessing_is_librosas():
    samples = audio.window(coughs(rate=16_000), OTHER)
    ours = spectrogram.log_mel(samples, OTHER, librosas_bank(OTHER))
    np.testing.assert_allclose(ours, librosas_log_mel(samples, OTHER), atol=0.01)


def test_another_preprocessing_needs_its_mel_bank():
    assert replace(DEFAULT, top_db=60, hop_length=200, size=276).has_default_mel_bank
    assert not OTHER.has_default_mel_bank
    samples = audio.window(coughs(rate=16_000), OTHER)
    with pytest.raises(ValueError, match="mel bank is needed"):
        spectrogram.draw(samples, OTHER)
    with pytest.raises(ValueError, match=r"\(128, 513\), not \(60, 257\)"):
        spectrogram.draw(samples, OTHER, librosas_bank(DEFAULT))


def test_draws_another_preprocessing_at_its_size():
    samples = audio.window(coughs(rate=16_000), OTHER)
    picture = spectrogram.draw(samples, OTHER, librosas_bank(OTHER))
    assert picture.shape == (224, 224, 3) and picture.dtype == np.uint8
    same_window = replace(DEFAULT, window_seconds=2, hop_length=147)
    wanted = spectrogram.draw(audio.window(COUGHS, same_window), same_window)
    columns = [each[:, :, 0].mean(axis=0) for each in (picture, wanted)]
    stretched = np.interp(np.linspace(0, 1, 224), np.linspace(0, 1, 299), columns[1])
    assert np.corrcoef(columns[0], stretched)[0, 1] > 0.9


def test_colours_are_matplotlibs():
    magma = pytest.importorskip("matplotlib").colormaps["magma"]
    np.testing.assert_array_equal(MAGMA, (magma(np.arange(256))[:, :3] * 255).round())


def in_steps(rows: np.ndarray, count: int) -> np.ndarray:
    """Rows interpolated one by one, in float32."""
    places = np.linspace(0, len(rows) - 1, count)
    picked = []
    for place in places:
        low = min(int(place), len(rows) - 2)
        share = np.float32(place - low)
        picked.append(rows[low] * (1 - share) + rows[low + 1] * share)
    return np.stack(picked)


@pytest.mark.parametrize("preprocessing", [DEFAULT, replace(DEFAULT, hop_length=250, top_db=60)])
def test_pixels_are_bit_for_bit_those_that_the_definition_gives(preprocessing):
    """Graphs were trained on exactly these pixels, however fast they are drawn."""
    samples = audio.window(COUGHS, preprocessing)
    decibels = spectrogram.log_mel(samples, preprocessing)[::-1]
    if preprocessing.frames > 300 or preprocessing.frames < 299:
        decibels = in_steps(decibels.T, 299).T
    brightness = in_steps(decibels[:, :299], 299) * np.float32(255 / preprocessing.top_db) + np.float32(255.5)
    np.testing.assert_array_equal(spectrogram.draw(samples, preprocessing), MAGMA[brightness.astype(np.uint8)])


def test_draws_time_to_the_right_and_pitch_upwards():
    time = np.arange(audio.window(COUGHS).size) / RATE
    chirp = np.sin(2 * np.pi * np.where(time < 1.25, 300, 5000) * time)
    brightness = spectrogram.draw(chirp).sum(axis=2, dtype=int)
    early, late = brightness[:, 40:100].sum(axis=1).argmax(), brightness[:, 200:260].sum(axis=1).argmax()
    assert early > 200 and late < 100


def test_level_and_surrounding_silence_do_not_change_the_picture():
    soft = np.concatenate([np.zeros(3 * RATE), COUGHS * 0.05, np.zeros(RATE)]).astype(np.float32)
    difference = spectrogram.draw(audio.window(soft)).astype(int) - spectrogram.draw(audio.window(COUGHS))
    assert np.abs(difference).mean() < 2
