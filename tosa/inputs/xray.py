"""X-ray: bytes -> RGB pixels -> quality gate -> the network's picture.

Gray is held once: decode returns its three channels as three views of one array, and resize works on that one.
"""

import io
import warnings

import numpy as np
from PIL import Image

from tosa import settings
from tosa.errors import Damaged, NotAChestXray, PictureTooLarge, RequestError
from tosa.inputs import dicom, intensity
from tosa.preprocessing import Preprocessing

DEFAULT = Preprocessing()
SIZE = DEFAULT.size  # pixels, side of the network's picture
MIN_SIDE = 64  # pixels; smaller pictures hold no lung detail
MAX_ASPECT = 4.0  # longer than this to one is no chest
MAX_COLOUR = 24.0  # mean difference of a pixel's channels, of 255; X-rays are gray, up to tint and burnt-in marks
MAX_TINTED = 8.0  # the same once the tint is taken off: the blue base of film, a photograph of a lightbox
MAX_TINT = 2.0  # to one between the means of a channel and of all
GATE_GAP = 2.0  # how roughly the quality gate looks; contrasts then differ by less than half a percent
MIN_CONTRAST = 8.0  # standard deviation of gray, of 255; below is a blank picture

BYTES = {"1": 1, "L": 1, "I;16": 2, "LA": 2, "P": 3, "RGB": 3}  # a pixel, by Pillow's mode; all others 4
UPRIGHT = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
           7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip  # what undoes each EXIF orientation

# Pillow warns past its limit and refuses past twice that. It also holds for a JPEG inside a DICOM file.
Image.MAX_IMAGE_PIXELS = settings.MAX_PICTURE_PIXELS // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def recognises(data: bytes) -> bool:
    """Whether the first bytes are those of a picture file that decode reads."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" or data[:3] == b"\xff\xd8\xff" or dicom.recognises(data)


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
        pixels = dicom.decode(data) if dicom.recognises(data) else _decode_pillow(data)
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
    intensity.check_size(image.width, image.height, BYTES.get(image.mode, 4))
    image.load()
    image = _upright(image)
    if image.mode == "I;16":
        return intensity.scaled(np.asarray(image), np.arange(2**16))
    if image.has_transparency_data:
        flat = Image.new("RGBA", image.size, "black")
        flat.alpha_composite(image.convert("RGBA"))
        image = flat
    mode = "L" if image.mode in ("1", "L") else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    deep = data[:4] == b"\x89PNG" and data[24] == 16  # bits a sample, in the header
    return intensity.scaled(pixels, np.arange(2**8)) if deep else pixels


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; unreadable EXIF says nothing, whatever Pillow raises on it."""
    try:
        turn = UPRIGHT.get(image.getexif().get(0x0112))
    except Exception:
        turn = None
    return image.transpose(Image.Transpose[turn]) if turn else image


def check(pixels: np.ndarray) -> None:
    """The quality gate: raise NotAChestXray for pixels (height, width, 3) that can be no chest X-ray."""
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_ASPECT * min(height, width):
        raise NotAChestXray(
            f"The picture is {width} x {height} pixels. A chest X-ray has at least {MIN_SIDE} a side, nearly square."
        )
    channels = np.ascontiguousarray(resize(pixels, (64, 64), GATE_GAP).T, np.float32)
    brightness = channels.mean(axis=0)
    tint = channels.mean(axis=(1, 2), keepdims=True) / max(brightness.mean(), 1)
    without = channels / tint.clip(1 / MAX_TINT, MAX_TINT)
    colourful = np.ptp(channels, axis=0).mean() > MAX_COLOUR and np.ptp(without, axis=0).mean() > MAX_TINTED
    if colourful or brightness.std() < MIN_CONTRAST:
        raise NotAChestXray()


def resize(pixels: np.ndarray, size: tuple[int, int] = (SIZE, SIZE), gap: float | None = None) -> np.ndarray:
    """Squash pixels (height, width, 3) to size, smoothed where it shrinks: uint8 (*size, 3).

    Squashed, not cropped, since the classic graph does so and the training pictures came squashed.
    gap: shrink roughly to so many times the size first, which takes a quarter of the time.
    """
    once = pixels.strides[2] == 0
    image = Image.fromarray(pixels[:, :, 0] if once else pixels)
    small = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=gap))
    return np.repeat(small[:, :, None], 3, axis=2) if once else small


def gray(pixels: np.ndarray) -> np.ndarray:
    """The brightness of pixels (height, width, 3), uint8, in all three channels, held once."""
    if pixels.strides[2] == 0:
        return pixels
    brightness = np.asarray(Image.fromarray(pixels).convert("L"))
    return np.broadcast_to(brightness[:, :, None], pixels.shape)


def fit(pixels: np.ndarray, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns pixels (height, width, 3) at the network's size, squashed or letterboxed: uint8 (size, size, 3)."""
    size = preprocessing.size
    return resize(_padded_to_square(pixels) if preprocessing.geometry == "letterbox" else pixels, (size, size))


def _padded_to_square(pixels: np.ndarray) -> np.ndarray:
    """Pixels (height, width, 3) in the middle of a black square; gray is still held once."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    once = pixels.strides[2] == 0
    square = np.zeros((side, side) if once else (side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels[:, :, 0] if once else pixels
    return np.broadcast_to(square[:, :, None], (side, side, 3)) if once else square


def picture(data: bytes, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns a picture file as the network's gray picture: uint8 (size, size, 3). Raises what decode, check raise."""
    pixels = decode(data)
    check(pixels)
    return fit(gray(pixels), preprocessing)
