"""X-ray: bytes -> RGB pixels -> quality gate -> the network's picture."""

import io

import numpy as np
from PIL import Image, ImageOps

from . import settings
from .errors import Damaged, NotAChestXray, NotFinite, PictureTooLarge, SeveralFrames

SIZE = 299  # pixels, side of the network's picture
MIN_SIDE = 64  # pixels; smaller pictures hold no lung detail
MAX_ASPECT = 4.0  # longer than this to one is no chest
MAX_COLOUR = 24.0  # mean difference of a pixel's channels, of 255; X-rays are gray, up to tint and burnt-in marks
MIN_CONTRAST = 8.0  # standard deviation of gray, of 255; below is a blank picture

Image.MAX_IMAGE_PIXELS = None  # Pillow's limit, which only warns; ours is smaller and refuses


def decode(data: bytes) -> np.ndarray:
    """Decode a picture, upright and without its metadata.

    data: PNG, JPEG or DICOM, told apart by content.
    Returns uint8 (height, width, 3). Deeper than 8 bits is scaled from its own darkest and brightest value.
    Raises Damaged, NotFinite, SeveralFrames, PictureTooLarge past settings.MAX_PICTURE_PIXELS.
    """
    return _decode_dicom(data) if data[128:132] == b"DICM" else _decode_pillow(data)


def _decode_pillow(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as image:
            _check_pixels(image.width, image.height)
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I") or upright.mode == "F":
                return _scaled(np.asarray(upright, dtype=np.float32))
            if upright.has_transparency_data:
                flat = Image.new("RGBA", upright.size, "black")
                flat.alpha_composite(upright.convert("RGBA"))
                upright = flat
            return np.asarray(upright.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # all of these are what Pillow raises on bad bytes
        raise Damaged() from error


def _decode_dicom(data: bytes) -> np.ndarray:
    """Stored values -> modality LUT -> values of interest -> inverted where MONOCHROME1, which shows low as white."""
    import pydicom  # here, since PNG and JPEG do without
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    try:
        dicom = pydicom.dcmread(io.BytesIO(data))
        _check_pixels(int(dicom.Columns), int(dicom.Rows))
        if int(dicom.get("NumberOfFrames") or 1) > 1:
            raise SeveralFrames()
        pixels = dicom.pixel_array
        if dicom.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
            return np.asarray(Image.fromarray(pixels).convert("RGB"))
        values = apply_voi_lut(apply_modality_lut(pixels, dicom), dicom).astype(np.float32)
    except (SeveralFrames, PictureTooLarge):
        raise
    except Exception as error:  # pydicom raises a dozen types on bad files, AttributeError and KeyError among them
        raise Damaged() from error
    return _scaled(-values if dicom.PhotometricInterpretation == "MONOCHROME1" else values)


def _check_pixels(width: int, height: int) -> None:
    if width * height > settings.MAX_PICTURE_PIXELS:
        raise PictureTooLarge()


def _scaled(values: np.ndarray) -> np.ndarray:
    """Map values (height, width) from their own minimum and maximum to gray uint8 (height, width, 3)."""
    if not np.isfinite(values).all():
        raise NotFinite()
    low, high = values.min(), values.max()
    gray = ((values - low) * (255 / max(high - low, 1e-9))).round().astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def check(pixels: np.ndarray) -> None:
    """The quality gate: raise NotAChestXray for pixels (height, width, 3) that can be no chest X-ray."""
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_ASPECT * min(height, width):
        raise NotAChestXray(
            f"The picture is {width} x {height} pixels. A chest X-ray has at least {MIN_SIDE} a side, nearly square."
        )
    small = np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BILINEAR), dtype=np.float32)
    if (small.max(axis=2) - small.min(axis=2)).mean() > MAX_COLOUR or small.mean(axis=2).std() < MIN_CONTRAST:
        raise NotAChestXray()


def resize(pixels: np.ndarray, size: tuple[int, int] = (SIZE, SIZE)) -> np.ndarray:
    """Squash pixels (height, width, 3) to size, smoothed where it shrinks: uint8 (*size, 3).

    Squashed, not cropped, since the classic graph does so and the training pictures came squashed.
    """
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))


def picture(data: bytes) -> np.ndarray:
    """A picture file's bytes as the network's picture: uint8 (SIZE, SIZE, 3). Raises what decode and check raise."""
    pixels = decode(data)
    check(pixels)
    return resize(pixels)
