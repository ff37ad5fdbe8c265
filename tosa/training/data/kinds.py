"""What a training file is: a sound, a sound's spectrogram or an X-ray.

Content decides, by the rules that the server has for uploads; a name decides only where the content is not known.
"""

from enum import StrEnum
from pathlib import Path

from tosa import screening
from tosa.errors import RequestError, UnsupportedFormat
from tosa.model.metadata import Input
from tosa.settings import MAX_BODY_BYTES

PICTURE_ENDINGS = frozenset(".jpg .jpeg .jfif .png .dcm .dicom .tif .tiff .webp".split())
SOUND_ENDINGS = frozenset(
    ".wav .flac .ogg .oga .opus .spx .mp2 .mp3 .webm .weba .mka .mkv .mp4 .m4a .mov .3gp .3g2 .aac .amr .wma .aif "
    ".aiff .aifc .caf .au .snd .w64 .sound".split()
)
HEAD_BYTES = 2**16  # enough for every signature that does not come after a long tag


class Kind(StrEnum):
    """What a training file is. Spectrograms are in color, X-rays in gray."""

    SOUND = "sound"
    SPECTROGRAM = "spectrogram"
    XRAY = "X-ray"


def kind_of_file(file: Path, of_sound: bool) -> Kind:
    """Returns what a file is. of_sound: whether a picture is taken for a spectrogram, whatever its name says."""
    try:
        is_sound = recognise(file) == "sound"
    except (OSError, RequestError):  # reading it for the training names it
        is_sound = has_ending(file, SOUND_ENDINGS)
    if is_sound:
        return Kind.SOUND
    return Kind.SPECTROGRAM if of_sound or sound_name_of(file) else Kind.XRAY


def recognise(file: Path) -> Input:
    """Returns 'sound' or 'picture', by content. Raises OSError, and RequestError for a file that is neither."""
    with open(file, "rb") as content:
        head = content.read(HEAD_BYTES)
        try:
            return recognise_content(head)
        except UnsupportedFormat:
            if len(head) < HEAD_BYTES:
                raise
        return recognise_content(head + content.read(MAX_BODY_BYTES))


def recognise_content(content: bytes) -> Input:
    """Returns 'sound' or 'picture'. Raises RequestError for a content that is neither.

    The limits of an upload do not hold: a recording of 60 s may be larger than what the server takes.
    """
    try:
        return screening.kind_of(content[:HEAD_BYTES])
    except UnsupportedFormat:
        if len(content) <= HEAD_BYTES:
            raise
    return screening.kind_of(content)  # the signature may come after a long tag


def sound_name_of(picture: Path) -> Path | None:
    """Returns the sound that a picture was drawn of by its name, cough.wav of cough.wav.png; None for other names."""
    sound = picture.with_suffix("")
    return sound if has_ending(picture, {".png"}) and has_ending(sound, SOUND_ENDINGS) else None


def picture_name_of(sound: Path) -> Path:
    """Returns the name of a sound's picture: cough.wav.png of cough.wav, cough.sound.png of cough."""
    marked = sound if has_ending(sound, SOUND_ENDINGS) else sound.with_name(sound.name + ".sound")
    return marked.with_name(marked.name + ".png")


def has_ending(file: Path, endings: frozenset[str] | set[str]) -> bool:
    """Returns whether a file's name ends in one of the endings, in capitals or not."""
    return file.suffix.lower() in endings


def is_hidden(file: Path) -> bool:
    """Returns whether a file or a folder on its path is hidden, such as .ipynb_checkpoints, or macOS' __MACOSX."""
    return any(part.startswith(".") or part == "__MACOSX" for part in file.parts)
