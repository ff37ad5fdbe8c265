"""Pictures to test with, drawn here: no patient's picture is in the repository."""

import io

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid


def phantom(height: int = 240, width: int = 320) -> np.ndarray:
    """A gray drawing with two dark lungs, brighter to the right: uint8 (height, width)."""
    y, x = np.mgrid[0:height, 0:width]
    gray = 90 + 110 * x / width
    for centre in (0.32, 0.68):
        lung = ((x / width - centre) / 0.14) ** 2 + ((y / height - 0.5) / 0.36) ** 2
        gray = np.where(lung < 1, gray - 70 * (1 - lung), gray)
    return gray.round().astype(np.uint8)


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def dicom(stored: np.ndarray, **elements) -> bytes:
    """Stored values uint8 or uint16, (height, width) or (frames, height, width), as an uncompressed DICOM file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = stored.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = stored.tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
