"""Sound files to blocks of samples: libsndfile reads what it can, FFmpeg what libsndfile refuses.

Both readers yield (block, rate): float32 (n, channels), nominally in [-1, 1], and Hz. Both raise Unreadable on what
they cannot read, and SoundTooLong where the header says so.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
import soundfile

from tosa import settings
from tosa.errors import SoundTooLong, UnsupportedFormat

Blocks = Iterator[tuple[np.ndarray, int]]
BLOCK = 65_536  # samples of all channels decoded at a time
MAX_TRAILING_BYTES = 4096  # after the data chunk of a WAV file, where some programs append what is no chunk
PADDING = 1.0  # seconds by which a header may exceed the limit, since some count what a codec adds
SNDFILE_FORMATS = {"wav", "w64", "aiff", "caf", "au", "flac", "ogg", "mp3"}
# A kilobyte of these can hold hours, so the length in their headers is believed. Of the others it is an estimate.
TELLING_FORMATS = {"FLAC", "OGG", "matroska", "mov", "flac", "ogg", "asf"}
CODECS = frozenset(
    "aac aac_latm ac3 adpcm_ima_qt adpcm_ima_wav adpcm_ms adpcm_yamaha alac amrnb amrwb eac3 flac g722 g723_1 g726 "
    "g726le gsm gsm_ms ilbc mp1 mp1float mp2 mp2float mp3 mp3float opus libopus qcelp speex truespeech vorbis wmav1 "
    "wmav2 wmapro wmalossless wmavoice".split()
)  # as FFmpeg names its decoders; beside these every pcm_... is used
PREFERRED = {"amrnb": "libopencore_amrnb", "amrwb": "libopencore_amrwb"}  # FFmpeg's own refuse some valid frames
BAD_PACKETS, BAD_SHARE = 2, 0.1  # that a file may have; players skip them too


class Unreadable(Exception):
    """A reader cannot make sense of the file."""


class NoSamples(Unreadable):
    """A reader found no sample in the file."""


def readers(data: bytes, name: str) -> list[Callable[[bytes, str], Blocks]]:
    """Returns the readers to try one after the other on a file of the format `name` of sound_format."""
    if name not in SNDFILE_FORMATS:
        return [ffmpeg_blocks]
    if name == "flac" and not int.from_bytes(data[21:26]) & 0xF_FFFF_FFFF:  # from a pipe: its length is not known
        return [ffmpeg_blocks]
    if name == "wav" and not _wav_has_block_size(data):  # FFmpeg would guess it and make noise
        return [sndfile_blocks]
    if name == "wav" and not _wav_size_is_credible(data):
        return [ffmpeg_blocks]
    return [sndfile_blocks, ffmpeg_blocks]


def sndfile_blocks(data: bytes, _name: str) -> Blocks:
    """Yields what libsndfile reads. Raises Unreadable if it refuses the file or finds no sample in it."""
    count = 0
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            if sound.format in TELLING_FORMATS:
                check_length(sound.frames / sound.samplerate - PADDING)
            # Not sound.blocks(), which believes the header: past the end of a cut file it yields what memory holds.
            while len(block := sound.read(BLOCK // sound.channels + 1, dtype="float32", always_2d=True)):
                count += len(block)
                yield block, sound.samplerate
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise Unreadable from error
    if not count:
        raise NoSamples


def ffmpeg_blocks(data: bytes, name: str) -> Blocks:
    """Yields the first sound track that FFmpeg finds in a file of the format `name` of sound_format.

    Only that demuxer and the decoders in CODECS are used; no demuxer is probed for, since some open other files.
    Raises Unreadable, and UnsupportedFormat for a codec that is not read or a file without a sound track.
    """
    import av  # here, since it takes long to import and most files do without

    count = 0
    options = {"ignore_length": "1"} if name == "wav" and not _wav_size_is_credible(data) else {}
    try:
        with av.open(io.BytesIO(data), format=name, container_options=options) as container:
            track = _sound_track(container)
            if name in TELLING_FORMATS and track.container.duration:  # microseconds; below 0 where it is not known
                check_length(track.container.duration / 1e6 - PADDING)
            for block, rate in _regrouped(_frames(container, track)):
                count += len(block)
                yield block, rate
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable from error
    if not count:
        raise NoSamples


def _sound_track(container: Any) -> Any:
    """The first sound track. Raises UnsupportedFormat if there is none or its codec is not in CODECS."""
    name = container.format.long_name.split(" / ")[0]
    if not container.streams.audio:
        raise UnsupportedFormat(f"This file ({name}) holds no sound track. Send one that does.")
    track = container.streams.audio[0]
    codec = track.codec_context.name if track.codec_context else "an unknown codec"
    if codec not in CODECS and not codec.startswith("pcm_"):
        raise UnsupportedFormat(
            f"The sound in this file ({name}) is encoded with {codec}, which Tosa does not read. Send it as WAV or MP3."
        )
    return track


def _frames(container: Any, track: Any) -> Iterator[Any]:
    """Yield the track's frames, skipping packets that cannot be decoded. Raises Unreadable if there are many."""
    import av

    decoder, bad = track.codec_context, 0
    if preferred := PREFERRED.get(decoder.name):
        decoder = _preferred_decoder(preferred, decoder)
    for packets, packet in enumerate(container.demux(track), start=1):
        try:
            yield from decoder.decode(packet)
        except av.EOFError:
            return
        except av.FFmpegError as error:
            bad += 1
            if bad > BAD_PACKETS + BAD_SHARE * packets:
                raise Unreadable(f"{bad} of {packets} packets are damaged") from error


def _preferred_decoder(name: str, given: Any) -> Any:
    import av

    try:
        decoder: Any = av.CodecContext.create(name, "r")
    except ValueError:  # FFmpeg was built without it
        return given
    decoder.sample_rate, decoder.layout = given.sample_rate, given.layout
    return decoder


def _regrouped(frames: Iterable[Any]) -> Blocks:
    """Frames last 20 ms, and their format may change on the way: yield blocks of up to BLOCK samples."""
    import av

    resampler: Any = None
    made_for = None
    for frame in frames:
        if (frame.format.name, frame.layout.name, frame.sample_rate) != made_for:
            if resampler:
                yield from _arrays(resampler.resample(None))
            made_for = frame.format.name, frame.layout.name, frame.sample_rate
            resampler = av.AudioResampler(format="flt", frame_size=BLOCK // frame.layout.nb_channels + 1)
        frame.pts = None  # gaps in time stamps do not matter here
        yield from _arrays(resampler.resample(frame))
    if resampler:
        yield from _arrays(resampler.resample(None))


def _arrays(frames: Iterable[Any]) -> Blocks:
    for frame in frames:
        if frame is not None and frame.samples:
            yield frame.to_ndarray().reshape(-1, frame.layout.nb_channels), frame.sample_rate


def check_length(seconds: float) -> None:
    """Raises SoundTooLong past settings.MAX_SOUND_SECONDS."""
    if seconds > settings.MAX_SOUND_SECONDS + 1e-6:  # which adding up may be off
        raise SoundTooLong()


def _wav_size_is_credible(data: bytes) -> bool:
    """Whether the data chunk of a WAV file has a size, and another chunk follows it or little is left over.

    A recorder that crashes leaves the sizes at 0 or at what they were when it last wrote them.
    """
    start, size = _wav_chunk(data, b"data")
    if data[:4] in (b"RF64", b"BW64") and size == 2**32 - 1:  # then the size is in another chunk
        sizes, _ = _wav_chunk(data, b"ds64")
        size = int.from_bytes(data[sizes + 8 : sizes + 16], "little")
    end = start + size
    chunk_follows = any(data[at : at + 4].strip().isalnum() for at in (end, end + 1))
    return size > 0 and (len(data) - end <= MAX_TRAILING_BYTES or chunk_follows)


def _wav_has_block_size(data: bytes) -> bool:
    start, size = _wav_chunk(data, b"fmt ")
    return size < 14 or data[start + 12 : start + 14] != b"\0\0"


def padded_wav(data: bytes) -> bytes:
    """Returns a WAV file with the byte that belongs after a chunk of odd length and that some programs leave out.

    The file is returned as it is where that does not lead to its data chunk.
    """
    at, parts = 12, [data[:12]]
    if data[:4] not in (b"RIFF", b"RIFX") or _wav_chunk(data, b"data")[0] < len(data):
        return data
    while at + 8 <= len(data) and data[at : at + 4] != b"data":
        size = int.from_bytes(data[at + 4 : at + 8], "big" if data[:4] == b"RIFX" else "little")
        is_padded = size % 2 and data[at + 8 + size : at + 9 + size] == b"\0"
        end = at + 8 + size + bool(is_padded)
        parts += [data[at:end], b"\0" * (size % 2 and not is_padded)]
        at = end
    return b"".join([*parts, data[at:]]) if at + 8 <= len(data) else data


def _wav_chunk(data: bytes, name: bytes) -> tuple[int, int]:
    """Where the content of a WAV file's chunk begins, and its size in bytes; the end of the file and 0 without one."""
    order: Literal["big", "little"] = "big" if data[:4] == b"RIFX" else "little"
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], order)
        if data[at : at + 4] == name:
            return at + 8, size
        at += 8 + size + size % 2
    return len(data), 0
