"""X-ray: bytes -> RGB pixels -> quality gate -> the network's picture.

Gray is held once: decode returns its three channels as three views of one array, and resize works on that one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from tosa import settings
from tosa.errors import Damaged, NotAChestXray, PictureTooLarge, RequestError
from tosa.inputs import dicom, dicom_signature, picture_files
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
LATERAL_VIEWS = {"LL", "RL", "LAT", "LATERAL", "LEFT LATERAL", "RIGHT LATERAL"}  # DICOM's ViewPosition
# DICOM's BodyPartExamined, of the standard's terms (PS3.16, annex L) those that hold no chest; what is not among them,
# such as words of other languages, is left to the gate
OTHER_BODY_PARTS = set(
    "ABDOMEN ABDOMENPELVIS ANKLE ANUS ARM BLADDER BRAIN BREAST BUTTOCK CALCANEUS CALF CALVARIUM CAROTID CEREBELLUM "
    "CERVIX CHEEK CLAVICLE COCCYX COLON CORNEA CSPINE CTSPINE DUODENUM EAR ELBOW ESOPHAGUS EXTREMITY EYE EYELID FACE "
    "FEMUR FINGER FOOT FOREARM GALLBLADDER HAND HEAD HEADNECK HIP HUMERUS ILEUM ILIUM JAW JEJUNUM KIDNEY KNEE LARYNX "
    "LEG LIVER LSPINE LSSPINE MANDIBLE MAXILLA MOUTH NECK NOSE ORBIT OVARY PANCREAS PAROTID PATELLA PELVIS PENIS "
    "PHARYNX PROSTATE RADIUS RADIUSULNA RECTUM SCALP SCAPULA SCROTUM SHOULDER SKULL SPINE SPLEEN SSPINE STOMACH "
    "TESTIS THIGH THUMB THYROID TIBIA TIBIAFIBULA TLSPINE TMJ TOE TONGUE TSPINE ULNA URETER URETHRA UTERUS VAGINA "
    "VULVA WRIST ZYGOMA".split()
)

CHEST_WORDS = {"CHEST", "THORAX", "LUNG", "LUNGS", "TORAX"}  # what is named beside these is in the picture too


@dataclass(frozen=True, eq=False)
class Prepared:
    """The network's picture, uint8 (size, size, 3), and the patient's age in years where the file says it."""

    pixels: np.ndarray
    age_years: float | None = None


def recognises(data: bytes) -> bool:
    """Whether the first bytes are those of a picture file that decode reads."""
    return picture_files.begins_picture(data) or dicom_signature.begins_dicom(data)


def decode(data: bytes) -> np.ndarray:
    """Decode a picture, upright and without its metadata.

    data: PNG, JPEG, TIFF, WebP or DICOM, told apart by content.
    Returns uint8 (height, width, 3), read-only. A DICOM file's window, table or palette says what is black and white in
    it; without one, and wherever a sample has more than 8 bits, the range of its own values, outliers left out.
    Raises Damaged, NotFinite, SeveralFrames, NoPicture, MissingElement, CompressedDicom, UnsupportedFormat for more
    than 16 bits, PictureTooLarge past settings.MAX_PICTURE_PIXELS or MAX_DECODED_BYTES.
    """
    return _decode(data).pixels


def prepare(data: bytes, preprocessing: Preprocessing = DEFAULT) -> Prepared:
    """Returns a picture file as the network's gray picture once it was judged a possible frontal chest X-ray.

    Raises what decode and check raise, and NotAChestXray where a DICOM file says that it shows something else.
    """
    picture = _decode(data)
    _check_view(picture)
    check(picture.pixels)
    return Prepared(fit(gray(picture.pixels), preprocessing), picture.age_years)


def picture(data: bytes, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns a picture file as the network's gray picture: uint8 (size, size, 3). Raises what prepare raises."""
    return prepare(data, preprocessing).pixels


def _decode(data: bytes) -> dicom.Picture:
    """Whatever picture file, with pixels (height, width, 3)."""
    try:
        read = (
            dicom.decode_dicom(data)
            if dicom_signature.begins_dicom(data)
            else dicom.Picture(picture_files.decode_picture(data))
        )
    except RequestError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(
            f"The picture has more than {settings.MAX_PICTURE_PIXELS // 10**6} megapixels. Send a smaller copy."
        ) from error
    except Exception as error:  # Pillow and pydicom raise a dozen types on bad files, KeyError and struct.error too
        raise Damaged() from error
    if read.pixels.ndim == 3:
        return read
    return replace(read, pixels=np.broadcast_to(read.pixels[:, :, None], (*read.pixels.shape, 3)))


def _check_view(picture: dicom.Picture) -> None:
    """Raise NotAChestXray where a DICOM file says that it is a lateral view or shows another part of the body."""
    if picture.view in LATERAL_VIEWS:
        raise NotAChestXray(
            f"The DICOM file says that this is a lateral view (ViewPosition {picture.view}). Send a frontal one."
        )
    if _is_other_body_part(picture.body_part):
        raise NotAChestXray(
            f"The DICOM file says that this shows another part of the body (BodyPartExamined {picture.body_part}). "
            "Send a chest X-ray."
        )


def _is_other_body_part(said: str) -> bool:
    """Whether BodyPartExamined names a part without the chest, also with a side or hyphen: HAND L, C-SPINE."""
    words = set(re.findall("[A-Z]+", said))
    names = words | {"".join(re.findall("[A-Z]+", said))}
    return not words & CHEST_WORDS and bool(names & OTHER_BODY_PARTS)


def check(pixels: np.ndarray) -> None:
    """The quality gate: raise NotAChestXray for pixels (height, width, 3) that can be no chest X-ray."""
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_ASPECT * min(height, width):
        raise NotAChestXray(
            f"The picture has {width} x {height} pixels. A chest X-ray is nearly square and has at least {MIN_SIDE} on "
            "each side."
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
    if pixels.shape[:2] == size:
        return pixels
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
