"""Cases as the network sees them: file -> samples or pixels -> picture, as serving does it."""

import numpy as np

from tosa.errors import RequestError, UsageError
from tosa.inputs import audio, spectrogram, xray
from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case

DRAWING = Preprocessing().key()  # what a sound's picture depends on beside the sound


def draw(case: Case, size: tuple[int, int] = (299, 299)) -> np.ndarray:
    """A case's picture as it will be served: uint8 (*size, 3). Raises UsageError naming a file that cannot be read."""
    return draw_decoded(case, decode(case), size)


def decode(case: Case) -> np.ndarray:
    """A case's samples or pixels, those of X-rays in gray, as serving has them.

    Raises UsageError naming a file that cannot be read, or a sound that cannot be judged.
    """
    return decode_content(case, read_case(case))


def read_case(case: Case) -> bytes:
    try:
        return case.file.read_bytes()
    except OSError as error:
        raise UsageError(f"'{case.file}' cannot be read: {error.strerror}.") from error


def decode_content(case: Case, content: bytes) -> np.ndarray:
    if not content:
        raise UsageError(f"'{case.file}' is empty.")
    try:
        if case.is_sound:
            samples = audio.decode_sound(content)
            audio.check_sound(samples)
            return samples
        pixels = xray.decode(content)
    except RequestError as error:
        raise UsageError(f"'{case.file}': {error}") from error
    return pixels if case.of_sound else xray.gray(pixels)


def draw_decoded(case: Case, decoded: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return xray.resize(spectrogram.draw(audio.window(decoded)) if case.is_sound else xray.resize(decoded), size)
