"""Compressed DICOM frames -> stored values: the codec is found by content, the decoder is a plugin of pydicom's.

A frame's own header can claim another size than the DICOM header. Both are compared before a decoder allocates
anything. pydicom undoes what differs in colour and sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom import uid
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

from tosa.errors import Damaged
from tosa.inputs.codestream import (
    JPEG_2000,
    Codestream,
    check_codestream,
    decode_codestream,
    decode_rle,
    is_rle,
    read_header,
)

PLUGIN = "tosa"
JPEG_SYNTAXES = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
JPEG_LS_SYNTAXES = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
JPEG_2000_SYNTAXES = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
SYNTAXES = (*JPEG_SYNTAXES, *JPEG_LS_SYNTAXES, *JPEG_2000_SYNTAXES, uid.RLELossless)
LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K)
DECODER_DEPENDENCIES = dict.fromkeys(SYNTAXES, ("imagecodecs",))  # pydicom asks for this name

JP2 = b"\0\0\0\x0cjP  "  # how a JPEG 2000 file begins; a DICOM file should hold its codestream alone


def decode_compressed(dataset: FileDataset) -> tuple[np.ndarray, int]:
    """Decode the one frame of a compressed dataset.

    Returns the pixels as pydicom does, (height, width) or (height, width, 3), and how many bits a sample has in the
    frame. Raises Damaged, PictureTooLarge, UnsupportedFormat, or what pydicom and the decoders raise on bad data.
    """
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    syntax = dataset.file_meta.TransferSyntaxUID
    bits = int(dataset.BitsAllocated)
    if is_rle(frame):
        dataset.file_meta.TransferSyntaxUID = syntax = uid.RLELossless
    else:
        frame = _codestream(frame)
        header = read_header(frame)
        _check_header(header, dataset)
        syntax, bits = _syntax(header, syntax), header.bits
        dataset.PixelData = encapsulate([frame])
        dataset.file_meta.TransferSyntaxUID = syntax
    decoder = get_decoder(syntax)
    if PLUGIN not in decoder.available_plugins:
        decoder.add_plugin(PLUGIN, (__name__, "decode_frame"))
    plugin = "pillow" if syntax == uid.JPEGBaseline8Bit else PLUGIN
    options: Any = {"correct_unused_bits": False}
    pixels, _ = decoder.as_array(dataset, index=0, decoding_plugin=plugin, **options)
    return pixels, bits


def _codestream(frame: bytes) -> bytes:
    """The codestream of a frame, out of the JP2 file that some writers put around it."""
    if not frame.startswith(JP2):
        return frame
    start = frame.find(JPEG_2000)
    if start < 0:
        raise Damaged()
    return frame[start:]


def _check_header(header: Codestream, dataset: FileDataset) -> None:
    """Raise unless the frame has the size that the DICOM header says, which was checked, and a depth that is read."""
    said = int(dataset.Columns), int(dataset.Rows), int(dataset.SamplesPerPixel)
    if (header.width, header.height, header.components) != said:
        raise Damaged(
            f"The DICOM header says {said[0]} x {said[1]} pixels of {said[2]} samples, the compressed picture in it "
            f"{header.width} x {header.height} of {header.components}. Export it again."
        )
    check_codestream(header)


def _syntax(header: Codestream, said: uid.UID) -> uid.UID:
    """The transfer syntax that fits the codestream, which is not always the one that the file names."""
    if header.codec == "jpeg":
        return uid.JPEGBaseline8Bit if header.bits == 8 else uid.JPEGExtended12Bit
    fitting = {"jpeg lossless": JPEG_SYNTAXES[2:], "jpeg-ls": JPEG_LS_SYNTAXES, "jpeg 2000": JPEG_2000_SYNTAXES}
    syntaxes = fitting[header.codec]
    return said if said in syntaxes else syntaxes[0]


def is_available(_syntax: str) -> bool:
    """Whether pydicom may use this plugin: imagecodecs is a requirement."""
    return True


def decode_frame(frame: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame for pydicom: little-endian samples, pixel by pixel; RLE plane by plane.

    The caller has checked the header. Sets in runner what the result differs in from the DICOM header.
    """
    if runner.transfer_syntax == uid.RLELossless:
        runner.set_option("planar_configuration", 1)
        return decode_rle(frame, runner.rows * runner.columns, runner.samples_per_pixel, runner.bits_allocated // 8)
    pixels = decode_codestream(frame)
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", pixels.itemsize * 8)
    if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):  # OpenJPEG undoes these
        runner.set_option("photometric_interpretation", "RGB")
    return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
