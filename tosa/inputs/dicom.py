"""DICOM: bytes -> gray or RGB pixels, as a viewer shows them before anyone touches its controls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tosa.errors import CannotJudge, CompressedDicom, MissingElement, SeveralFrames, UnsupportedFormat
from tosa.inputs.intensity import LIMITS, check_size, histogram, scaled

if TYPE_CHECKING:  # pydicom takes long to import, and PNG and JPEG do without
    from pydicom.dataset import FileDataset

NATIVE = {
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99",  # the last: deflated
}  # fmt: skip
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
MAX_PALETTE_BYTES = 2**18  # of a segmented palette, which expands to many times that
DAYS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}  # in years


@dataclass(frozen=True, eq=False)
class Picture:
    """A DICOM file's picture, uint8 (height, width) or (height, width, 3), and what the file says of it."""

    pixels: np.ndarray
    view: str = ""  # ViewPosition
    body_part: str = ""  # BodyPartExamined
    age_years: float | None = None  # PatientAge


def decode_dicom(data: bytes) -> Picture:
    """Decode a DICOM file with one picture.

    Raises CompressedDicom, SeveralFrames, NoPicture, MissingElement, UnsupportedFormat for more than 16 bits a sample,
    PictureTooLarge, NotFinite; on a damaged file Damaged or whatever pydicom does.
    """
    from tosa.inputs import dicom_file  # here, since PNG and JPEG do without pydicom

    dataset = dicom_file.read(data)
    dicom_file.check_holds_picture(dataset)
    _check_kind(dataset)
    stored = stored_values(dataset)
    return Picture(
        _shown(dataset, stored),
        _view(dataset),
        str(dataset.get("BodyPartExamined") or "").strip().upper(),
        years(str(dataset.get("PatientAge") or "")),
    )


def _view(dataset: FileDataset) -> str:
    """ViewPosition, or the meaning of ViewCodeSequence, which digital radiographs have in its place."""
    codes = dataset.get("ViewCodeSequence") or [{}]
    said = dataset.get("ViewPosition") or codes[0].get("CodeMeaning") or ""
    return str(said).strip().upper()


def years(age: str) -> float | None:
    """The years of a DICOM age such as 045Y or 010M; None for anything else."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", age.strip().upper())
    return int(match[1]) * DAYS[match[2]] if match else None


def _check_kind(dataset: FileDataset) -> None:
    """Raise unless the file holds one picture of a size, depth and compression that Tosa reads."""
    from tosa.inputs.dicom_codecs import SYNTAXES
    from tosa.inputs.dicom_grayscale import number

    frames = number(dataset, "NumberOfFrames") or 1
    if frames > 1:
        raise SeveralFrames(
            f"This DICOM file holds {frames:.0f} frames, a series or a film. Send one frontal chest X-ray."
        )
    bits, samples = int(dataset.BitsAllocated), int(dataset.SamplesPerPixel)
    if bits not in (1, 8, 16):
        raise UnsupportedFormat(f"This DICOM file has {bits} bits a sample. Tosa reads up to 16; export it as PNG.")
    check_size(int(dataset.Columns), int(dataset.Rows), samples * ((bits + 7) // 8))
    for name, most in (("Rows", 2**16), ("Columns", 2**16), ("BitsStored", bits)):
        if not 0 < int(dataset[name].value) <= most:
            raise CannotJudge(f"The DICOM element {name} is {dataset[name].value}, which is not possible here.")
    if samples > 1 and "PlanarConfiguration" not in dataset:
        dataset.PlanarConfiguration = 0
    meaning = dataset.PhotometricInterpretation
    if meaning not in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", *COLOURS):
        raise UnsupportedFormat(f"This DICOM file's colours are {meaning}, which Tosa does not read. Export it as PNG.")
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in NATIVE and syntax not in SYNTAXES:
        raise CompressedDicom(f"Tosa does not read this DICOM file's {syntax.name}. Export it uncompressed or as PNG.")


def stored_values(dataset: FileDataset) -> np.ndarray:
    """The stored values of a dataset's one picture, without what else its words hold.

    Returns (height, width) or (height, width, 3) of the type that BitsAllocated and PixelRepresentation say; colour
    comes as RGB. Samples of 1 bit come as 0 and 1.
    """
    from pydicom.pixels.decoders.base import get_decoder

    from tosa.inputs import dicom_codecs

    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in dicom_codecs.SYNTAXES:
        pixels, bits = dicom_codecs.decode_compressed(dataset)
    else:
        options: Any = {"correct_unused_bits": False}
        pixels, _ = get_decoder(syntax).as_array(dataset, index=0, **options)
        bits = int(dataset.BitsAllocated)
    if dataset.BitsAllocated == 1:
        return pixels
    lossy = dataset.file_meta.TransferSyntaxUID in dicom_codecs.LOSSY
    return _within_bits_stored(pixels, dataset, bits, lossy)


def _within_bits_stored(pixels: np.ndarray, dataset: FileDataset, frame_bits: int, lossy: bool) -> np.ndarray:
    """Samples at the lowest bits of their words, without overlays and whatever else the other bits hold.

    Old files keep 12 bits at the top of 16 (High Bit 15), or an overlay above them (PS3.5, 8.1.1). frame_bits: of a
    sample in the compressed frame, which has no room above. Lossy compression keeps no overlay, but overshoots: there
    values are clipped, since a bit that is cut off would turn white into black.
    """
    allocated, bits = pixels.itemsize * 8, int(dataset.BitsStored)
    high = int(dataset.get("HighBit") or bits - 1)
    if not bits - 1 <= high < allocated:
        high = bits - 1
    high = min(high, frame_bits - 1)
    bits = min(bits, high + 1)
    if (high, bits) == (allocated - 1, allocated):
        return pixels
    if lossy:
        lowest = -(2 ** (bits - 1)) if pixels.dtype.kind == "i" else 0
        return pixels.clip(lowest, lowest + 2**bits - 1)
    return pixels << allocated - 1 - high >> allocated - bits


def _shown(dataset: FileDataset, pixels: np.ndarray) -> np.ndarray:
    """Stored values as uint8 (height, width) or (height, width, 3)."""
    from tosa.inputs.dicom_grayscale import displayed, padding

    stored = pixels.view(f"u{pixels.itemsize}")
    every = np.arange(256**pixels.itemsize, dtype=stored.dtype)  # so tables are made for these, not for each pixel
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        return scaled(stored, *_palette(dataset, every))
    if pixels.ndim == 3:
        return pixels if pixels.itemsize == 1 else scaled(stored, every)
    filling = padding(dataset, every.view(pixels.dtype))
    counts = histogram(stored)
    if counts[~filling].any():
        counts[filling] = 0
    values, limits = displayed(dataset, every.view(pixels.dtype), counts)
    return scaled(stored, values, limits, filling, counts)


def _palette(dataset: FileDataset, every: np.ndarray) -> tuple[np.ndarray, LIMITS]:
    """The palette's colours (n, 3) for every stored value (n,), and what is black and white in them."""
    from pydicom.pixels.processing import apply_color_lut

    for name in ("Red", "Green", "Blue"):
        if len(dataset.get(f"Segmented{name}PaletteColorLookupTableData") or b"") > MAX_PALETTE_BYTES:
            raise UnsupportedFormat("This DICOM file's palette is too long. Export it as PNG.")
        _require(dataset, f"{name}PaletteColorLookupTableDescriptor")
        if f"Segmented{name}PaletteColorLookupTableData" not in dataset:
            _require(dataset, f"{name}PaletteColorLookupTableData")
    colours = apply_color_lut(every, dataset)[:, :3]
    declared, used = dataset.RedPaletteColorLookupTableDescriptor[2], int(colours.max()).bit_length()
    bits = used if used <= 8 < declared else declared  # some say 16 and hold 8
    return colours, (0.0, float(2**bits - 1))


def _require(dataset: FileDataset, name: str) -> None:
    if dataset.get(name) in (None, "", b""):
        raise MissingElement(f"The DICOM element {name} is missing.")
