"""Ways in which a sound is handled before it is sent: level, codec, room, noises, and where in the recording it is.

Each changes samples, float32 (n,), at SAMPLE_RATE into samples of any length and of the same label.
"""

import io
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import scipy.signal
import soundfile
import soxr

from tosa.inputs import audio

SoundChange = Callable[[np.ndarray, np.random.Generator], np.ndarray]

SAMPLE_RATE = audio.SAMPLE_RATE
RECORDING_SECONDS = 10.0  # of a recording in which the sound is somewhere
HUM_DB = -50.0  # level of a quiet recording's noise against the sound's loudest frames
AMR_RATE, AMR_BITS = 8_000, 12_200  # Hz and bits a second of AMR narrowband at its best


def gain(decibels: float) -> SoundChange:
    """Returns a change that makes a sound louder, cutting off what is then over full scale, or softer."""
    return lambda samples, _rng: (samples * 10 ** (decibels / 20)).clip(-1, 1)


def sample_rate(hertz: int) -> SoundChange:
    """Returns a change that sends the sound as 16-bit WAV of another sample rate."""

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        return _through_file(soxr.resample(samples, SAMPLE_RATE, hertz), hertz, "WAV", "PCM_16")

    return change


def codec(container: str, subtype: str, hertz: int = SAMPLE_RATE, quality: float | None = None) -> SoundChange:
    """Returns a change that compresses the sound with libsndfile; quality: 0 is the best, 1 the smallest file."""

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        return _through_file(soxr.resample(samples, SAMPLE_RATE, hertz), hertz, container, subtype, quality)

    return change


def _through_file(
    samples: np.ndarray, hertz: int, container: str, subtype: str, quality: float | None = None
) -> np.ndarray:
    buffer = io.BytesIO()
    fits = samples / max(np.abs(samples).max(), 1)
    soundfile.write(buffer, fits, hertz, format=container, subtype=subtype, compression_level=quality)
    return audio.decode_sound(buffer.getvalue())


def amr(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Returns the sound as a mobile telephone's voice codec sends it (AMR narrowband, 8 kHz)."""
    sent = soxr.resample(samples, SAMPLE_RATE, AMR_RATE)
    pcm = (sent.clip(-1, 1) * 32_767).astype(np.int16)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="amr") as container:
        stream = container.add_stream("libopencore_amrnb", rate=AMR_RATE, layout="mono", bit_rate=AMR_BITS)
        frame = av.AudioFrame.from_ndarray(np.pad(pcm, (0, -len(pcm) % 160))[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = AMR_RATE, Fraction(1, AMR_RATE), 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return audio.decode_sound(buffer.getvalue())


def room(seconds: float, share: float) -> SoundChange:
    """Returns a change that reverberates: noise that decays by 60 dB in `seconds`, `share` of the direct sound each."""

    def change(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        response = rng.normal(size=len(time)) * 10 ** (-3 * time / seconds) * share
        response[0] = 1
        return scipy.signal.fftconvolve(samples, response).astype(np.float32)

    return change


def noise(decibels: float) -> SoundChange:
    """Returns a change that adds white noise so far below the sound's loudest frames."""
    return lambda samples, rng: mix(samples, rng.normal(size=len(samples)), decibels)


def other_sound(decibels: float, others: list[np.ndarray]) -> SoundChange:
    """Returns a change that adds one of the other sounds, so far below the sound's loudest frames."""

    def change(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        other = others[rng.integers(len(others))]
        return mix(samples, np.resize(other, len(samples)), decibels)

    return change


def mix(samples: np.ndarray, other: np.ndarray, decibels: float) -> np.ndarray:
    """Returns samples with another sound (n,), whose loudest tenth of frames is so far below theirs."""
    levels = [np.quantile(audio.levels(each), 0.9) for each in (samples, other)]
    return (samples + other * (levels[0] / max(levels[1], 1e-9) * 10 ** (-decibels / 20))).astype(np.float32)


def invert(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Returns the sound with its polarity inverted."""
    return -samples


def shift_phase(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Returns the sound with each frequency's phase shifted by 90 degrees."""
    return np.imag(scipy.signal.hilbert(samples)).astype(np.float32)


def opposed_channels(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Returns what is decoded of a stereo file whose second channel is the first inverted, at 99 % of its level."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([samples, -0.99 * samples], axis=1), SAMPLE_RATE, format="WAV", subtype="FLOAT")
    return audio.decode_sound(buffer.getvalue())


def pad(before: float, after: float) -> SoundChange:
    """Returns a change that adds so many seconds of digital silence."""
    return lambda samples, _rng: np.pad(samples, [round(seconds * SAMPLE_RATE) for seconds in (before, after)])


def place(share: float) -> SoundChange:
    """Returns a change that puts the sound into a longer, quiet recording; share: 0 at its start, 1 at its end."""

    def change(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        room_for = max(round(RECORDING_SECONDS * SAMPLE_RATE) - len(samples), 0)
        before = round(share * room_for)
        padded = np.pad(samples, (before, room_for - before))
        loud = np.quantile(audio.levels(samples), 0.9)
        return (padded + rng.normal(0, loud * 10 ** (HUM_DB / 20), len(padded))).astype(np.float32)

    return change


SOUND_CHANGES: dict[str, SoundChange] = {
    **{f"{decibels:+d} dB": gain(decibels) for decibels in (-20, -12, -6, 6)},
    **{f"sampled at {hertz / 1000:g} kHz": sample_rate(hertz) for hertz in (8_000, 16_000, 44_100)},
    "MP3, small": codec("MP3", "MPEG_LAYER_III", quality=0.9),
    "MP3": codec("MP3", "MPEG_LAYER_III"),
    "Opus": codec("OGG", "OPUS", hertz=24_000),  # it does not take 22,050 Hz
    "Ogg Vorbis": codec("OGG", "VORBIS"),
    "AMR narrowband": amr,
    "GSM 06.10": codec("WAV", "GSM610", hertz=8_000),
    **{f"noise {decibels} dB below": noise(decibels) for decibels in (20, 15, 10)},
    "small room": room(0.3, 0.05),
    "large room": room(0.8, 0.05),
    "polarity inverted": invert,
    "phase shifted by 90 degrees": shift_phase,
    "two channels of opposed phase": opposed_channels,
    "1 s of silence before": pad(1, 0),
    "3 s of silence after": pad(0, 3),
    "2 s of silence before and after": pad(2, 2),
    "at the start of 10 s": place(0),
    "in the middle of 10 s": place(0.5),
    "at the end of 10 s": place(1),
}


def sound_changes(others: list[np.ndarray]) -> dict[str, SoundChange]:
    """Returns SOUND_CHANGES and, where `others` has sounds to mix in, those with them; samples (n,) of any length."""
    mixed = {f"other sounds {decibels} dB below": other_sound(decibels, others) for decibels in (20, 10, 5)}
    return SOUND_CHANGES | (mixed if others else {})
