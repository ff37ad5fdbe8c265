"""Cuts clips of speech, laughter, music and effects from free packages of Debian: sounds that the cough sets lack.

    python -m tosa.audit.datasets.debian_sounds DATA/cough/debian_sounds

Downloads PACKAGES with apt-get without installing them, and cuts clips of up to five seconds from some of their sounds,
with a table metadata.csv as the other sets have. The licences are those of the packages. If espeak-ng is installed, its
voices also laugh and talk, since these packages hold little laughter.
"""

import csv
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from tosa.errors import RequestError
from tosa.inputs.audio import SAMPLE_RATE, check_sound
from tosa.training.data.kinds import SOUND_ENDINGS
from tosa.training.files import atomic_write

# package: how many of the sounds in each of its folders (a voice, a kind of effect) are taken at most
PACKAGES = {
    "asterisk-core-sounds-en-wav": 15,  # telephone announcements: speech
    "asterisk-core-sounds-es-wav": 15,
    "asterisk-core-sounds-fr-wav": 15,
    "asterisk-core-sounds-it-wav": 15,
    "asterisk-core-sounds-ru-wav": 15,
    "colobot-common-sounds": 25,  # machines, explosions
    "fillets-ng-data": 6,  # dialogues and music
    "freedroidrpg-data": 12,
    "hedgewars-data": 12,  # short exclamations of sixteen voices, laughs among them, and five coughs
    "klettres-data": 4,  # letters and syllables in two dozen languages
    "ktuberling-data": 8,  # words in thirty languages
    "minetest-data": 25,  # steps, water, wind, fire
    "sonic-pi-samples": 40,  # instruments and loops
    "wesnoth-1.16-data": 60,  # animals, weapons, crowds
    "wesnoth-1.16-music": 25,  # orchestral music
}
TELLING = ("laugh", "cough")  # sounds with these words in their names are always taken
VOICES = 60  # of espeak-ng
SAYINGS = ("ha ha ha ha ha", "he he he he", "ho ho ho", "hi hi hi hi hi", "haaa ha ha", "heh", "oh no, wait, wait!",
           "and then we all went home, you know", "one two three four five six", "mhm, yeah, okay")  # fmt: skip
CLIP_SECONDS = 5.0
LOUD_ENOUGH = 0.01  # peak
COLUMNS = ["file", "class", "sick", "group", "package", "duration_s"]


def chosen(folder: Path, most: int) -> list[Path]:
    """Returns at most `most` sounds of a folder, the first by the hash of their names, and all telling ones."""
    files = [path for path in folder.iterdir() if path.suffix.lower() in SOUND_ENDINGS]
    files.sort(key=lambda path: hashlib.sha1(path.name.encode(), usedforsecurity=False).hexdigest())
    telling = [path for path in files if any(word in path.name.lower() for word in TELLING)]
    return telling + [path for path in files if path not in telling][: max(most - len(telling), 0)]


def clip(file: Path) -> np.ndarray | None:
    """Returns five seconds from a third of the file on, mono at SAMPLE_RATE; None if it is silent or unreadable."""
    try:
        with soundfile.SoundFile(file) as sound:
            wanted = round(CLIP_SECONDS * sound.samplerate)
            sound.seek(max((sound.frames - wanted) // 3, 0))
            samples = sound.read(wanted, dtype="float32", always_2d=True).mean(axis=1)
        samples = soxr.resample(samples, sound.samplerate, SAMPLE_RATE)
        check_sound(samples)
    except (soundfile.SoundFileError, RequestError):
        return None
    return samples if np.abs(samples).max() >= LOUD_ENOUGH else None


def spoken(folder: Path) -> list[Path]:
    """Lets VOICES of espeak-ng say two SAYINGS each at a random pitch and speed; returns the files in folder."""
    listed = subprocess.run(["espeak-ng", "--voices"], capture_output=True, text=True, check=True).stdout
    languages = sorted({line.split()[1] for line in listed.splitlines()[1:]})
    rng = np.random.default_rng(0)
    files = []
    for number in range(VOICES):
        speaker = f"{rng.choice(languages)}+{'mf'[number % 2]}{rng.integers(1, 5)}"
        for saying in rng.choice(SAYINGS, 2, replace=False):
            files.append(folder / f"{number:02}-{saying[:3].strip()}.wav")
            pitch, speed = rng.integers(20, 95), rng.integers(120, 300)
            command = ["espeak-ng", "-v", speaker, "-p", str(pitch), "-s", str(speed), "-w", files[-1], saying]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return files


def unpack(package: str, folder: Path) -> list[Path]:
    """Downloads a package and unpacks it in folder; returns the folders in it that hold sounds."""
    subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
    (archive,) = folder.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder / package], check=True)
    archive.unlink()
    return sorted({path.parent for path in (folder / package).rglob("*") if path.suffix.lower() in SOUND_ENDINGS})


def voice(package: str, folder: Path) -> str:
    """Returns who speaks or plays in a folder of a package, as far as names tell: the group that is never split."""
    if package.startswith("asterisk"):  # an announcer's digits and letters lie in folders of their own
        return package
    if package == "klettres-data":  # and a language's letters and syllables
        folder = folder.parent
    return f"{package}/{folder.name}"


def sounds(most: dict[str, int]) -> Iterator[tuple[Path, str, str, str]]:
    """Yields file, name in the set, package and voice of each sound to cut a clip from.

    most: as PACKAGES. The file is removed when the next package begins.
    """
    for package, of_each in tqdm(most.items(), desc="Debian's sounds", unit="package", disable=None):
        with tempfile.TemporaryDirectory() as scratch:
            for folder in unpack(package, Path(scratch)):
                for file in chosen(folder, of_each):
                    name = str(file.relative_to(scratch)).replace("/usr/share/", "/")
                    yield file, name, package, voice(package, folder)
    if shutil.which("espeak-ng"):
        with tempfile.TemporaryDirectory() as scratch:
            for file in spoken(Path(scratch)):
                yield file, f"espeak-ng/{file.name}", "espeak-ng", f"espeak-ng/{file.name[:2]}"


def write_clips(target: Path, found: Iterable[tuple[Path, str, str, str]]) -> list[list]:
    """Writes a clip of each audible sound below target; returns the rows of the table.

    A clip that several voices share is left out, since training and testing could both have it.
    """
    clips: dict[bytes, list[list]] = {}
    for file, name, package, group in found:
        samples = clip(file)
        if samples is None:
            continue
        cough = "cough" in file.name.lower()
        name = name.replace(" ", "_") + ".flac"
        row = [name, "cough" if cough else "other", int(cough), group, package, round(len(samples) / SAMPLE_RATE, 2)]
        same = clips.setdefault(hashlib.sha1(samples.tobytes(), usedforsecurity=False).digest(), [])
        same.append(row)
        if len(same) == 1:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(target / name, samples, SAMPLE_RATE)
    rows = []
    for first, *others in clips.values():
        if any(other[3] != first[3] for other in others):
            (target / first[0]).unlink()
        else:
            rows.append(first)
    return rows


def main(target: Path) -> None:
    """Writes the clips of all PACKAGES and their table into the folder target."""
    """Writes the clips and their table into a folder."""
    rows = write_clips(target, sounds(PACKAGES))
    with atomic_write(target / "metadata.csv") as partial, open(partial, "w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([COLUMNS, *rows])
    print(f"{len(rows)} clips in '{target}'.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
