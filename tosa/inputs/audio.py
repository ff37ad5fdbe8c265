"""Sound: bytes -> mono samples -> quality gate -> the part that is drawn.

Serving and training share these functions, so both see the same picture of a sound.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import soxr

from tosa import settings
from tosa.errors import Clipped, Damaged, NotFinite, SampleRate, Silence, TooShort
from tosa.inputs import sound_formats, sound_readers
from tosa.inputs.channels import channel_to_take, mean_of_channels, octave_energies
from tosa.preprocessing import Preprocessing

DEFAULT = Preprocessing()
SAMPLE_RATE = DEFAULT.sample_rate  # Hz at which sounds are decoded unless a graph asks for another rate
MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz that files may have
MAX_VALUE = 1e6  # of a sample; full scale is 1
FRAME_SECONDS = 0.02  # in which levels are measured
SOFT_DBFS = -60.0  # below, a sound has to stand out from its own noise floor
FLOOR_DBFS = -84.3  # two steps of 16 bits; below, no microphone tells a sound from its own noise
MIN_RANGE_DB = 12.0  # of the loudest frame of a soft sound over its quiet frames; steady noise has less than 6
QUIET_SHARE = 0.1  # of the frames are quiet ones
QUANTIZED_VALUES = 8  # that the samples of a silent recording take at most: the noise of its converter
QUANTIZED_SPAN = 1 / 16  # of full scale between the largest and the smallest of them; 8 steps of 8 bits
CLIPPED_SHARE = 0.3  # a sound with more of its samples at the rails is flat


def decode_sound(data: bytes, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Returns a sound file's samples at `sample_rate` as float32 (n,), nominally in [-1, 1].

    data: a format that sound_formats.sound_format names. Of several channels, `channels` says which mix is taken.
    A recording whose samples never leave a few quantization steps is returned as zeros.
    Raises Damaged if neither libsndfile nor FFmpeg can read it, UnsupportedFormat for a codec or content that is not
    read, SampleRate, NotFinite, TooShort if it holds no sample, and SoundTooLong past settings.MAX_SOUND_SECONDS.
    """
    name = sound_formats.sound_format(data)
    if name is None:
        raise sound_formats.format_refusal(data)
    if sound_formats.format_by_signature(data) is None:  # neither reader looks behind zeros and tags
        data = data[sound_formats.start_of_sound(data) :]
    if name == "wav":
        data = sound_readers.padded_wav(data)
    failures = []
    for read_blocks in sound_readers.readers(data, name):
        try:
            return _mixed(partial(read_blocks, data, name), sample_rate)
        except sound_readers.Unreadable as error:
            failures.append(error)
    if isinstance(failures[0], sound_readers.NoSamples):
        raise TooShort() from failures[0]
    raise Damaged() from failures[-1]


def _mixed(blocks: Callable[[], sound_readers.Blocks], sample_rate: int) -> np.ndarray:
    """Read the blocks once for the mean of the channels, and again where one channel is better than the mean."""
    samples, energies = _read(blocks(), sample_rate)
    if energies is None:
        return samples
    channel = channel_to_take(energies)
    return samples if channel is None else _read(blocks(), sample_rate, channel)[0]


def _read(
    blocks: sound_readers.Blocks, sample_rate: int, channel: int | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The mean of the channels, or one of them, at sample_rate: float32 (n,); and their energies for channel_to_take.

    There are no energies of mono sounds, nor where the number of channels changes. Raises SoundTooLong as soon as the
    blocks last too long, whatever the header says.
    """
    parts, energies, values = [], [], _Values()
    stream, seconds, rate_before = None, 0.0, None
    for block, rate in blocks:
        if not MIN_RATE <= rate <= MAX_RATE:
            raise SampleRate()
        seconds += len(block) / rate
        sound_readers.check_length(seconds)
        _check_values(block)
        values.add(block)
        mono = mean_of_channels(block)
        if channel is None and block.shape[1] > 1:
            energies.append(octave_energies(block, rate))
        if channel is not None:
            mono = block[:, channel]
        if rate != rate_before:
            parts += _rest(stream)
            stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32") if rate != sample_rate else None
            rate_before = rate
        parts.append(stream.resample_chunk(np.ascontiguousarray(mono)) if stream else mono)
    samples = np.concatenate([*parts, *_rest(stream)])
    if values.are_quantization_noise():
        samples = np.zeros_like(samples)
    same_layout = len({part.shape[1] for part in energies}) == 1
    return samples, np.concatenate(energies) if same_layout else None


def _rest(stream: soxr.ResampleStream | None) -> list[np.ndarray]:
    """What the resampler still holds."""
    return [stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)] if stream else []


class _Values:
    """The different values that samples take, as long as they are few."""

    def __init__(self) -> None:
        self._seen = np.zeros(0, np.float32)

    def add(self, block: np.ndarray) -> None:
        for part in (block[:: len(block) // 256 + 1], block):  # a few samples nearly always tell; sorting takes long
            if len(self._seen) <= QUANTIZED_VALUES:
                self._seen = np.union1d(self._seen, part)

    def are_quantization_noise(self) -> bool:
        return 0 < len(self._seen) <= QUANTIZED_VALUES and self._seen[-1] - self._seen[0] <= QUANTIZED_SPAN


def check_sound(samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """The quality gate: raises TooShort, Silence, Clipped or NotFinite for samples (n,) that cannot be judged.

    A soft sound is judged like a loud one. Silence is a sound whose loudest frame is below FLOOR_DBFS, or is below
    SOFT_DBFS and less than MIN_RANGE_DB over the quiet frames of the same recording.
    """
    if len(samples) < settings.MIN_SOUND_SECONDS * sample_rate:
        raise TooShort()
    _check_values(samples)
    centred = samples - samples.mean()
    if _is_silence(levels(centred, sample_rate)):
        raise Silence()
    height = np.abs(centred)
    if np.count_nonzero(height > 0.99 * height.max()) > CLIPPED_SHARE * len(samples):
        raise Clipped()


def _check_values(samples: np.ndarray) -> None:
    """Raises NotFinite unless all samples are from -MAX_VALUE to MAX_VALUE; NaN fails both comparisons."""
    if not (samples.min() >= -MAX_VALUE and samples.max() <= MAX_VALUE):
        raise NotFinite()


def _is_silence(level: np.ndarray) -> bool:
    loudest, quiet = level.max(), np.quantile(level, QUIET_SHARE)
    is_soft = loudest < 10 ** (SOFT_DBFS / 20)
    return loudest < 10 ** (FLOOR_DBFS / 20) or bool(is_soft and loudest < quiet * 10 ** (MIN_RANGE_DB / 20))


def levels(samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Returns the root mean square of each 20 ms of samples (n,), the last padded with zeros: float32 (frames,)."""
    frame = frame_length(sample_rate)
    padded = np.pad(samples, (0, -len(samples) % frame))
    return np.sqrt(np.square(padded.reshape(-1, frame)).mean(axis=1))


def frame_length(sample_rate: int) -> int:
    """Returns the samples of a frame in which levels are measured."""
    return round(FRAME_SECONDS * sample_rate)


def active_part(samples: np.ndarray, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns samples (n,) without their offset, and without the start and end that are below the active level."""
    centred = samples - samples.mean()
    level, frame = levels(centred, preprocessing.sample_rate), frame_length(preprocessing.sample_rate)
    loud = np.flatnonzero(level >= level.max() * 10 ** (-preprocessing.active_db / 20))
    return centred[loud[0] * frame : (loud[-1] + 1) * frame]


def loudest_window(samples: np.ndarray, seconds: float = DEFAULT.window_seconds, sample_rate: int = SAMPLE_RATE) -> int:
    """Returns the index at which the `seconds` of samples (n,) with the most energy begin; 0 if n is shorter."""
    length, frame = round(seconds * sample_rate), frame_length(sample_rate)
    if len(samples) <= length:
        return 0
    steps = (len(samples) - length) // frame
    leaving, coming = (
        np.square(samples[start : start + steps * frame]).reshape(-1, frame).sum(axis=1, dtype=np.float64)
        for start in (0, length)
    )
    return int(np.argmax(np.concatenate([[0.0], np.cumsum(coming - leaving)]))) * frame


def window(samples: np.ndarray, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns the loudest window of a sound's active part, a shorter one in the middle of silence.

    samples: (n,) at preprocessing.sample_rate. Returns float32 (preprocessing.window_samples,).
    """
    active, length = active_part(samples, preprocessing), preprocessing.window_samples
    start = loudest_window(active, preprocessing.window_seconds, preprocessing.sample_rate)
    part = active[start : start + length]
    before = (length - len(part)) // 2
    return np.pad(part, (before, length - len(part) - before))


def load_window(data: bytes, preprocessing: Preprocessing = DEFAULT) -> tuple[np.ndarray, float]:
    """Returns the window of a sound file that is drawn, and how many seconds the whole sound lasts.

    Returns float32 (preprocessing.window_samples,) and a float. Raises what decode_sound and check_sound raise.
    """
    samples = load_recording(data, preprocessing)
    return window(samples, preprocessing), len(samples) / preprocessing.sample_rate


def load_recording(data: bytes, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns all samples of a sound file that passes the quality gate: float32 (n,) at preprocessing.sample_rate.

    Raises what decode_sound and check_sound raise.
    """
    samples = decode_sound(data, preprocessing.sample_rate)
    check_sound(samples, preprocessing.sample_rate)
    return samples
