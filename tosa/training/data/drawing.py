"""Cases as the network sees them, drawn as the server draws uploads: file -> samples or pixels -> picture.

Every cache of something that was drawn (bottlenecks, folders of spectrograms, changed pictures) has `drawing_key` in
its key.
"""

import numpy as np

from tosa.errors import RequestError, UsageError
from tosa.inputs import audio, spectrogram, xray
from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case
from tosa.training.data.kinds import Kind, recognise_content
from tosa.training.data.mel_bank import bank_to_carry

DEFAULT = Preprocessing()


def drawing_key(kind: Kind, preprocessing: Preprocessing = DEFAULT) -> str:
    """Returns what a drawn picture depends on beside the file it is drawn of."""
    return f"{kind} {preprocessing.key()}"


def draw(case: Case, size: tuple[int, int] | None = None, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns a case's picture as it will be served: uint8 (*size, 3), by default as large as the preprocessing says.

    Raises UsageError naming a file that cannot be read.
    """
    return draw_decoded(case, decode(case, preprocessing), size, preprocessing)


def decode(case: Case, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns a case's samples (n,) or pixels uint8 (height, width, 3) as the server decodes them, X-rays in gray.

    Raises UsageError naming a file that cannot be read, or a sound that cannot be judged.
    """
    return decode_content(case, read_case(case), preprocessing)


def read_case(case: Case) -> bytes:
    """Returns the content of a case's file. Raises UsageError naming it."""
    try:
        return case.file.read_bytes()
    except OSError as error:
        raise UsageError(f"'{case.file}' cannot be read: {error.strerror}.") from error


def decode_content(case: Case, content: bytes, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns what `decode` does, for a case whose file was read already."""
    if not content:
        raise UsageError(f"'{case.file}' is empty.")
    try:
        if recognise_content(content) == "sound":
            samples = audio.decode_sound(content, preprocessing.sample_rate)
            audio.check_sound(samples, preprocessing.sample_rate)
            return samples
        pixels = xray.decode(content)
    except RequestError as error:
        raise UsageError(f"'{case.file}': {error}") from error
    return xray.gray(pixels) if case.kind is Kind.XRAY else pixels


def draw_decoded(
    case: Case, decoded: np.ndarray, size: tuple[int, int] | None, preprocessing: Preprocessing = DEFAULT
) -> np.ndarray:
    """Returns the picture uint8 (*size, 3) of what `decode` returned."""
    picture = draw_sound(decoded, preprocessing) if case.is_sound else xray.fit(decoded, preprocessing)
    return xray.resize(picture, size) if size else picture


def draw_sound(samples: np.ndarray, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns the picture of the window of samples (n,) that is served: uint8 (size, size, 3)."""
    return draw_window(audio.window(samples, preprocessing), preprocessing)


def draw_window(window: np.ndarray, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns the picture of a window of sound, (preprocessing.window_samples,): uint8 (size, size, 3)."""
    return spectrogram.draw(window, preprocessing, bank_to_carry(preprocessing))
