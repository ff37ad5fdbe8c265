import numpy as np
import pytest

from sounds import RATE, Pipe, container, coughs, wav
from tosa import errors
from tosa.inputs import audio

COUGHS = coughs()

FORMATS = {
    "wav 16 bit": lambda: wav(COUGHS, subtype="PCM_16"),
    "wav 24 bit": lambda: wav(COUGHS, subtype="PCM_24"),
    "wav 32 bit": lambda: wav(COUGHS, subtype="PCM_32"),
    "wav float": lambda: wav(COUGHS, subtype="FLOAT"),
    "wav 8 kHz": lambda: wav(coughs(rate=8_000), 8_000),
    "wav 192 kHz": lambda: wav(coughs(rate=192_000), 192_000),
    "wav of 6 channels": lambda: wav(np.repeat(COUGHS[:, None], 6, axis=1)),
    "flac": lambda: wav(COUGHS, format="FLAC"),
    "ogg vorbis": lambda: wav(COUGHS, format="OGG", subtype="VORBIS"),
    "ogg opus": lambda: wav(coughs(rate=48_000), 48_000, format="OGG", subtype="OPUS"),
    "mp3": lambda: wav(coughs(rate=44_100), 44_100, format="MP3"),
    "webm opus": lambda: container(coughs(rate=48_000), "webm", "libopus"),
    "mp4 aac": lambda: container(coughs(rate=48_000), "mp4", "aac"),
    "raw aac": lambda: container(coughs(rate=48_000), "adts", "aac"),
    "flac from a pipe": lambda: container(coughs(rate=48_000), "flac", "flac", buffer=Pipe()),
}


@pytest.mark.parametrize("name", FORMATS)
def test_decodes(name):
    samples = audio.decode(FORMATS[name]())
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert len(samples) / audio.SAMPLE_RATE == pytest.approx(2.0, abs=0.1)  # codecs pad
    assert 0.1 < np.abs(samples).max() < 0.8
    audio.check(samples)


def test_formats_without_loss_give_the_same_samples():
    for name in ("wav 24 bit", "wav 32 bit", "wav float", "wav of 6 channels"):
        np.testing.assert_allclose(audio.decode(FORMATS[name]()), COUGHS, atol=4e-5)  # one step of 16 bits


def square(seconds=1.0):
    return (np.sign(np.sin(2 * np.pi * 100 * np.arange(round(seconds * RATE)) / RATE)) * 0.9).astype(np.float32)


BAD = {
    "header only": (lambda: wav(np.zeros(0)), errors.TooShort),
    "one sample": (lambda: wav(np.ones(1) * 0.5), errors.TooShort),
    "0.29 s": (lambda: wav(COUGHS[: round(0.29 * RATE)]), errors.TooShort),
    "silence": (lambda: wav(np.zeros(RATE)), errors.Silence),
    "constant": (lambda: wav(np.full(RATE, 0.5)), errors.Silence),
    "far too soft": (lambda: wav(COUGHS * 1e-4, subtype="FLOAT"), errors.Silence),
    "clipped flat": (lambda: wav(square()), errors.Clipped),
    "not a number": (lambda: wav(np.full(RATE, np.nan, np.float32), subtype="FLOAT"), errors.NotFinite),
    "infinite": (lambda: wav(np.full(RATE, np.inf, np.float32), subtype="FLOAT"), errors.NotFinite),
    "1e38": (lambda: wav(COUGHS * np.float32(1e38), subtype="FLOAT"), errors.NotFinite),
    "61 s": (lambda: wav(np.tile(COUGHS, 31)[: 61 * RATE]), errors.SoundTooLong),
    "1 Hz": (lambda: wav(COUGHS[:20], 1), errors.SampleRate),
    "655,350 Hz": (lambda: wav(COUGHS, 655_350), errors.SampleRate),
    "cut flac": (lambda: FORMATS["flac"]()[:60], errors.Damaged),
    "cut webm": (lambda: FORMATS["webm opus"]()[:200], errors.Damaged),
    "cut mp4": (lambda: FORMATS["mp4 aac"]()[:200], errors.Damaged),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name):
    make, error = BAD[name]
    with pytest.raises(error):
        audio.picture(make())


def test_a_limit_is_a_limit():
    audio.picture(wav(COUGHS[: round(0.31 * RATE)]))
    audio.picture(wav(np.tile(COUGHS, 30)))


def test_a_cut_mp3_is_as_long_as_what_is_left_of_it():
    whole = wav(coughs(10, rate=44_100), 44_100, format="MP3")
    samples = audio.decode(whole[: len(whole) // 2])
    assert 4.5 < len(samples) / audio.SAMPLE_RATE < 5.5
    np.testing.assert_allclose(samples[: 4 * RATE], audio.decode(whole)[: 4 * RATE], atol=1e-3)


def test_log_mel_is_librosas():
    librosa = pytest.importorskip("librosa")
    samples = audio.window(COUGHS)
    power = librosa.feature.melspectrogram(
        y=samples, sr=audio.SAMPLE_RATE, n_fft=audio.N_FFT, hop_length=audio.HOP_LENGTH, n_mels=audio.N_MELS,
        fmin=audio.F_MIN, fmax=audio.F_MAX,
    )  # fmt: skip
    expected = librosa.power_to_db(power, ref=np.max, top_db=audio.TOP_DB)
    np.testing.assert_allclose(audio.log_mel(samples), expected, atol=0.01)


def test_bands_are_librosas():
    filters = pytest.importorskip("librosa").filters.mel(
        sr=audio.SAMPLE_RATE, n_fft=audio.N_FFT, n_mels=audio.N_MELS, fmin=audio.F_MIN, fmax=audio.F_MAX
    )
    ours = audio._mel_power(np.eye(audio.N_FFT // 2 + 1, dtype=np.float32)).T
    np.testing.assert_allclose(ours, filters, atol=1e-6 * filters.max())


def test_colours_are_matplotlibs():
    magma = pytest.importorskip("matplotlib").colormaps["magma"]
    np.testing.assert_array_equal(audio.MAGMA, (magma(np.arange(256))[:, :3] * 255).round())


def test_draws_time_to_the_right_and_pitch_upwards():
    time = np.arange(audio.window(COUGHS).size) / RATE
    chirp = np.sin(2 * np.pi * np.where(time < 1.25, 300, 5000) * time)
    brightness = audio.draw(chirp).sum(axis=2, dtype=int)
    early, late = brightness[:, 40:100].sum(axis=1).argmax(), brightness[:, 200:260].sum(axis=1).argmax()
    assert early > 200 > 100 > late


def test_level_and_surrounding_silence_do_not_change_the_picture():
    soft = np.concatenate([np.zeros(3 * RATE), COUGHS * 0.05, np.zeros(RATE)]).astype(np.float32)
    difference = audio.draw(audio.window(soft)).astype(int) - audio.draw(audio.window(COUGHS))
    assert np.abs(difference).mean() < 2


def test_window_takes_the_loudest_part():
    sound = np.concatenate([coughs(4) * 0.2, coughs(2.5, seed=1), coughs(4) * 0.2])
    start = audio.loudest_window(sound)
    assert start / RATE == pytest.approx(4.0, abs=0.3)
