"""Compressed frames to test with, each made by another encoder than the decoder where there is one."""

import struct

import imagecodecs
import numpy as np
import pydicom
from pydicom import uid
from pydicom.pixels.encoders import RLELosslessEncoder

from pictures import dicom

LOSSLESS = [
    uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL, uid.RLELossless,
]  # fmt: skip
LOSSY = [uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K]


def frame(stored: np.ndarray, syntax: str, bits: int | None = None) -> bytes:
    """Stored values uint8 or uint16 as one compressed frame of `bits` a sample, by default all that the type has."""
    bits = bits or stored.itemsize * 8
    if syntax == uid.RLELossless:
        return RLELosslessEncoder.encode(
            stored, rows=stored.shape[0], columns=stored.shape[1], number_of_frames=1,
            bits_allocated=stored.itemsize * 8, bits_stored=stored.itemsize * 8,
            samples_per_pixel=3 if stored.ndim == 3 else 1, pixel_representation=0,
            photometric_interpretation="RGB" if stored.ndim == 3 else "MONOCHROME2", planar_configuration=0,
            encoding_plugin="pydicom",
        )  # fmt: skip
    encoders = {
        uid.JPEGLossless: lambda: imagecodecs.jpeg8_encode(stored, lossless=True, predictor=5, bitspersample=bits),
        uid.JPEGLosslessSV1: lambda: imagecodecs.ljpeg_encode(stored, bitspersample=bits),  # liblj92
        uid.JPEGExtended12Bit: lambda: imagecodecs.jpeg8_encode(stored, 97, bitspersample=bits),
        uid.JPEGLSLossless: lambda: imagecodecs.jpegls_encode(stored),
        uid.JPEGLSNearLossless: lambda: imagecodecs.jpegls_encode(stored, 2),
        uid.JPEG2000Lossless: lambda: imagecodecs.jpeg2k_encode(
            stored, 0, codecformat="j2k", reversible=True, bitspersample=bits),
        uid.JPEG2000: lambda: imagecodecs.jpeg2k_encode(
            stored, 70, codecformat="j2k", reversible=False, bitspersample=bits),
    }  # fmt: skip
    return encoders.get(uid.UID(syntax), lambda: imagecodecs.htj2k_encode(stored))()  # OpenJPH


def compressed(stored: np.ndarray, syntax: str, bits: int | None = None, **elements) -> bytes:
    """A DICOM file with the stored values in one compressed frame."""
    bits = bits or stored.itemsize * 8
    return dicom(stored, syntax, frame(stored, syntax, bits), **{"BitsStored": bits, "HighBit": bits - 1} | elements)


def deflated(stored: np.ndarray, **elements) -> bytes:
    """A deflated DICOM file."""
    return dicom(stored, uid.DeflatedExplicitVRLittleEndian, **elements)


def resized(codestream: bytes, width: int, height: int) -> bytes:
    """A JPEG, JPEG-LS or JPEG 2000 codestream whose header claims another size."""
    if codestream.startswith(b"\xff\x4f"):
        return codestream[:8] + struct.pack(">II", width, height) + codestream[16:]
    at = next(at for at in range(2, len(codestream)) if codestream[at] == 0xFF and codestream[at + 1] in FRAME_MARKERS)
    return codestream[: at + 5] + struct.pack(">HH", height, width) + codestream[at + 9 :]


FRAME_MARKERS = (0xC0, 0xC1, 0xC2, 0xC3, 0xF7)


def lookup_table(descriptor, data) -> pydicom.Dataset:
    """An item of a Modality LUT or VOI LUT sequence."""
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = descriptor, data
    return table
