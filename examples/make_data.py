"""Draws X-ray-like pictures and synthesises sounds, in the folders that the commands of README.md and docs/ train on.

    python examples/make_data.py [FOLDER]

Nobody's chest or cough is among them: they show how training works, and a network that learns from them is of no other
use. The same script gives the same files. It writes, into the working folder unless another is named:

    sounds/       not_sick, sick: knocks, hums, whistles and voices, and coughs; two sounds of each person
    chest_xray/   normal, bacterial_pneumonia, viral_pneumonia: two pictures of each person
    dataset/      covid, normal: one picture of each of 25 persons
    cases.csv     a table of all sounds and chest_xray, with task, label, person and source
"""

import csv
import sys
from pathlib import Path

import numpy as np
import soundfile
from make_examples import RATE, coughs, ellipse, lung, phantom_xray, vocal_tract
from PIL import Image

PERSONS = 12  # of each label of sounds/ and chest_xray/
SIDE = 240  # pixels, height and width of the pictures
SECONDS = 2.0  # of the sounds that are no coughs
XRAYS = {"normal": "normal", "bacterial_pneumonia": "patch", "viral_pneumonia": "haze"}  # what is seen, by label


def main(folder: Path) -> None:
    """Writes the folders and the table. Ends the program if one of them is there, since it may hold someone's data."""
    names = ("sounds", "chest_xray", "dataset", "cases.csv")
    if existing := [name for name in names if (folder / name).exists()]:
        sys.exit(f"'{folder / existing[0]}' is there already. Remove it, or name another folder to write to.")
    rows = [*write_sounds(folder), *write_xrays(folder)]
    write_dataset(folder)
    with open(folder / "cases.csv", "w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([("file", "task", "label", "group", "source"), *rows])
    print(f"Wrote {', '.join(names[:-1])} and {names[-1]} into '{folder}'.")


def write_sounds(folder: Path) -> list[tuple[str, ...]]:
    """Writes two sounds of each person in two folders; returns their rows of the table."""
    rows = []
    for label, first in (("not_sick", 0), ("sick", PERSONS)):
        for person in range(first, first + PERSONS):
            for take in (1, 2):
                seed = 10 * person + take
                sound = coughs(count=2 + seed % 3, seed=seed) if label == "sick" else other_sound(seed)
                file = f"sounds/{label}/person{person:02}_take{take}.wav"
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / file, sound, RATE, subtype="PCM_16")
                rows.append((file, "cough", label.replace("_", " "), f"person{person:02}", "synthesised"))
    return rows


def write_xrays(folder: Path) -> list[tuple[str, ...]]:
    """Writes two pictures of each person in three folders; returns their rows of the table."""
    rows = []
    for number, (label, seen) in enumerate(XRAYS.items()):
        for person in range(50 + number * PERSONS, 50 + (number + 1) * PERSONS):
            for take in (1, 2):
                file = f"chest_xray/{label}/person{person}_view{take}.png"
                _save(folder / file, xray(seen, 10 * person + take))
                rows.append((file, "pneumonia", label.replace("_", " "), f"person{person}", "drawn"))
    return rows


def write_dataset(folder: Path) -> None:
    """Writes the two folders of 25 pictures each that the tutorial of 2020 had."""
    for label, seen, first in (("covid", "haze", 2000), ("normal", "normal", 3000)):
        for number in range(25):
            _save(folder / "dataset" / label / f"{label}{number:02}.png", xray(seen, first + number))


def _save(file: Path, picture: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(file)


def xray(seen: str, seed: int) -> np.ndarray:
    """Draws a chest, uint8 (SIDE, SIDE), of its own size and place, and in its lungs nothing, a patch or a haze."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    scale, shift = random.uniform(0.94, 1.06), random.uniform(-0.02, 0.02, 2)
    y, x = (y - 0.5) * scale + 0.5 + shift[0], (x - 0.5) * scale + 0.5 + shift[1]
    if seen == "patch":
        side = random.choice((-1, 1))
        centre = (random.uniform(0.5, 0.66), 0.5 + side * random.uniform(0.17, 0.24))
        added = 0.3 * ellipse(y, x, centre, (0.12, 0.09), softness=0.6) * lung(y, x, side)
    elif seen == "haze":
        small = Image.fromarray(random.normal(0.14, 0.07, (30, 30)).astype(np.float32))
        cloud = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).clip(0)
        added = cloud * (lung(y, x, -1) + lung(y, x, 1))
    else:
        added = 0.0
    return phantom_xray(y, x, added, seed)


def other_sound(seed: int) -> np.ndarray:
    """Synthesises a sound that is no cough: float32 (samples,) at RATE, peak 0.5."""
    random = np.random.default_rng(seed)
    sound = (knocks, hum, whistle, voice)[seed % 4](random) + random.normal(0, 0.002, round(SECONDS * RATE))
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def knocks(random: np.random.Generator) -> np.ndarray:
    """Returns some knocks on wood: short tones that die away at once."""
    time, sound = _time(), np.zeros(round(SECONDS * RATE))
    for start in np.sort(random.uniform(0.1, SECONDS - 0.3, random.integers(3, 7))):
        after = (time - start).clip(0)
        sound += (time >= start) * np.exp(-after / 0.02) * np.sin(2 * np.pi * random.uniform(150, 400) * after)
    return sound


def hum(random: np.random.Generator) -> np.ndarray:
    """Returns the hum of a machine: a low tone with harmonics."""
    pitch = random.uniform(50, 130)
    return sum(np.sin(2 * np.pi * pitch * number * _time()) / number for number in range(1, 9))


def whistle(random: np.random.Generator) -> np.ndarray:
    """Returns a whistle whose pitch wavers."""
    pitch = random.uniform(900, 2_200) * (1 + 0.15 * np.sin(2 * np.pi * random.uniform(0.5, 3) * _time()))
    return np.sin(2 * np.pi * np.cumsum(pitch) / RATE)


def voice(random: np.random.Generator) -> np.ndarray:
    """Returns a voice that holds vowels: pulses of the glottis through the resonances of a vocal tract."""
    pitch = random.uniform(90, 240) * (1 + 0.05 * np.sin(2 * np.pi * 5 * _time()))
    pulses = (np.cumsum(pitch) / RATE % 1 < 0.1) - 0.1
    return vocal_tract(pulses * (0.2 + np.sin(np.pi * random.uniform(1, 3) * _time()) ** 2))


def _time() -> np.ndarray:
    """Returns the time of each sample in seconds."""
    return np.arange(round(SECONDS * RATE)) / RATE


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
