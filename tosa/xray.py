"""X-ray: bytes -> RGB pixels -> quality gate -> the network's picture.

Gray is held once: decode returns its three channels as three views of one array, and resize works on that one.
"""

import io
import warnings

import numpy as np
from PIL import Image

from . import settings
from .errors import (
    CompressedDicom,
    Damaged,
    NotAChestXray,
    NotFinite,
    PictureTooLarge,
    RequestError,
    SeveralFrames,
    UnsupportedFormat,
)

SIZE = 299  # pixels, side of the network's picture
MIN_SIDE = 64  # pixels; smaller pictures hold no lung detail
MAX_ASPECT = 4.0  # longer than this to one is no chest
MAX_COLOUR = 24.0  # mean difference of a pixel's channels, of 255, tint aside; X-rays are gray up to burnt-in marks
MAX_TINT = 2.0  # to one between the means of a channel and of all; the blue base of film, a photograph of a lightbox
GATE_GAP = 2.0  # how roughly the quality gate looks; contrasts then differ by less than half a percent
MIN_CONTRAST = 8.0  # standard deviation of gray, of 255; below is a blank picture

BYTES = {"1": 1, "L": 1, "I;16": 2, "LA": 2, "P": 3, "RGB": 3}  # a pixel, by Pillow's mode; all others 4
UPRIGHT = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
           7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip  # what undoes each EXIF orientation
DICOM_SYNTAXES = {
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2",  # uncompressed
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",  # JPEG baseline, JPEG 2000
}  # fmt: skip  # not deflated and not RLE, which pydicom would inflate without a limit
JP2 = b"\0\0\0\x0cjP  "  # how a JPEG 2000 file begins; a DICOM file should hold its codestream alone

# Pillow warns past its limit and refuses past twice that. It also holds for a JPEG inside a DICOM file.
Image.MAX_IMAGE_PIXELS = settings.MAX_PICTURE_PIXELS // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def recognises(data: bytes) -> bool:
    """Whether the first bytes are those of a picture file that decode reads."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" or data[:3] == b"\xff\xd8\xff" or _is_dicom(data)


def _is_dicom(data: bytes) -> bool:
    return data[128:132] == b"DICM"


def decode(data: bytes) -> np.ndarray:
    """Decode a picture, upright and without its metadata.

    data: PNG, JPEG or DICOM, told apart by content.
    Returns uint8 (height, width, 3), read-only. A DICOM file's window or palette says what is black and white in it;
    without one, and wherever a sample has more than 8 bits, its own darkest and brightest values are. Of color and of
    gray with transparency in a 16-bit PNG, Pillow keeps the upper 8 bits, and those are scaled.
    Raises Damaged, NotFinite, SeveralFrames, CompressedDicom, UnsupportedFormat for DICOM of more than 16 bits,
    PictureTooLarge past settings.MAX_PICTURE_PIXELS or MAX_DECODED_BYTES.
    """
    try:
        pixels = _decode_dicom(data) if _is_dicom(data) else _decode_pillow(data)
    except RequestError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureTooLarge() from error
    except Exception as error:  # Pillow and pydicom raise a dozen types on bad files, KeyError and struct.error too
        raise Damaged() from error
    return pixels if pixels.ndim == 3 else np.broadcast_to(pixels[:, :, None], (*pixels.shape, 3))


def _decode_pillow(data: bytes) -> np.ndarray:
    """uint8 (height, width) or (height, width, 3)."""
    image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])
    _check_size(image.width, image.height, BYTES.get(image.mode, 4))
    image.load()
    image = _upright(image)
    if image.mode == "I;16":
        return _scaled(np.asarray(image), np.arange(2**16))
    if image.has_transparency_data:
        flat = Image.new("RGBA", image.size, "black")
        flat.alpha_composite(image.convert("RGBA"))
        image = flat
    mode = "L" if image.mode in ("1", "L") else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    deep = data[:4] == b"\x89PNG" and data[24] == 16  # bits a sample, in the header
    return _scaled(pixels, np.arange(2**8)) if deep else pixels


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; unreadable EXIF says nothing, whatever Pillow raises on it."""
    try:
        turn = UPRIGHT.get(image.getexif().get(0x0112))
    except Exception:
        turn = None
    return image.transpose(Image.Transpose[turn]) if turn else image


def _decode_dicom(data: bytes) -> np.ndarray:
    """uint8 (height, width) or (height, width, 3): what a viewer shows before anyone touches its controls."""
    import pydicom  # here, since PNG and JPEG do without
    from pydicom.pixels import apply_color_lut

    _check_syntax(data)
    dicom = pydicom.dcmread(io.BytesIO(data))
    colour = dicom.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2")
    bits = int(dicom.BitsAllocated)
    _check_size(int(dicom.Columns), int(dicom.Rows), (3 if colour else 1) * (bits + 7) // 8)
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
        return _scaled(stored, apply_color_lut(every, dicom)[:, :3], (0, white))
    if colour:
        return pixels if pixels.itemsize == 1 else _scaled(stored, every)
    values, limits = _shown(every.view(pixels.dtype), dicom)
    padding = _padding(every.view(pixels.dtype), dicom)
    if dicom.PhotometricInterpretation == "MONOCHROME1":  # low is white
        values, limits = -values, limits and (-limits[1], -limits[0])
    return _scaled(stored, values, limits, padding)


def _check_syntax(data: bytes) -> None:
    """Raise CompressedDicom for what is compressed otherwise than in DICOM_SYNTAXES, before anything is inflated."""
    from pydicom.filereader import _read_file_meta_info, read_preamble  # the public one reads from files only

    file = io.BytesIO(data)
    read_preamble(file, force=False)
    syntax = _read_file_meta_info(file).TransferSyntaxUID
    if syntax not in DICOM_SYNTAXES:
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


def _check_size(width: int, height: int, bytes_a_pixel: int) -> None:
    if width * height > settings.MAX_PICTURE_PIXELS or width * height * bytes_a_pixel > settings.MAX_DECODED_BYTES:
        raise PictureTooLarge()


def _scaled(
    stored: np.ndarray, values: np.ndarray, limits: tuple[float, float] | None = None, padding: np.ndarray | None = None
) -> np.ndarray:
    """Draw stored pixels, uint8 or uint16 (height, ...), by the value that each stands for.

    values: (256 or 65536,) or (..., 3), one for each that can be stored. limits: what becomes black and what white;
    without them the darkest and brightest that the picture has. padding: bool (256 or 65536,), what is black whatever
    it stands for, and no part of the picture. Returns uint8 (height, ...).
    """
    if limits is None:
        seen = np.zeros(len(values), bool)
        for row in stored:
            seen[row] = True
        if padding is not None and (seen & ~padding).any():
            seen &= ~padding
        limits = values[seen].min(), values[seen].max()
    black, white = (float(limit) for limit in limits)
    shares = (values - black) / ((white - black) or 1)
    if not np.isfinite(shares).all():
        raise NotFinite()
    levels = (shares.clip(0, 1) * 255).round().astype(np.uint8)
    if padding is not None:
        levels[padding] = 0
    return np.stack([levels[row] for row in stored])  # by row, since NumPy makes 8 bytes of every index


def check(pixels: np.ndarray) -> None:
    """The quality gate: raise NotAChestXray for pixels (height, width, 3) that can be no chest X-ray."""
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_ASPECT * min(height, width):
        raise NotAChestXray(
            f"The picture is {width} x {height} pixels. A chest X-ray has at least {MIN_SIDE} a side, nearly square."
        )
    channels = np.ascontiguousarray(resize(pixels, (64, 64), GATE_GAP).T, np.float32)
    gray = channels.mean(axis=0)
    tint = channels.mean(axis=(1, 2), keepdims=True) / max(gray.mean(), 1)
    colour = np.ptp(channels / tint.clip(1 / MAX_TINT, MAX_TINT), axis=0)
    if colour.mean() > MAX_COLOUR or gray.std() < MIN_CONTRAST:
        raise NotAChestXray()


def resize(pixels: np.ndarray, size: tuple[int, int] = (SIZE, SIZE), gap: float | None = None) -> np.ndarray:
    """Squash pixels (height, width, 3) to size, smoothed where it shrinks: uint8 (*size, 3).

    Squashed, not cropped, since the classic graph does so and the training pictures came squashed.
    gap: shrink roughly to so many times the size first, which takes a quarter of the time.
    """
    gray = pixels.strides[2] == 0  # as decode returns it
    image = Image.fromarray(pixels[:, :, 0] if gray else pixels)
    small = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=gap))
    return np.repeat(small[:, :, None], 3, axis=2) if gray else small


def picture(data: bytes) -> np.ndarray:
    """A picture file's bytes as the network's gray picture: uint8 (SIZE, SIZE, 3). Raises what decode, check raise."""
    pixels = decode(data)
    check(pixels)
    gray = Image.fromarray(resize(pixels)).convert("L")
    return np.repeat(np.asarray(gray)[:, :, None], 3, axis=2)
