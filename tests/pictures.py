"""Pictures to test with, drawn here: no patient's picture is in the repository."""

import io
import struct
import zlib

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid


def phantom(height: int = 240, width: int = 320) -> np.ndarray:
    """A gray drawing with two dark lungs, brighter to the right: uint8 (height, width)."""
    y, x = np.mgrid[0:height, 0:width]
    gray = 90 + 110 * x / width
    for centre in (0.32, 0.68):
        lung = ((x / width - centre) / 0.14) ** 2 + ((y / height - 0.5) / 0.36) ** 2
        gray = np.where(lung < 1, gray - 70 * (1 - lung), gray)
    return gray.round().astype(np.uint8)


def rgb(gray: np.ndarray) -> np.ndarray:
    """Gray (height, width) as three channels: (height, width, 3)."""
    return np.repeat(gray[:, :, None], 3, axis=2)


def png16(samples: np.ndarray) -> bytes:
    """uint16 (height, width) or (height, width, 2 to 4) as a 16-bit PNG, of which Pillow writes gray ones only."""
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF of entries (tag, type, count, 4 bytes), which need not make sense."""
    packed = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + bytes(4)


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def dicom(stored: np.ndarray, syntax=ExplicitVRLittleEndian, frame: bytes | None = None, **elements) -> bytes:
    """Stored values uint8 or uint16 as a DICOM file, with a compressed frame in their place where one is given.

    stored: (height, width), (frames, height, width) or (height, width, 3). elements replace what they imply.
    """
    colour = stored.ndim == 3 and stored.shape[2] == 3
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = stored.shape[:2] if colour else stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PixelRepresentation, dataset.PlanarConfiguration = 3 if colour else 1, 0, 0
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = stored.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = stored.tobytes() if frame is None else encapsulate([frame])
    if frame is not None:
        dataset["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
