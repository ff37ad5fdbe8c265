"""Every kind of sound file: told by its content, and read as the same sound in plain WAV is."""

import struct

import numpy as np
import pytest

from sounds import RATE, Pipe, container, coughs, film, wav
from tosa.errors import Damaged, UnsupportedFormat
from tosa.inputs import audio, sound_formats, spectrogram

ID3 = b"ID3\x04\0\0\0\0\x02\x01" + bytes(257)  # seven bits a byte: 2 * 128 + 1 bytes
APE = b"APETAGEX" + struct.pack("<5I", 2000, 40, 0, 0xA000_0000, 0)[:16] + bytes(8) + bytes(40)
MP3 = wav(coughs(rate=44_100), 44_100, format="MP3")
AAC = container(coughs(rate=48_000), "adts", "aac")
FLAC = wav(coughs(rate=48_000), 48_000, format="FLAC")
FAST = coughs(rate=48_000)


def without_sizes(data: bytes) -> bytes:
    """A WAV file whose recorder crashed before it filled in the two sizes."""
    at = data.index(b"data") + 4
    return data[:4] + bytes(4) + data[8:at] + bytes(4) + data[at + 4 :]


def cleared(data: bytes, name: bytes, offset: int, count: int) -> bytes:
    """Zeros in place of `count` bytes that begin `offset` after a name."""
    at = data.index(name) + offset
    return data[:at] + bytes(count) + data[at + count :]


def with_size(data: bytes, size: int) -> bytes:
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


LOSSLESS = {  # name: (file, FFmpeg's name of the format)
    "wav": (wav(FAST, 48_000, subtype="PCM_24"), "wav"),
    "wav without sizes": (without_sizes(wav(FAST, 48_000, subtype="PCM_24")), "wav"),
    "wav with the sizes of its first block": (with_size(wav(FAST, 48_000, subtype="PCM_24"), 4800), "wav"),
    "wav of 4 GB": (with_size(wav(FAST, 48_000, subtype="PCM_24"), 2**32 - 1), "wav"),
    "wav from a pipe": (container(FAST, "wav", "pcm_s24le", buffer=Pipe()), "wav"),
    "wav of 64 bits": (container(FAST, "wav", "pcm_s64le"), "wav"),
    "wav of 64-bit floats": (wav(FAST, 48_000, subtype="DOUBLE"), "wav"),
    "wav behind a tag": (ID3 + wav(FAST, 48_000, subtype="PCM_24"), "wav"),
    "rf64 without sizes": (cleared(wav(FAST, 48_000, format="RF64", subtype="PCM_24"), b"ds64", 8, 24), "wav"),
    "au without a size": (cleared(wav(FAST, 48_000, format="AU", subtype="PCM_24"), b".snd", 8, 4), "au"),
    "caf without a size": (cleared(wav(FAST, 48_000, format="CAF", subtype="PCM_24"), b"data", 4, 8), "caf"),
    "rf64": (wav(FAST, 48_000, format="RF64", subtype="PCM_24"), "wav"),
    "big-endian wav": (wav(FAST, 48_000, format="WAV", subtype="PCM_24", endian="BIG"), "wav"),
    "w64": (wav(FAST, 48_000, format="W64", subtype="PCM_24"), "w64"),
    "aiff": (wav(FAST, 48_000, format="AIFF", subtype="PCM_24"), "aiff"),
    "aifc": (wav(FAST, 48_000, format="AIFF", subtype="FLOAT"), "aiff"),
    "au": (wav(FAST, 48_000, format="AU", subtype="PCM_24"), "au"),
    "little-endian au": (wav(FAST, 48_000, format="AU", subtype="PCM_24", endian="LITTLE"), "au"),
    "caf": (wav(FAST, 48_000, format="CAF", subtype="PCM_24"), "caf"),
    "caf alac": (container(FAST, "caf", "alac"), "caf"),
    "caf from a pipe": (container(FAST, "caf", "pcm_s24le", buffer=Pipe()), "caf"),
    "m4a alac": (container(FAST, "ipod", "alac"), "mov"),
    "quicktime pcm": (container(FAST, "mov", "pcm_s24be"), "mov"),
    "flac": (wav(FAST, 48_000, format="FLAC", subtype="PCM_24"), "flac"),
    "flac behind a tag": (ID3 + wav(FAST, 48_000, format="FLAC", subtype="PCM_24"), "flac"),
    "flac from a pipe": (container(FAST, "flac", "flac", buffer=Pipe()), "flac"),
    "flac in ogg": (container(FAST, "ogg", "flac"), "ogg"),
    "flac in mp4": (container(FAST, "mp4", "flac"), "mov"),
    "flac in matroska": (container(FAST, "matroska", "flac"), "matroska"),
    "floats in matroska": (container(FAST, "matroska", "pcm_f32le"), "matroska"),
}
LOSSY = {  # name: (file, FFmpeg's name, the rate of its sound, how much alike the pictures are at least)
    "mp3": (MP3, "mp3", 44_100, 0.97),
    "mp3 behind zeros": (bytes(2000) + MP3, "mp3", 44_100, 0.97),
    "mp3 behind two tags": (ID3 + APE + MP3, "mp3", 44_100, 0.97),
    "mp3 behind a tag and zeros": (ID3 + bytes(3000) + MP3, "mp3", 44_100, 0.97),
    "mp3 from the middle of a frame": (MP3[300:], "mp3", 44_100, 0.97),
    "mp2": (container(FAST, "mp2", "mp2"), "mp3", 48_000, 0.97),
    "mp3 in wav": (container(FAST, "wav", "libmp3lame"), "wav", 48_000, 0.9),
    "mp3 in mp4": (container(FAST, "mp4", "libmp3lame"), "mov", 48_000, 0.9),
    "aac": (AAC, "aac", 48_000, 0.9),
    "aac behind a tag": (ID3 + AAC, "aac", 48_000, 0.9),
    "aac from the middle of a frame": (AAC[200:], "aac", 48_000, 0.9),
    "aac in mp4": (container(FAST, "mp4", "aac"), "mov", 48_000, 0.9),
    "aac with a film": (film("mp4", "mpeg4", FAST), "mov", 48_000, 0.9),
    "opus with a film": (film("webm", "libvpx", FAST, "libopus"), "matroska", 48_000, 0.9),
    "opus in mp4": (container(FAST, "mp4", "libopus"), "mov", 48_000, 0.9),
    "opus in ogg": (wav(FAST, 48_000, format="OGG", subtype="OPUS"), "ogg", 48_000, 0.9),
    "wma": (container(FAST, "asf", "wmav2", bit_rate=128_000), "asf", 48_000, 0.9),
    "wma 1": (container(FAST, "asf", "wmav1", bit_rate=128_000), "asf", 48_000, 0.9),
    "amr": (container(coughs(rate=8_000), "amr", "libopencore_amrnb", 8_000), "amr", 8_000, 0.75),
    "amr in 3gp": (container(coughs(rate=8_000), "3gp", "libopencore_amrnb", 8_000), "mov", 8_000, 0.75),
    "g.722 in wav": (container(coughs(rate=16_000), "wav", "g722", 16_000), "wav", 16_000, 0.97),
    "g.726 in wav": (container(coughs(rate=8_000), "wav", "g726", 8_000), "wav", 8_000, 0.9),
    "g.723 in wav": (container(coughs(rate=8_000), "wav", "g723_1", 8_000, bit_rate=6300), "wav", 8_000, 0.75),
    "yamaha's adpcm in wav": (container(FAST, "wav", "adpcm_yamaha"), "wav", 48_000, 0.9),
    "microsoft's adpcm in wav": (wav(FAST, 48_000, subtype="MS_ADPCM"), "wav", 48_000, 0.9),
    "gsm in wav": (wav(coughs(rate=8_000), 8_000, subtype="GSM610"), "wav", 8_000, 0.8),
    "a-law in aiff": (wav(FAST, 48_000, format="AIFF", subtype="ALAW"), "aiff", 48_000, 0.95),
    "adpcm in quicktime": (container(FAST, "mov", "adpcm_ima_qt"), "mov", 48_000, 0.9),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_give_the_samples_of_plain_wav(name):
    data, format_name = LOSSLESS[name]
    assert sound_formats.sound_format(data) == format_name
    samples, wanted = audio.decode_sound(data), audio.decode_sound(wav(FAST, 48_000, subtype="PCM_24"))
    np.testing.assert_allclose(samples[: len(wanted)], wanted, atol=4e-5)
    assert len(samples) - len(wanted) < RATE / 10


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_files_give_the_picture_of_plain_wav(name):
    data, format_name, rate, alike = LOSSY[name]
    assert sound_formats.sound_format(data) == format_name
    assert likeness(audio.decode_sound(data), audio.decode_sound(wav(coughs(rate=rate), rate))) > alike


def likeness(samples: np.ndarray, wanted: np.ndarray) -> float:
    """The correlation of the pictures at the best shift in time, since codecs delay, of what is above -40 dB."""
    one, other = (np.maximum(spectrogram.log_mel(each), -40) for each in (samples, wanted))
    return max(np.corrcoef(one[:, shift : shift + 150].ravel(), other[:, 40:190].ravel())[0, 1] for shift in range(65))


UNREAD = {
    "WavPack": container(FAST, "wv", "wavpack"),
    "MPEG transport stream": container(FAST, "mpegts", "aac"),
    "True Audio": container(FAST, "tta", "tta"),
    "AC-3": container(FAST, "ac3", "ac3"),
    "AVI video": container(FAST, "avi", "libmp3lame"),
    "Flash video": container(FAST, "flv", "aac"),
    "VOC": wav(FAST, 48_000, format="VOC"),
    "NIST SPHERE": wav(FAST, 48_000, format="NIST"),
    "MIDI": b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + bytes(99),
}


@pytest.mark.parametrize("name", UNREAD)
def test_formats_that_are_not_read_are_named(name):
    assert sound_formats.sound_format(UNREAD[name]) is None
    with pytest.raises(UnsupportedFormat, match=f"does not read {name}"):
        audio.decode_sound(UNREAD[name])


@pytest.mark.parametrize(
    "data, named",
    [(container(FAST, "matroska", "tta"), "Matroska.*tta"), (film("mp4", "mpeg4"), "QuickTime.*no sound track")],
)
def test_codecs_that_are_not_read_are_named(data, named):
    with pytest.raises(UnsupportedFormat, match=named):
        audio.decode_sound(data)


NO_SOUND = {
    "nothing": b"",
    "zeros": bytes(5000),
    "text in UTF-16": "﻿Text, and more of it.".encode("utf-16"),
    "text": b"hello " * 999,
    "noise": np.random.default_rng(0).bytes(100_000),
    "an iPhone's photo": b"\0\0\0\x24ftypheic" + bytes(99),
    "WebP": b"RIFF\0\0\0\0WEBPVP8 " + bytes(99),
    "an archive with an MP3 file": b"PK\x03\x04" + bytes(26) + np.random.default_rng(1).bytes(9000) + MP3,
}


@pytest.mark.parametrize("name", NO_SOUND)
def test_other_files_are_no_sound(name):
    assert sound_formats.sound_format(NO_SOUND[name]) is None


def test_what_both_readers_refuse_is_damaged():
    with pytest.raises(Damaged):
        audio.decode_sound(FLAC[:60])
    with pytest.raises(Damaged):
        audio.decode_sound(ID3 + np.random.default_rng(0).bytes(9000))


def test_damaged_packets_are_skipped():
    opus = bytearray(container(FAST, "webm", "libopus"))
    opus[len(opus) // 2 : len(opus) // 2 + 40] = bytes(40)
    assert len(audio.decode_sound(bytes(opus))) > 1.8 * RATE


def test_channels_of_every_reader_count():
    """Out of phase, in what libsndfile reads and in what FFmpeg reads."""
    opposite = np.stack([FAST, -FAST], axis=1)
    wanted = audio.decode_sound(wav(FAST, 48_000, subtype="PCM_24"))
    for data in (wav(opposite, 48_000, subtype="PCM_24"), without_sizes(wav(opposite, 48_000, subtype="PCM_24"))):
        samples = audio.decode_sound(data)
        np.testing.assert_allclose(samples * np.sign(samples @ wanted), wanted, atol=4e-5)


def test_what_soundfile_writes_with_a_signature_is_read_or_named():
    for name in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3", "VOC", "NIST"):
        data = wav(FAST, 48_000, format=name)
        assert bool(sound_formats.sound_format(data)) != bool(sound_formats.unread_sound_format(data)), name


def test_a_chunk_of_odd_length_without_the_byte_that_fills_it_up():
    plain = wav(coughs(), subtype="PCM_16")
    for text in (b"\x05\0\0\0hello", b"\x05\0\0\0hello\0"):
        np.testing.assert_array_equal(
            audio.decode_sound(plain[:12] + b"note" + text + plain[12:]), audio.decode_sound(plain)
        )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_recorder_that_crashed_after_it_last_wrote_the_size(share):
    plain = wav(coughs(), subtype="PCM_16")
    size = int((len(plain) - 44) * share) // 2 * 2
    cut = plain[:40] + struct.pack("<I", size) + plain[44:]
    np.testing.assert_array_equal(audio.decode_sound(cut), audio.decode_sound(plain))
