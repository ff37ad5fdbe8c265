"""Sounds to test with, made here: no recording is in the repository."""

import io

import av
import numpy as np
import soundfile

RATE = 22_050


def coughs(seconds: float = 2.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Bursts of noise with a sudden onset and a decay, as coughs have: float32 (seconds * rate,), peak 0.5."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    envelope = sum(np.where(time >= start, np.exp(-(time - start) * 14), 0) for start in np.arange(0.2, seconds, 0.6))
    sound = rng.normal(size=len(time)) * envelope
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def wav(
    samples: np.ndarray, rate: int = RATE, format: str = "WAV", subtype: str | None = None, endian: str | None = None
) -> bytes:
    """Samples (n,) or (n, channels) as a file of any format that libsndfile writes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format, subtype=subtype, endian=endian)
    return buffer.getvalue()


class Pipe(io.BytesIO):
    """Where a program writes that cannot go back to fill in a length."""

    def seekable(self):
        return False

    seek = tell = None


def container(samples: np.ndarray, format: str, codec: str, rate: int = 48_000, buffer=None, **options) -> bytes:
    """Samples (n,) at rate as FFmpeg writes them: ('webm', 'libopus'), ('mp4', 'aac'), ('adts', 'aac')..."""
    buffer = buffer or io.BytesIO()
    with av.open(buffer, "w", format=format) as out:
        track = out.add_stream(codec, rate=rate, layout="mono", **options)
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=track.format, layout="mono", rate=rate, frame_size=track.frame_size or 960)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(track.encode(part))
        out.mux([last for last in track.encode(None) if last.size or format == "flac"])
    return buffer.getvalue()


def film(format: str, codec: str, samples: np.ndarray | None = None, sound_codec: str = "aac") -> bytes:
    """A second of moving gray, with samples (n,) at 48 kHz as its sound track or without one."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format) as out:
        picture = out.add_stream(codec, rate=10, width=64, height=64, pix_fmt="yuv420p")
        sound = out.add_stream(sound_codec, rate=48_000, layout="mono") if samples is not None else None
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((96, 64), number * 20, np.uint8), format="yuv420p")
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        if sound:
            frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate = 48_000
            resampler = av.AudioResampler(format=sound.format, layout="mono", frame_size=sound.frame_size or 960)
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                out.mux(sound.encode(part))
            out.mux(sound.encode(None))
    return buffer.getvalue()
