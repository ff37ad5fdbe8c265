"""Sound: bytes -> mono samples at 22.05 kHz -> quality gate -> its active part -> mel-spectrogram picture.

The same functions draw for training and for serving, so both see the same picture of a sound.

Decibels: the 2020 proof of concept passed a power spectrogram to librosa's amplitude_to_db, which doubles every
decibel, so its 80 dB of colour held 40 dB of sound. Here decibels are true (10 log10 of power against the picture's
loudest cell) and the picture holds TOP_DB of them.
"""

import io
from functools import cache
from itertools import chain

import numpy as np
import soundfile
import soxr

from tosa import settings
from tosa.errors import Clipped, Damaged, NotFinite, SampleRate, Silence, SoundTooLong, TooShort
from tosa.inputs.colormap import MAGMA

SAMPLE_RATE = 22_050  # Hz, librosa's and the proof of concept's
N_FFT = 1024  # 46 ms: short enough to show a cough's onset
HOP_LENGTH = 184  # 8.3 ms: 2.5 s are then 299 frames, one a column of the network's picture
N_MELS = 128
F_MIN, F_MAX = 50.0, 8_000.0  # Hz; codecs differ above, so nothing above may decide
TOP_DB = 80.0  # what lies deeper under the loudest cell is drawn black
SIZE = 299  # pixels, side of the picture
WINDOW_SECONDS = 2.5  # the part of a sound that one picture shows
WINDOW_SAMPLES = round(WINDOW_SECONDS * SAMPLE_RATE)
ACTIVE_DB = 40.0  # leading and trailing frames this far under the loudest are cut away
SILENCE_DBFS = -60.0  # a sound whose loudest frame is below is silence
CLIPPED_SHARE = 0.3  # a sound with more of its samples at the rails is flat
MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz that files may have
FRAME = 441  # samples, 20 ms, for levels
BLOCK = 65_536  # frames decoded at a time
BLOCK_FRAMES = 16  # spectra calculated at a time: they stay in the core's cache
BAND_GROUP = 16  # mel bands summed up at a time
PADDING = 1.0  # seconds by which a header may exceed the limit, since some count what a codec adds
PICTURE_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}  # no MP4
SHRINKING = ("FLAC", "OGG")  # a kilobyte can hold hours, so what their headers say is believed; MP3's tell it wrongly


def decode(data: bytes) -> np.ndarray:
    """Decode a sound file to mono samples.

    data: WAV, FLAC, OGG, MP3, WebM/Opus, MP4/AAC or raw AAC, told apart by content.
    Returns float32 (n,), nominally in [-1, 1], at SAMPLE_RATE.
    Raises Damaged where it cannot be decoded, SampleRate, NotFinite, SoundTooLong past settings.MAX_SOUND_SECONDS.
    """
    format = _ffmpeg_format(data)
    return _resampled(_blocks_ffmpeg(data, format) if format else _blocks_sndfile(data))


def recognises(data: bytes) -> bool:
    """Whether the first bytes are those of a sound file that decode reads."""
    if data[:4] in (b"RIFF", b"RF64"):
        return data[8:12] == b"WAVE"
    mpeg = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06  # a frame of layer I to III
    return data[:4] in (b"fLaC", b"OggS") or data[:3] == b"ID3" or bool(mpeg) or _ffmpeg_format(data) is not None


def _ffmpeg_format(data: bytes) -> str | None:
    """FFmpeg's name for a file that libsndfile cannot read, None for the others."""
    if data[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if data[4:8] == b"ftyp" and data[8:12] not in PICTURE_BRANDS:
        return "mov"
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:  # ADTS: 12 bits of ones, then layer 0
        return "aac"
    if data[:4] == b"fLaC" and not int.from_bytes(data[21:26]) & 0xF_FFFF_FFFF:  # piped, so its length is not known
        return "flac"
    return None


def _blocks_sndfile(data):
    """Yield (mono float32 block, rate) of what libsndfile reads."""
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            if sound.format in SHRINKING:
                _check_length(sound.frames / sound.samplerate - PADDING)
            # Not sound.blocks(), which believes the header: past the end of a cut file it yields what memory holds.
            while len(block := sound.read(BLOCK // sound.channels + 1, dtype="float32", always_2d=True)):
                yield _mono(block), sound.samplerate
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise Damaged() from error


def _mono(block: np.ndarray) -> np.ndarray:
    """The mean of the channels of (n, channels), one after the other, since NumPy's mean of short rows is slow."""
    return sum(block.T[1:], block[:, 0]) / np.float32(block.shape[1])


def _blocks_ffmpeg(data, format):
    """Yield (mono float32 block, rate) of the first sound track FFmpeg finds in a file of this format."""
    import av  # here, since it takes long to import and WAV does without

    try:
        with av.open(io.BytesIO(data), mode="r", format=format) as container:
            track = container.streams.audio[0]
            if container.duration:  # microseconds; None or below 0 where it is not known
                _check_length(container.duration / 1e6 - PADDING)
            to_mono = av.AudioResampler(format="flt", layout="mono", frame_size=BLOCK)  # for its frames last 20 ms
            for frame in chain(container.decode(track), [None]):
                for mono in to_mono.resample(frame):
                    yield mono.to_ndarray()[0], mono.sample_rate
    except (av.FFmpegError, IndexError, OSError, ValueError) as error:
        raise Damaged() from error


def _check_length(seconds: float) -> None:
    if seconds > settings.MAX_SOUND_SECONDS:
        raise SoundTooLong()


def _resampled(blocks) -> np.ndarray:
    """Join blocks at SAMPLE_RATE, refusing as soon as they last too long, whatever the file's header claimed."""
    parts, stream, frames = [], None, 0
    for block, rate in blocks:
        if not MIN_RATE <= rate <= MAX_RATE:
            raise SampleRate()
        frames += len(block)
        _check_length(frames / rate)
        if not np.isfinite(block).all():
            raise NotFinite()
        if rate != SAMPLE_RATE:
            stream = stream or soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
            block = stream.resample_chunk(np.ascontiguousarray(block, dtype=np.float32))
        parts.append(block)
    if stream:
        parts.append(stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    if not parts:
        raise TooShort()
    return np.concatenate(parts)


def check(samples: np.ndarray) -> None:
    """The quality gate: raise TooShort, Silence, Clipped or NotFinite for samples (n,) that cannot be judged."""
    if len(samples) < settings.MIN_SOUND_SECONDS * SAMPLE_RATE:
        raise TooShort()
    if not (samples.min() >= -1e6 and samples.max() <= 1e6):  # neither is true of what is not a number
        raise NotFinite()
    centred = samples - samples.mean()
    if levels(centred).max() < 10 ** (SILENCE_DBFS / 20):
        raise Silence()
    height = np.abs(centred)
    if np.count_nonzero(height > 0.99 * height.max()) > CLIPPED_SHARE * len(samples):
        raise Clipped()


def levels(samples: np.ndarray) -> np.ndarray:
    """Root mean square of each FRAME of samples (n,), the last one padded: float32 (ceil(n / FRAME),)."""
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    return np.sqrt(np.square(padded.reshape(-1, FRAME)).mean(axis=1))


def active_part(samples: np.ndarray) -> np.ndarray:
    """Cut away the offset, and the beginning and end that are ACTIVE_DB below the loudest frame."""
    centred = samples - samples.mean()
    level = levels(centred)
    loud = np.flatnonzero(level >= level.max() * 10 ** (-ACTIVE_DB / 20))
    return centred[loud[0] * FRAME : (loud[-1] + 1) * FRAME]


def loudest_window(samples: np.ndarray, seconds: float = WINDOW_SECONDS) -> int:
    """Index of the first sample of the `seconds` of samples (n,) that hold the most energy; 0 if n is shorter."""
    length = round(seconds * SAMPLE_RATE)
    if len(samples) <= length:
        return 0
    steps = (len(samples) - length) // FRAME
    leaving, coming = (
        np.square(samples[start : start + steps * FRAME]).reshape(-1, FRAME).sum(axis=1, dtype=np.float64)
        for start in (0, length)
    )
    return int(np.argmax(np.concatenate([[0.0], np.cumsum(coming - leaving)]))) * FRAME


def window(samples: np.ndarray) -> np.ndarray:
    """The loudest WINDOW_SECONDS of a sound's active part, shorter ones in the middle of silence.

    Returns float32 (WINDOW_SAMPLES,).
    """
    active = active_part(samples)
    start = loudest_window(active)
    part = active[start : start + WINDOW_SAMPLES]
    before = (WINDOW_SAMPLES - len(part)) // 2
    return np.pad(part, (before, WINDOW_SAMPLES - len(part) - before))


@cache
def _mel_bank() -> list[tuple[slice, np.ndarray]]:
    """The bank of triangles on Slaney's mel scale that librosa.filters.mel makes (Auditory Toolbox, 1998).

    Band b rises from its edge b to edge b + 1 and falls to edge b + 2, and its area is that of a filter 2 Hz wide and
    1 high. Returns the bins and the weights, float32 (bins, BAND_GROUP), of each group of neighbouring bands.
    """
    edges = _hertz(np.linspace(_mel(F_MIN), _mel(F_MAX), N_MELS + 2))[:, None]
    bins = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    rise, fall = (bins - edges[:-2]) / np.diff(edges, axis=0)[:-1], (edges[2:] - bins) / np.diff(edges, axis=0)[1:]
    bank = (np.maximum(0, np.minimum(rise, fall)) * 2 / (edges[2:] - edges[:-2])).astype(np.float32)
    groups = []
    for weights in np.split(bank, N_MELS // BAND_GROUP):
        used = np.flatnonzero(weights.any(axis=0))
        covered = slice(used[0], used[-1] + 1)
        groups.append((covered, np.ascontiguousarray(weights[:, covered].T)))
    return groups


def _mel(hertz: float) -> float:
    """Slaney's mel scale: linear up to 1 kHz, then 27 steps for a factor of 6.4."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def _mel_power(power: np.ndarray) -> np.ndarray:
    """Power of each band from that of each bin: float32 (frames, N_FFT // 2 + 1) to (frames, N_MELS).

    Not by one matrix product: nearly all of it would be with zero, and be shared among threads that then wait for cores
    that the network is at work on. Products of few frames with a group of bands are too small for that.
    """
    return np.concatenate([power[:, bins] @ weights for bins, weights in _mel_bank()], axis=1)


@cache
def _hann() -> np.ndarray:
    """Periodic Hann window, float32 (N_FFT,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Mel-spectrogram of samples (n,) in decibels against its loudest cell.

    Returns float32 (N_MELS, 1 + n // HOP_LENGTH) in [-TOP_DB, 0]; row 0 is the lowest band.
    The same as librosa.power_to_db(librosa.feature.melspectrogram(...), ref=np.max), without its import, which takes
    a second and 130 MB.
    """
    padded = np.pad(samples.astype(np.float32), N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    power = np.empty((len(frames), N_MELS), np.float32)
    for start in range(0, len(frames), BLOCK_FRAMES):
        block = slice(start, start + BLOCK_FRAMES)
        spectra = np.fft.rfft(frames[block] * _hann(), axis=1)
        power[block] = _mel_power(np.square(spectra.real) + np.square(spectra.imag))
    power = np.maximum(power.T, 1e-10 * max(power.max(), 1e-20), order="C")
    decibels = np.log(power / power.max()) * np.float32(10 / np.log(10))  # log10 takes three times as long
    return np.maximum(decibels, np.float32(-TOP_DB))


def draw(samples: np.ndarray) -> np.ndarray:
    """Draw one window of sound as the network's picture.

    samples: (WINDOW_SAMPLES,), from `window`.
    Returns uint8 (SIZE, SIZE, 3): time to the right, 8.3 ms a column; pitch upwards; black is TOP_DB under the peak.
    """
    decibels = log_mel(samples)[::-1, :SIZE]
    rows = np.linspace(0, N_MELS - 1, SIZE)
    low = np.minimum(rows.astype(int), N_MELS - 2)
    share = (rows - low).astype(np.float32)[:, None]
    smooth = decibels[low] * (1 - share) + decibels[low + 1] * share
    return MAGMA.take((smooth * np.float32(255 / TOP_DB) + np.float32(255.5)).astype(np.uint8), axis=0)


def heard(data: bytes) -> tuple[np.ndarray, float]:
    """A sound file's bytes as the window that is drawn, and how many seconds the whole of it lasts.

    Returns float32 (WINDOW_SAMPLES,) and a float. Raises what decode and check raise.
    """
    samples = decode(data)
    check(samples)
    return window(samples), len(samples) / SAMPLE_RATE


def picture(data: bytes) -> np.ndarray:
    """A sound file's bytes as the network's picture: uint8 (SIZE, SIZE, 3). Raises what decode and check raise."""
    return draw(heard(data)[0])
