"""Folders of sounds to folders of mel-spectrogram pictures, the form that the classic retrain.py learns from."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from tosa.errors import RequestError, UsageError
from tosa.inputs import spectrogram
from tosa.training.data.dataset import SOUNDS, SkippedFiles, drawn_of, is_hidden
from tosa.training.data.drawing import DRAWING
from tosa.training.data.prefetch import prefetch
from tosa.training.files import atomic_write, progress


def draw_folder(sounds: Path, pictures: Path, problems: SkippedFiles | None = None) -> set[Path]:
    """Draw every sound of sounds/<label>/ as pictures/<label>/<name>.png, as serving would, on all cores.

    A picture takes over its sound's time of change, and a sound whose picture has it is not drawn again, unless the
    pictures were drawn in another way. Hidden folders and files are passed over. Returns the pictures that were drawn
    of a sound which is gone, such as to another label. Raises UsageError naming the first sound that cannot be read or
    judged, unless problems skips it.
    """
    problems = problems or SkippedFiles()
    if not sounds.is_dir():
        raise UsageError(f"Audio directory '{sounds}' not found.")
    targets = pictures_of(sounds, pictures)
    if not targets:
        raise UsageError(f"No sounds found in '{sounds}': one folder a label is needed.")
    way = pictures / ".drawing"
    same_way = way.is_file() and way.read_text() == DRAWING
    changed = [(file, target) for file, target in targets.items() if not (same_way and _is_fresh(file, target))]
    for error in _draw_all(changed):
        if error:
            problems.add(error)
    with atomic_write(way) as partial:
        partial.write_text(DRAWING)
    others = set(pictures.rglob("*.png")) - set(targets.values())
    gone = {picture for picture in others if drawn_of(picture)}
    if others:
        print(
            f"{len(others)} pictures in '{pictures}' are of no sound in '{sounds}', such as '{min(others)}'. "
            f"Left out are the {len(gone)} that were drawn of one which is gone."
        )
    return gone


def pictures_of(sounds: Path, pictures: Path) -> dict[Path, Path]:
    """Where the picture of each sound is: pictures/<label>/<name of the sound, with its ending>.png."""
    files = (path.relative_to(sounds) for path in sorted(sounds.rglob("*")) if path.suffix.lower() in SOUNDS)
    return {sounds / file: pictures / file.with_suffix(file.suffix + ".png") for file in files if not is_hidden(file)}


def sounds_of(pictures: Path | None, sounds: Path | None) -> dict[Path, Path]:
    """The sound that each picture is drawn of, none where there are no sounds."""
    return {picture: sound for sound, picture in pictures_of(sounds, pictures).items()} if sounds else {}


def _is_fresh(file: Path, target: Path) -> bool:
    """A link that leads nowhere is not, and is named where it is to be read."""
    return target.is_file() and file.exists() and target.stat().st_mtime_ns == file.stat().st_mtime_ns


def _draw_all(pairs: list[tuple[Path, Path]]):
    """Yield what was wrong with each pair of a sound and its picture to be, None where nothing was."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding, Fourier transforms and PNG run side by side in threads
        drawn = prefetch(pool, _draw, pairs)
        yield from progress(drawn, desc="mel-spectrograms", unit="sound", total=len(pairs))


def _draw(pair: tuple[Path, Path]) -> UsageError | None:
    file, target = pair
    try:
        changed = file.stat().st_mtime_ns
        drawn = spectrogram.draw_file(file.read_bytes())
    except RequestError as error:
        wrong = f"'{file}': {error}"
    except OSError as error:
        wrong = f"'{file}' cannot be read: {error.strerror}."
    else:
        with atomic_write(target) as partial:
            Image.fromarray(drawn).save(partial, "PNG")
            os.utime(partial, ns=(changed, changed))
        return None
    target.unlink(missing_ok=True)  # of what the sound was before
    return UsageError(wrong)
