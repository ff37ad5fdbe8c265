"""Codestreams that Pillow does not read: JPEG of more than 8 bits, JPEG Lossless, JPEG-LS, JPEG 2000, HTJ2K and RLE.

Each is decoded by imagecodecs once its header has been read here and its size held against the limits: a header of a
hundred bytes can claim gigabytes. docs/dicom.md says why imagecodecs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tosa.errors import Damaged, UnsupportedFormat
from tosa.inputs.intensity import check_size

JPEG_2000 = b"\xff\x4f\xff\x51"  # start of codestream, then its size
LOSSLESS, JPEG_LS = 0xC3, 0xF7  # frame markers of JPEG Lossless and JPEG-LS
FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA, LOSSLESS, JPEG_LS}  # frame markers that are read, with those of lossy JPEG
OTHER_FRAMES = {0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}  # hierarchical JPEG, and arithmetic-coded JPEG Lossless
SCAN, END = b"\xff\xda", b"\xff\xd9"
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
RUN_BYTES = 256  # that the last run of an RLE segment may exceed the picture by
MAX_SEGMENTS = 15  # of an RLE frame


@dataclass(frozen=True)
class Codestream:
    """What the header of a compressed frame says. codec: 'jpeg', 'jpeg lossless', 'jpeg-ls' or 'jpeg 2000'."""

    codec: str
    width: int
    height: int
    components: int
    bits: int


def read_header(frame: bytes) -> Codestream:
    """Return what the header of a JPEG, JPEG-LS or JPEG 2000 codestream says.

    Raises Damaged where there is no such header, UnsupportedFormat on hierarchical JPEG.
    """
    if frame.startswith(JPEG_2000):
        return _read_jpeg_2000(frame)
    if not frame.startswith(b"\xff\xd8"):
        raise Damaged()
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill bytes are allowed before each marker
            at += 1
        elif marker in FRAMES:
            codec = {LOSSLESS: "jpeg lossless", JPEG_LS: "jpeg-ls"}.get(marker, "jpeg")
            height, width = int.from_bytes(frame[at + 5 : at + 7]), int.from_bytes(frame[at + 7 : at + 9])
            return Codestream(codec, width, height, frame[at + 9], frame[at + 4])
        elif marker in OTHER_FRAMES:
            raise UnsupportedFormat("This picture is a hierarchical JPEG. Export it as PNG.")
        else:
            at += 2 if marker in ALONE else 2 + max(2, int.from_bytes(frame[at + 2 : at + 4]))
    raise Damaged()


def _read_jpeg_2000(frame: bytes) -> Codestream:
    """Read the SIZ marker segment, which is always the first (ISO/IEC 15444-1, A.5.1)."""
    if len(frame) < 43:
        raise Damaged()
    right, bottom, left, top = (int.from_bytes(frame[at : at + 4]) for at in (8, 12, 16, 20))
    components = int.from_bytes(frame[40:42])
    return Codestream("jpeg 2000", right - left, bottom - top, components, (frame[42] & 0x7F) + 1)


def check_codestream(header: Codestream) -> None:
    """Raise PictureTooLarge past the limits, UnsupportedFormat on more than 16 bits a sample."""
    check_size(header.width, header.height, header.components * ((header.bits + 7) // 8))
    if header.bits > 16:
        raise UnsupportedFormat(f"This picture has {header.bits} bits a sample. Tosa reads up to 16; export it as PNG.")


def decode_codestream(frame: bytes) -> np.ndarray:
    """Decode a JPEG, JPEG-LS or JPEG 2000 codestream of up to 16 bits: (height, width) or (height, width, samples).

    Raises Damaged where it is cut off, or what imagecodecs raises.
    """
    import imagecodecs  # here, since few files need it

    header = read_header(frame)
    if header.codec == "jpeg 2000":
        return imagecodecs.jpeg2k_decode(frame)
    if frame.find(END, frame.rfind(SCAN)) < 0:  # libjpeg would fill up what is cut off, and CharLS search for long
        raise Damaged()
    if header.codec == "jpeg-ls":
        return imagecodecs.jpegls_decode(frame)
    raw = "RGB" if header.components == 3 and header.codec == "jpeg lossless" else None  # whatever its colours are
    return imagecodecs.jpeg8_decode(frame, colorspace=raw, outcolorspace=raw)


def is_rle(frame: bytes) -> bool:
    """Whether a frame begins with the header of DICOM's RLE: the number of segments, of which the first is at 64."""
    return len(frame) >= 64 and 0 < int.from_bytes(frame[:4], "little") <= MAX_SEGMENTS and frame[4:8] == b"\x40\0\0\0"


def decode_rle(frame: bytes, pixels: int, samples: int, sample_bytes: int) -> bytes:
    """Decode an RLE frame: the samples' planes one after the other, little-endian.

    Each byte of each sample is a segment of its own, the most significant first (DICOM PS3.5, annex G). Raises Damaged
    where there are fewer or more segments than that, or one decodes to less than the picture or to much more.
    """
    import imagecodecs

    offsets = np.frombuffer(frame[:64], "<u4")
    if len(offsets) < 16 or offsets[0] != samples * sample_bytes or offsets[0] > MAX_SEGMENTS:
        raise Damaged()
    starts = offsets[1 : offsets[0] + 1]
    ends = [*starts[1:], len(frame)]
    planes = np.empty((samples, sample_bytes, pixels), np.uint8)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        segment = imagecodecs.packbits_decode(frame[start:end], out=pixels + RUN_BYTES)
        if len(segment) < pixels:
            raise Damaged()
        sample, byte = divmod(number, sample_bytes)
        planes[sample, sample_bytes - 1 - byte] = np.frombuffer(segment, np.uint8, pixels)
    return planes.transpose(0, 2, 1).tobytes()
