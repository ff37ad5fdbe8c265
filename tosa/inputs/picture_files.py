"""PNG, JPEG, TIFF and WebP: bytes -> gray or RGB pixels, upright, as every viewer shows them."""

import io
import warnings

import numpy as np
from PIL import Image

from tosa import settings
from tosa.errors import Damaged, SeveralFrames, UnsupportedFormat
from tosa.inputs import codestream
from tosa.inputs.intensity import check_size, scaled

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
BYTES = {"1": 1, "L": 1, "I;16": 2, "I;16B": 2, "LA": 2, "P": 3, "RGB": 3}  # a pixel, by Pillow's mode; all others 4
UPRIGHT = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
           7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip  # what undoes each EXIF orientation
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
NEEDED_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")  # of a PNG; the others are texts and profiles
END_OF_JPEG = b"\xff\xd9"
MAX_MISSING = 0.05  # share of a JPEG's pixels that the bytes which it lacks may decide
DIFFERENT = 8  # levels by which a pixel differs that they decide
BITS_PER_SAMPLE = 258  # a tag of TIFF
WHITE_IS_ZERO = 0  # TIFF's PhotometricInterpretation

# Pillow warns past its limit and refuses past twice that. It also holds for a JPEG inside a DICOM file.
Image.MAX_IMAGE_PIXELS = settings.MAX_PICTURE_PIXELS // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def begins_picture(data: bytes) -> bool:
    """Whether the first bytes are those of a PNG, JPEG, TIFF or WebP."""
    return data.startswith((PNG, JPEG, b"II*\0", b"MM\0*")) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def decode_picture(data: bytes) -> np.ndarray:
    """Decode a picture file: uint8 (height, width) or (height, width, 3).

    Samples of 16 bits are scaled to their own range. Of colour and of gray with transparency in a 16-bit PNG, Pillow
    keeps the upper 8 bits, and those are scaled. Transparent pixels become black. Raises Damaged, SeveralFrames,
    UnsupportedFormat, PictureTooLarge, or what Pillow raises on damaged files.
    """
    if data.startswith(JPEG) and (pixels := _decode_medical_jpeg(data)) is not None:
        return pixels
    image = _loaded(data)
    tags = getattr(image, "tag_v2", {})
    white_is_zero = image.format == "TIFF" and tags.get(262) == WHITE_IS_ZERO
    image = _upright(image)
    if image.mode.startswith("I;16"):
        stored = np.asarray(image).astype(np.uint16)
        return scaled(~stored if white_is_zero else stored, np.arange(2**16))
    if image.mode == "I" and tags.get(BITS_PER_SAMPLE) == (16,):  # signed
        stored = (np.asarray(image) + 2**15).astype(np.uint16)
        return scaled(~stored if white_is_zero else stored, np.arange(2**16))
    if image.mode in ("I", "F"):
        raise UnsupportedFormat("This picture has 32 bits a sample. Tosa reads up to 16; export it as PNG.")
    if image.has_transparency_data:
        flat = Image.new("RGBA", image.size, "black")
        flat.alpha_composite(image.convert("RGBA"))
        image = flat
    mode = "L" if image.mode in ("1", "L") else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    deep = data.startswith(PNG) and data[24] == 16  # bits a sample, in the header
    return scaled(pixels, np.arange(2**8)) if deep else pixels


def _loaded(data: bytes) -> Image.Image:
    """The picture with its pixels, its size checked before they are decoded."""
    try:
        return _load(data)
    except (OSError, ValueError, SyntaxError):
        if data.startswith(PNG):
            return _load(_without_texts(data))
        if data.startswith(JPEG):
            return _load_cut_jpeg(data)
        raise


def _load(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    check_size(image.width, image.height, BYTES.get(image.mode, 4))
    if image.format in ("TIFF", "WEBP") and getattr(image, "n_frames", 1) > 1:
        raise SeveralFrames()
    image.load()
    return image


def _without_texts(data: bytes) -> bytes:
    """A PNG without texts and profiles, which Pillow refuses where they are large and viewers ignore."""
    kept, at = [PNG], len(PNG)
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] in NEEDED_CHUNKS:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _load_cut_jpeg(data: bytes) -> Image.Image:
    """A JPEG that lacks its last bytes, as libjpeg completes it. Raises Damaged where they decide more than a little.

    What they decide shows where a small copy differs when other bytes take their place: random ones, always the same.
    """
    data = data.rstrip(b"\xff")  # half of a marker
    small = _small_gray(data + END_OF_JPEG)
    length = len(data) + small.size * 8  # a bit a pixel, which random blocks do not use up
    filling = np.random.default_rng(0).integers(0, 255, length, np.uint8).tobytes()
    differs = np.abs(small - _small_gray(data + filling + END_OF_JPEG)) > DIFFERENT
    if differs.mean() > MAX_MISSING:
        raise Damaged()
    return _load(data + END_OF_JPEG)


def _small_gray(data: bytes) -> np.ndarray:
    """A JPEG's brightness in an eighth of its size, which libjpeg decodes fast: int16 (height, width)."""
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    check_size(image.width, image.height, BYTES.get(image.mode, 4))
    image.draft("L", (image.width // 8, image.height // 8))
    return np.asarray(image.convert("L"), np.int16)


def _decode_medical_jpeg(data: bytes) -> np.ndarray | None:
    """A JPEG of 9 to 16 bits, a JPEG Lossless or a JPEG-LS, which Pillow does not read; None for any other."""
    try:
        header = codestream.read_header(data)
    except Damaged:  # Pillow reads some that hold junk between their markers
        return None
    if header.codec == "jpeg" and header.bits == 8:
        return None
    codestream.check_codestream(header)
    pixels = codestream.decode_codestream(data)
    return pixels if pixels.itemsize == 1 else scaled(pixels, np.arange(2**16))


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; EXIF that cannot be read is ignored, whatever Pillow raises on it."""
    try:
        turn = UPRIGHT.get(image.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001 -- see above
        turn = None
    return image.transpose(Image.Transpose[turn]) if turn else image
