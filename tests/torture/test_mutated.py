"""Valid files of each format with bytes changed, cut, doubled and added: read, or refused as errors.py says.

`make torture` tries fifty times as many.
"""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import uid

from compression import compressed, deflated, frame, lookup_table
from hostile import flac_bomb
from pictures import dicom, encoded, phantom, png16
from running import TORTURE
from sounds import Pipe, container, coughs, film, wav
from tosa import errors, screening
from tosa.inputs import decoding, xray

SOUND = coughs(0.5)
FAST = coughs(0.5, rate=48_000)
GRAY = phantom(80, 100)
DEEP = GRAY.astype(np.uint16) * 16 + 7
IMAGE = Image.fromarray(GRAY)
FILES = {
    "wav": wav(SOUND),
    "wav float": wav(SOUND, subtype="FLOAT"),
    "wav adpcm": wav(SOUND, subtype="IMA_ADPCM"),
    "flac": wav(SOUND, format="FLAC"),
    "flac of little": flac_bomb(3, 3 * 65_535),
    "flac from a pipe": container(FAST, "flac", "flac", buffer=Pipe()),
    "ogg": wav(SOUND, format="OGG", subtype="VORBIS"),
    "ogg opus": wav(FAST, 48_000, format="OGG", subtype="OPUS"),
    "mp3": wav(SOUND, format="MP3"),
    "webm": container(FAST, "webm", "libopus"),
    "mp4": container(FAST, "mp4", "aac"),
    "aac": container(FAST, "adts", "aac"),
    "wav of two channels": wav(np.stack([SOUND, -SOUND], axis=1)),
    "wav 64 bit": container(FAST, "wav", "pcm_s64le"),
    "wav g722": container(coughs(0.5, rate=16_000), "wav", "g722", 16_000),
    "wav adpcm yamaha": container(FAST, "wav", "adpcm_yamaha"),
    "ogg flac": container(FAST, "ogg", "flac"),
    "mp3 behind zeros": bytes(300) + wav(SOUND, format="MP3"),
    "wma": container(FAST, "asf", "wmav2", bit_rate=128_000),
    "amr": container(coughs(0.5, rate=8_000), "amr", "libopencore_amrnb", 8_000),
    "amr in 3gp": container(coughs(0.5, rate=8_000), "3gp", "libopencore_amrnb", 8_000),
    "caf alac": container(FAST, "caf", "alac"),
    "aiff": wav(SOUND, format="AIFF"),
    "w64": wav(SOUND, format="W64"),
    "au": wav(SOUND, format="AU"),
    "film": film("mp4", "mpeg4", FAST),
    "png": encoded(IMAGE),
    "png 16 bit": png16(GRAY * np.uint16(257)),
    "png palette": encoded(IMAGE.convert("P")),
    "jpeg": encoded(IMAGE, "JPEG"),
    "jpeg progressive": encoded(IMAGE, "JPEG", progressive=True),
    "dicom": dicom(GRAY, WindowCenter=128, WindowWidth=200, RescaleSlope=1, RescaleIntercept=0),
    "dicom jpeg": dicom(GRAY, uid.JPEGBaseline8Bit, encoded(IMAGE, "JPEG")),
    "dicom jpeg 2000": dicom(GRAY, uid.JPEG2000Lossless, encoded(IMAGE, "JPEG2000")),
    "dicom jpeg lossless": compressed(DEEP, uid.JPEGLossless, 12),
    "dicom jpeg lossless, first order": compressed(DEEP, uid.JPEGLosslessSV1, 12),
    "dicom jpeg 12 bit": compressed(DEEP, uid.JPEGExtended12Bit, 12),
    "dicom jpeg-ls": compressed(DEEP, uid.JPEGLSLossless, 12),
    "dicom jpeg-ls lossy, in colour": compressed(np.dstack([GRAY] * 3), uid.JPEGLSNearLossless),
    "dicom jpeg 2000 12 bit": compressed(DEEP, uid.JPEG2000, 12),
    "dicom htj2k": compressed(DEEP, uid.HTJ2KLossless, 12),
    "dicom rle": compressed(DEEP, uid.RLELossless, 12),
    "dicom deflated": deflated(DEEP, BitsStored=12, HighBit=11),
    "dicom without preamble": dicom(GRAY, uid.ImplicitVRLittleEndian)[132:],
    "dicom with tables": dicom(
        DEEP,
        BitsStored=12,
        HighBit=11,
        VOILUTSequence=[lookup_table([256, 0, 16], bytes(range(256)) * 2)],
        ModalityLUTSequence=[lookup_table([256, 0, 8], bytes(range(256)))],
        PatientAge="045Y",
        ViewPosition="PA",
    ),
    "jpeg lossless": frame(DEEP, uid.JPEGLossless, 12),
    "tiff": encoded(IMAGE, "TIFF", compression="tiff_lzw"),
    "tiff 16 bit": encoded(Image.fromarray(GRAY * np.uint16(257)), "TIFF", compression="tiff_adobe_deflate"),
    "webp": encoded(IMAGE, "WEBP"),
    "webp lossless": encoded(IMAGE.convert("RGBA"), "WEBP", lossless=True),
}
EXAMPLES = (100_000 if TORTURE else 2_000) // len(FILES)


@st.composite
def changes(draw):
    """What to do to a file, in thousandths of its length, the first of which are the headers' and come more often."""
    where = st.one_of(st.integers(0, 999), st.integers(0, 60))
    what = st.sampled_from(["set", "flip", "cut", "drop", "double", "insert"])
    return draw(st.lists(st.tuples(what, where, st.integers(0, 255), st.integers(1, 32)), min_size=1, max_size=6))


def changed(data: bytes, steps) -> bytes:
    for what, where, byte, count in steps:
        at = len(data) * where // 1000
        data = {
            "set": lambda: data[:at] + bytes([byte]) * min(count, 8) + data[at + min(count, 8) :],
            "flip": lambda: data[:at] + bytes(b ^ (1 << byte % 8) for b in data[at : at + 1]) + data[at + 1 :],
            "cut": lambda: data[:at],
            "drop": lambda: data[:at] + data[at + count :],
            "double": lambda: data[: at + count] + data[at:],
            "insert": lambda: data[:at] + bytes([byte]) * count + data[at:],
        }[what]()
    return data


@pytest.mark.parametrize("name", FILES)
@given(steps=changes())
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=not TORTURE, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_is_read_or_refused(name, steps):
    data = changed(FILES[name], steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that are odd
        try:
            kind = screening.kind_of(data)
            decoded = decoding.decode_file(kind, data)
        except errors.RequestError:
            return
    assert decoded.array.shape == decoding.shape_of(kind) and np.isfinite(decoded.array).all()
    if kind == "picture":
        assert decoded.array.shape[:2] == (xray.SIZE, xray.SIZE)
