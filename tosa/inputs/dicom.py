"""DICOM: bytes -> gray or RGB pixels, as a viewer shows them before anyone touches its controls."""

import io

import numpy as np

from tosa.errors import CompressedDicom, Damaged, SeveralFrames, UnsupportedFormat
from tosa.inputs.intensity import check_size, scaled

SYNTAXES = {
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2",  # uncompressed
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",  # JPEG baseline, JPEG 2000
}  # fmt: skip  # not deflated and not RLE, which pydicom would inflate without a limit
JP2 = b"\0\0\0\x0cjP  "  # how a JPEG 2000 file begins; a DICOM file should hold its codestream alone


def recognises(data: bytes) -> bool:
    """Whether the first bytes are those of a DICOM file."""
    return data[128:132] == b"DICM"


def decode(data: bytes) -> np.ndarray:
    """Decode a DICOM file: uint8 (height, width) or (height, width, 3).

    Raises CompressedDicom, SeveralFrames, UnsupportedFormat for more than 16 bits a sample, PictureTooLarge, NotFinite;
    on a damaged file Damaged or whatever pydicom does.
    """
    import pydicom  # here, since PNG and JPEG do without
    from pydicom.pixels import apply_color_lut

    _check_syntax(data)
    dicom = pydicom.dcmread(io.BytesIO(data))
    colour = dicom.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2")
    bits = int(dicom.BitsAllocated)
    check_size(int(dicom.Columns), int(dicom.Rows), (3 if colour else 1) * ((bits + 7) // 8))
    if int(dicom.get("NumberOfFrames") or 1) > 1:
        raise SeveralFrames()
    if bits > 16:
        raise UnsupportedFormat(f"This DICOM file has {bits} bits a sample. Tosa reads up to 16; export it as PNG.")
    if dicom.file_meta.TransferSyntaxUID.is_encapsulated:
        _check_boxes(dicom.PixelData)
    pixels = dicom.pixel_array
    stored = pixels.view(f"u{pixels.itemsize}")
    every = np.arange(256**pixels.itemsize, dtype=stored.dtype)  # so tables are made for these, not for each pixel
    if dicom.PhotometricInterpretation == "PALETTE COLOR":
        white = 2 ** dicom.RedPaletteColorLookupTableDescriptor[2] - 1
        return scaled(stored, apply_color_lut(every, dicom)[:, :3], (0, white))
    if colour:
        return pixels if pixels.itemsize == 1 else scaled(stored, every)
    values, limits = _shown(every.view(pixels.dtype), dicom)
    padding = _padding(every.view(pixels.dtype), dicom)
    if dicom.PhotometricInterpretation == "MONOCHROME1":  # low is white
        values, limits = -values, limits and (-limits[1], -limits[0])
    return scaled(stored, values, limits, padding)


def _check_syntax(data: bytes) -> None:
    """Raise CompressedDicom for what is compressed otherwise than in SYNTAXES, before anything is inflated."""
    from pydicom.filereader import _read_file_meta_info, read_preamble  # the public one reads from files only

    file = io.BytesIO(data)
    read_preamble(file, force=False)
    syntax = _read_file_meta_info(file).TransferSyntaxUID
    if syntax not in SYNTAXES:
        raise CompressedDicom(f"Tosa does not read this DICOM file's {syntax.name}. Export it uncompressed or as PNG.")


def _check_boxes(encapsulated: bytes) -> None:
    """Raise Damaged for a JP2 file in the first frame with a box shorter than its head: pydicom would never pass it."""
    from pydicom.encaps import generate_frames

    frame = next(generate_frames(encapsulated, number_of_frames=1))
    at = 12 if frame.startswith(JP2) else len(frame)
    while at < len(frame) and frame[at + 4 : at + 8] != b"jp2c":  # the codestream
        length = int.from_bytes(frame[at : at + 4])
        if length < 8:
            raise Damaged()
        at += length


def _shown(stored: np.ndarray, dicom) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Stored values (n,) after the modality LUT and the values of interest; then what is black and what is white.

    None for the latter where the file has no window. Elements that are empty or make no sense are as if missing.
    """
    from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

    if None in (_number(dicom, "RescaleSlope"), _number(dicom, "RescaleIntercept")):
        dicom.pop("RescaleSlope", None)
    values = np.asarray(apply_modality_lut(stored, dicom))
    (table, *_) = dicom.get("VOILUTSequence") or [{}]
    if table.get("LUTDescriptor") and table.get("LUTData"):
        return apply_voi(values, dicom).astype(float), (0, 2 ** table.LUTDescriptor[2] - 1)
    if dicom.get("VOILUTFunction") not in ("LINEAR_EXACT", "SIGMOID"):
        dicom.VOILUTFunction = "LINEAR"
    narrowest = 1 if dicom.VOILUTFunction == "LINEAR" else 1e-9
    if _number(dicom, "WindowCenter") is None or (_number(dicom, "WindowWidth") or 0) < narrowest:
        return values.astype(float), None
    return apply_windowing(values, dicom), tuple(apply_windowing(np.array([-np.inf, np.inf]), dicom))


def _padding(stored: np.ndarray, dicom) -> np.ndarray:
    """Which stored values (n,) fill up the frame beside the picture: bool (n,) (DICOM PS3.3, C.7.5.1.1.2)."""
    first = _number(dicom, "PixelPaddingValue")
    if first is None:
        return np.zeros(len(stored), bool)
    last = _number(dicom, "PixelPaddingRangeLimit")
    ends = sorted([first, first if last is None else last])
    return (stored >= ends[0]) & (stored <= ends[1])


def _number(dicom, name: str) -> float | None:
    """The first value of an element, None where it is missing or empty."""
    value = dicom.get(name)
    first = value if value is None or isinstance(value, (int, float, str)) else (list(value) or [None])[0]
    return None if first in (None, "") else float(first)
