"""Folders of sounds to folders of mel-spectrogram pictures, the form that the classic retrain.py learns from."""

import os
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from .. import audio
from ..errors import RequestError, UsageError
from .dataset import SOUNDS
from .export import beside


def draw_folder(sounds: Path, pictures: Path) -> None:
    """Draw every sound of sounds/<label>/ as pictures/<label>/<name>.png, as serving would.

    A picture takes over its sound's time of change, and a sound whose picture has it is not drawn again.
    Raises UsageError naming the first sound that cannot be read or judged.
    """
    if not sounds.is_dir():
        raise UsageError(f"Audio directory '{sounds}' not found.")
    files = sorted(path for path in sounds.rglob("*") if path.suffix.lower() in SOUNDS)
    if not files:
        raise UsageError(f"No sounds found in '{sounds}': one folder a label is needed.")
    for file in tqdm(files, desc="mel-spectrograms", unit="sound", disable=None):
        target = pictures / file.relative_to(sounds).with_suffix(file.suffix + ".png")
        changed = file.stat().st_mtime_ns
        if target.is_file() and target.stat().st_mtime_ns == changed:
            continue
        try:
            drawn = audio.picture(file.read_bytes())
        except RequestError as error:
            raise UsageError(f"'{file}': {error}") from error
        with beside(target) as partial:
            Image.fromarray(drawn).save(partial, "PNG")
            os.utime(partial, ns=(changed, changed))
