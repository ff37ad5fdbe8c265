import numpy as np
import pytest

from sounds import RATE, container, coughs, wav
from tosa import errors
from tosa.inputs import audio, spectrogram
from tosa.preprocessing import Preprocessing

COUGHS = coughs()


def square(seconds=1.0):
    return (np.sign(np.sin(2 * np.pi * 100 * np.arange(round(seconds * RATE)) / RATE)) * 0.9).astype(np.float32)


def noise(level: float) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=RATE) * level).astype(np.float32)


def rumble(level: float) -> np.ndarray:
    """Noise below some 100 Hz, whose frames differ more in level than those of hiss."""
    slow = np.convolve(noise(1.0), np.ones(200) / 200, mode="same")
    return (slow * level / slow.std()).astype(np.float32)


def steps() -> np.ndarray:
    """-1, 0 or 1 at random."""
    return np.random.default_rng(0).integers(-1, 2, RATE).astype(np.float32)


BAD = {
    "header only": (lambda: wav(np.zeros(0)), errors.TooShort),
    "one sample": (lambda: wav(np.ones(1) * 0.5), errors.TooShort),
    "0.29 s": (lambda: wav(COUGHS[: round(0.29 * RATE)]), errors.TooShort),
    "silence": (lambda: wav(np.zeros(RATE)), errors.Silence),
    "constant": (lambda: wav(np.full(RATE, 0.5)), errors.Silence),
    "far too soft": (lambda: wav(COUGHS * 1e-4, subtype="FLOAT"), errors.Silence),
    "soft noise": (lambda: wav(noise(1e-4), subtype="PCM_24"), errors.Silence),
    "soft rumble": (lambda: wav(rumble(1e-4), subtype="PCM_24"), errors.Silence),
    "a converter's noise of 16 bits": (lambda: wav(steps() / 2**15), errors.Silence),
    "a converter's noise of 8 bits": (lambda: wav(steps() / 2**7, subtype="PCM_U8"), errors.Silence),
    "a converter's noise of 16 bits in 24": (lambda: wav(steps() / 2**15, subtype="PCM_24"), errors.Silence),
    "clipped flat": (lambda: wav(square()), errors.Clipped),
    "not a number": (lambda: wav(np.full(RATE, np.nan, np.float32), subtype="FLOAT"), errors.NotFinite),
    "infinite": (lambda: wav(np.full(RATE, np.inf, np.float32), subtype="FLOAT"), errors.NotFinite),
    "1e38": (lambda: wav(COUGHS * np.float32(1e38), subtype="FLOAT"), errors.NotFinite),
    "61 s": (lambda: wav(np.tile(COUGHS, 31)[: 61 * RATE]), errors.SoundTooLong),
    "1 Hz": (lambda: wav(COUGHS[:20], 1), errors.SampleRate),
    "655,350 Hz": (lambda: wav(COUGHS, 655_350), errors.SampleRate),
    "62 s that only FFmpeg reads": (
        lambda: container(np.tile(COUGHS, 31), "wav", "adpcm_yamaha", RATE),
        errors.SoundTooLong,
    ),
    "not a number, in FFmpeg": (
        lambda: container(np.full(RATE, np.nan, np.float32), "matroska", "pcm_f32le", RATE),
        errors.NotFinite,
    ),
    "cut flac": (lambda: wav(COUGHS, format="FLAC")[:60], errors.Damaged),
    "cut webm": (lambda: container(coughs(rate=48_000), "webm", "libopus")[:200], errors.Damaged),
    "cut mp4": (lambda: container(coughs(rate=48_000), "mp4", "aac")[:200], errors.Damaged),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name):
    make, error = BAD[name]
    with pytest.raises(error):
        spectrogram.draw_file(make())


@pytest.mark.parametrize("peak_dbfs, subtype", [(-53, "PCM_24"), (-70, "PCM_24"), (-53, "PCM_16"), (-70, "FLOAT")])
def test_soft_recordings_are_judged_like_loud_ones(peak_dbfs, subtype):
    soft = COUGHS * np.float32(10 ** (peak_dbfs / 20) / np.abs(COUGHS).max())
    soft += noise(1e-6)[0] if subtype == "FLOAT" else 0
    decoded = audio.decode_sound(wav(soft, subtype=subtype))
    audio.check_sound(decoded)
    picture, wanted = (spectrogram.draw(audio.window(samples)).astype(int) for samples in (decoded, COUGHS))
    if subtype != "PCM_16":  # its steps are heard as noise at this level
        assert np.abs(picture - wanted).mean() < 1


def test_noise_that_is_loud_is_no_silence():
    audio.check_sound(audio.decode_sound(wav(noise(0.01))))


def test_a_limit_is_a_limit():
    spectrogram.draw_file(wav(COUGHS[: round(0.31 * RATE)]))
    spectrogram.draw_file(wav(np.tile(COUGHS, 30)))


def test_a_cut_mp3_is_as_long_as_what_is_left_of_it():
    whole = wav(coughs(10, rate=44_100), 44_100, format="MP3")
    samples = audio.decode_sound(whole[: len(whole) // 2])
    assert 4.5 < len(samples) / audio.SAMPLE_RATE < 5.5
    np.testing.assert_allclose(samples[: 4 * RATE], audio.decode_sound(whole)[: 4 * RATE], atol=1e-3)


def test_window_takes_the_loudest_part():
    sound = np.concatenate([coughs(4) * 0.2, coughs(2.5, seed=1), coughs(4) * 0.2])
    start = audio.loudest_window(sound)
    assert start / RATE == pytest.approx(4.0, abs=0.3)


def test_decodes_any_rate_and_number_of_channels():
    for rate, channels in ((8_000, 1), (192_000, 1), (22_050, 6), (44_100, 100)):
        samples = audio.decode_sound(wav(np.repeat(coughs(rate=rate)[:, None], channels, axis=1), rate))
        assert samples.dtype == np.float32 and len(samples) == pytest.approx(2 * RATE, abs=2)
        assert 0.1 < np.abs(samples).max() < 0.8
        audio.check_sound(samples)


def test_window_of_another_preprocessing():
    other = Preprocessing(sample_rate=16_000, window_seconds=1.5, hop_length=160, f_max=7_600)
    part, seconds = audio.load_window(wav(coughs(4)), other)
    assert part.shape == (24_000,) and seconds == pytest.approx(4.0)
    assert np.square(part).sum() > 0.3 * np.square(audio.decode_sound(wav(coughs(4)), 16_000)).sum()
