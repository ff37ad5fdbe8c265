"""Folders of sounds to folders of mel-spectrogram pictures, the form that the classic retrain.py learns from."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tosa.errors import RequestError, UsageError
from tosa.inputs import audio
from tosa.preprocessing import Preprocessing
from tosa.scale.executor import Executor, LocalExecutor
from tosa.training.data import kinds
from tosa.training.data.dataset import SkippedFiles
from tosa.training.data.drawing import DEFAULT, draw_window, drawing_key
from tosa.training.data.folders import PassedOver, files_below
from tosa.training.data.kinds import Kind
from tosa.training.files import atomic_write, progress

KEY_FILE = ".drawing"  # in the folder of pictures: how they were drawn


def draw_folder(
    sounds: Path,
    pictures: Path,
    skipped: SkippedFiles | None = None,
    preprocessing: Preprocessing = DEFAULT,
    executor: Executor | None = None,
) -> dict[Path, Path]:
    """Draws every sound of sounds/<label>/ as pictures/<label>/<name>.png, as serving would, on all cores.

    executor: draws instead of this machine's cores; its results must come in the order of the items.

    Returns the sound of each picture. A picture takes over its sound's time of change, and a sound whose picture has it
    is not drawn again, unless the pictures were drawn in another way. Raises UsageError naming the first sound that
    cannot be read or judged, unless `skipped` lists it.
    """
    skipped = skipped or SkippedFiles()
    if not sounds.is_dir():
        raise UsageError(f"Audio directory '{sounds}' not found.")
    targets = pictures_of(sounds, pictures)
    if not targets:
        raise UsageError(f"No sounds found in '{sounds}': one folder a label is needed.")
    key_file, key = pictures / KEY_FILE, drawing_key(Kind.SOUND, preprocessing)
    same_way = key_file.is_file() and key_file.read_text() == key
    changed = [(sound, picture) for sound, picture in targets.items() if not (same_way and _is_fresh(sound, picture))]
    for error in _draw_all(changed, preprocessing, executor or LocalExecutor(os.cpu_count() or 1)):
        if error:
            skipped.add(UsageError(error))
    with atomic_write(key_file) as partial:
        partial.write_text(key)
    return {picture: sound for sound, picture in targets.items()}


def pictures_without_sound(pictures: Path, sounds: dict[Path, Path]) -> set[Path]:
    """Returns the pictures that were drawn of a sound that is not there any more, such as one moved to another label.

    sounds: of each picture, from draw_folder. Prints how many there are, and how many other pictures.
    """
    others = set(pictures.rglob("*.png")) - sounds.keys()
    stale = {picture for picture in others if kinds.sound_name_of(picture)}
    if others:
        print(
            f"{len(others)} pictures in '{pictures}', such as '{min(others)}', belong to no sound in --audio_dir. "
            f"{len(stale)} of them were drawn from sounds that have been removed; these are left out."
        )
    return stale


def pictures_of(sounds: Path, pictures: Path) -> dict[Path, Path]:
    """Returns where the picture of each sound is, pictures/<label>/<name of the sound>.png; names other files."""
    passed_over = PassedOver()
    files = [file.relative_to(sounds) for file in files_below(sounds) if _is_sound(file, passed_over)]
    passed_over.print_summary()
    return {sounds / file: pictures / kinds.picture_name_of(file) for file in files}


def _is_sound(file: Path, passed_over: PassedOver) -> bool:
    """Whether content or ending are those of a sound. A broken link is named when the sound is drawn."""
    if kinds.has_ending(file, kinds.SOUND_ENDINGS):
        return True
    try:
        if kinds.recognise(file) == "sound":
            return True
        passed_over.add(file, "It is a picture.")
    except OSError as error:
        passed_over.add(file, f"It cannot be read: {error.strerror}.")
    except RequestError as error:
        passed_over.add(file, str(error))
    return False


def _is_fresh(sound: Path, picture: Path) -> bool:
    """Whether the picture has the sound's time of change. A broken link is not fresh, so that reading it names it."""
    return picture.is_file() and sound.exists() and picture.stat().st_mtime_ns == sound.stat().st_mtime_ns


def _draw_all(pairs: list[tuple[Path, Path]], preprocessing: Preprocessing, executor: Executor) -> Iterator[str | None]:
    """What is wrong with each sound, None for those that were drawn."""
    drawn = executor.map(_Drawer(preprocessing), [(str(sound), str(picture)) for sound, picture in pairs])
    yield from progress(drawn, desc="mel-spectrograms", unit="sound", total=len(pairs))


@dataclass(frozen=True)
class _Drawer:
    """Makes the function that draws, also in another process."""

    preprocessing: Preprocessing

    def __call__(self) -> Callable[[Sequence[str]], str | None]:
        return lambda pair: _draw(Path(pair[0]), Path(pair[1]), self.preprocessing)


def _draw(sound: Path, picture: Path, preprocessing: Preprocessing) -> str | None:
    """What is wrong with a sound. Decoding, Fourier transforms and PNG run in parallel in threads."""
    try:
        changed = sound.stat().st_mtime_ns
        window, _ = audio.load_window(sound.read_bytes(), preprocessing)
    except RequestError as error:
        wrong = f"'{sound}': {error}"
    except OSError as error:
        wrong = f"'{sound}' cannot be read: {error.strerror}."
    else:
        with atomic_write(picture) as partial:
            Image.fromarray(draw_window(window, preprocessing)).save(partial, "PNG")
            os.utime(partial, ns=(changed, changed))
        return None
    picture.unlink(missing_ok=True)  # of an earlier content of this file
    return wrong
