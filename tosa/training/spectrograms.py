"""Folders of sounds to folders of mel-spectrogram pictures, the form that the classic retrain.py learns from."""

import os
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from .. import audio
from ..errors import RequestError, UsageError
from .bottlenecks import DRAWING
from .dataset import SOUNDS
from .files import beside


def draw_folder(sounds: Path, pictures: Path) -> None:
    """Draw every sound of sounds/<label>/ as pictures/<label>/<name>.png, as serving would.

    A picture takes over its sound's time of change, and a sound whose picture has it is not drawn again, unless the
    pictures were drawn in another way. Raises UsageError naming the first sound that cannot be read or judged.
    """
    if not sounds.is_dir():
        raise UsageError(f"Audio directory '{sounds}' not found.")
    files = sorted(path for path in sounds.rglob("*") if path.suffix.lower() in SOUNDS)
    if not files:
        raise UsageError(f"No sounds found in '{sounds}': one folder a label is needed.")
    way = pictures / ".drawing"
    same_way = way.is_file() and way.read_text() == DRAWING
    targets = {file: pictures / file.relative_to(sounds).with_suffix(file.suffix + ".png") for file in files}
    for file, target in tqdm(targets.items(), desc="mel-spectrograms", unit="sound", disable=None):
        changed = file.stat().st_mtime_ns
        if same_way and target.is_file() and target.stat().st_mtime_ns == changed:
            continue
        try:
            drawn = audio.picture(file.read_bytes())
        except RequestError as error:
            raise UsageError(f"'{file}': {error}") from error
        with beside(target) as partial:
            Image.fromarray(drawn).save(partial, "PNG")
            os.utime(partial, ns=(changed, changed))
    with beside(way) as partial:
        partial.write_text(DRAWING)
    others = set(pictures.rglob("*.png")) - set(targets.values())
    if others:
        print(f"{len(others)} pictures in '{pictures}' are of no sound in '{sounds}', such as '{min(others)}'.")
