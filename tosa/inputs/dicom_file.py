"""DICOM files -> datasets, also where the preamble, the meta header or the transfer syntax is missing."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

from pydicom import uid
from pydicom.dataset import FileDataset
from pydicom.filereader import _read_file_meta_info, read_dataset  # the public one reads from files only

from tosa import settings
from tosa.errors import Damaged, MissingElement, NoPicture, PictureTooLarge, UnsupportedFormat
from tosa.inputs.dicom_signature import start_of_elements

MAX_HEADER_BYTES = 2**20  # of what a deflated file holds beside its pixels
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
PIXEL_GROUP, PIXEL_TAGS = 0x7FE0, (0x7FE00008, 0x7FE00009, 0x7FE00010)  # these are PIXELS
REQUIRED = (
    "Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel",
    "PhotometricInterpretation",
)  # fmt: skip
COMMON = ("SOPClassUID", "SOPInstanceUID", "Modality", "PatientID", "PatientName", "StudyInstanceUID", "Rows")
ITEM_TAG = b"\xfe\xff\x00\xe0"
PIXEL_TAG, BIG_PIXEL_TAG = b"\xe0\x7f\x10\0", b"\x7f\xe0\0\x10"
NAMES: dict[str, str] = {
    uid.MediaStorageDirectoryStorage: "a DICOMDIR, the index of a disc",
    uid.EncapsulatedPDFStorage: "a PDF document",
}


def read(data: bytes) -> FileDataset:
    """Read a DICOM file's elements; what the file does not say of its transfer syntax is guessed from its content.

    Raises UnsupportedFormat where the elements make no sense, PictureTooLarge where a deflated file inflates past the
    limits, Damaged where the file is cut off, or what pydicom raises on damaged files.
    """
    file = io.BytesIO(data)
    file.seek(start_of_elements(data))
    meta = _read_file_meta_info(file)
    syntax = meta.get("TransferSyntaxUID") or None
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        file = io.BytesIO(_inflated(file.read()))
    implicit, little = _encoding(file, syntax)
    elements = read_dataset(file, implicit, little, stop_when=_after_pixels())
    dataset = FileDataset("", elements, file_meta=meta, is_implicit_VR=implicit, is_little_endian=little)
    dataset.set_original_encoding(implicit, little, elements._character_set)
    if _lost_pixels(dataset, file.getvalue(), little):
        raise Damaged()
    if not start_of_elements(data) and not any(name in dataset for name in COMMON):
        raise UnsupportedFormat()
    known = syntax is not None and syntax.is_transfer_syntax
    if "PixelData" in dataset and (not syntax or (known and syntax.is_encapsulated != _is_encapsulated(dataset))):
        meta.TransferSyntaxUID = _guessed_syntax(dataset, implicit, little)
    return dataset


def _after_pixels() -> Callable[[int, str | None, int], bool]:
    """What tells pydicom to stop after the pixels: it takes a minute to read 60 MB of zeros as empty elements."""
    seen = False

    def stop(tag: int, _vr: str | None, _length: int) -> bool:
        nonlocal seen
        stops = seen and tag >> 16 != PIXEL_GROUP
        seen = seen or tag in PIXEL_TAGS
        return stops

    return stop


def _lost_pixels(dataset: FileDataset, data: bytes, little: bool) -> bool:
    """Whether the file is cut off within its pixels: pydicom leaves out an element without end, or all before it too.

    Pixels may also be those of an icon in a sequence.
    """
    cut = "PixelData" not in dataset and ("Rows" in dataset or not len(dataset))
    return cut and (PIXEL_TAG if little else BIG_PIXEL_TAG) in data


def _inflated(data: bytes) -> bytes:
    """Inflate what follows the meta header. Raises PictureTooLarge past what a picture may take."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data, settings.MAX_DECODED_BYTES + MAX_HEADER_BYTES)
    if inflater.unconsumed_tail:
        raise PictureTooLarge()
    if not inflater.eof:
        raise Damaged()
    return inflated


def _encoding(file: io.BytesIO, syntax: uid.UID | None) -> tuple[bool, bool]:
    """Whether elements come without their types (implicit VR), and whether the low byte comes first."""
    if syntax and syntax.is_transfer_syntax:
        return syntax.is_implicit_VR, syntax.is_little_endian
    first = file.read(6)
    file.seek(-len(first), io.SEEK_CUR)
    return not first[4:6].isupper(), first[:2] not in (b"\0\x08", b"\0\x02")


def _is_encapsulated(dataset: FileDataset) -> bool:
    """Whether the pixels come in items, as compressed ones do, whatever the transfer syntax says of them."""
    return dataset["PixelData"].is_undefined_length or bytes(dataset.PixelData[:4]) == ITEM_TAG


def _guessed_syntax(dataset: FileDataset, implicit: bool, little: bool) -> uid.UID:
    """The transfer syntax of a file that names none, or one that its pixels do not have."""
    if _is_encapsulated(dataset):
        return uid.JPEGBaseline8Bit  # one of the compressed; the frame itself says which
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def check_holds_picture(dataset: FileDataset) -> None:
    """Raise NoPicture where the file holds no picture, MissingElement where one that describes it is missing."""
    if not any(name in dataset for name in PIXELS):
        raise NoPicture(f"This DICOM file holds no picture: it {_kind(dataset)}.")
    if "PixelData" not in dataset:
        raise UnsupportedFormat("This DICOM file stores floating-point pixels, which Tosa does not read. Export PNG.")
    for name in REQUIRED:
        if dataset.get(name) in (None, ""):
            raise MissingElement(f"The DICOM element {name} is missing, so the picture cannot be read.")


def _kind(dataset: FileDataset) -> str:
    """What a file without pixels is, for a sentence."""
    said = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or ""
    if said in NAMES:
        return f"is {NAMES[said]}. Send the X-ray itself"
    name = uid.UID(said).name
    if "Rows" in dataset or "Image" in name or name == said:  # a picture's class, or one that pydicom does not know
        return "lacks the element PixelData, so it may be cut off. Export it again"
    return f"is of the class {name}. Send the X-ray itself"
