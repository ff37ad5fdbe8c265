"""How many copies of pictures and sounds the fingerprints find, and how many other files they take for copies.

    python bench/fingerprints.py --data DATA [--copies 200] [--others 600]

DATA has one folder of sets for each kind, xray and cough, as docs/training.md lists them. Copies: files drawn from all
sets, each changed in every way, and looked up among all files. Others: files that are looked up among those of other
patients or groups, most of them of the same hospital, speakers or microphones.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

import numpy as np
import soxr
from PIL import Image, ImageEnhance
from scipy.signal import correlate

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sounds import container, wav  # noqa: E402
from tosa.training.data import fingerprints  # noqa: E402
from tosa.training.data.dataset import Case  # noqa: E402
from tosa.training.data.drawing import decode, decode_content  # noqa: E402

TASKS = {"xray": "pneumonia", "cough": "cough"}
RATE = 22_050


def cases_of(folder: Path) -> list[Case]:
    cases = []
    for table in sorted([*folder.glob("*/labels.csv"), *folder.glob("*/metadata.csv")]):
        for row in csv.DictReader(table.open(encoding="utf-8")):
            file = table.parent / row["file"]
            group = next((row[name] for name in ("patient_id", "subject", "group", "patient") if row.get(name)), file)
            cases.append(Case(file, TASKS[folder.name], "x", str(group), "training", table.parent.name))
    return [case for case in cases if case.file.is_file()]


def jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def cropped(picture: Image.Image, most: float, rng: np.random.Generator) -> bytes:
    """A JPEG that lacks up to `most` of the side at each edge."""
    left, top, right, bottom = rng.uniform(0, most, 4)
    width, height = picture.size
    return jpeg(picture.crop((round(left * width), round(top * height), round(width * (1 - right)),
                              round(height * (1 - bottom)))), 85)  # fmt: skip


def picture_changes(rng: np.random.Generator) -> dict:
    def scaled(share):
        return lambda p: jpeg(p.resize((round(p.width * share), round(p.height * share))), 85)

    return {
        "JPEG, quality 30": lambda p: jpeg(p, 30),
        "0.4 x the side": scaled(0.4),
        "1.7 x the side": scaled(1.7),
        "squashed to 224 x 224": lambda p: jpeg(p.resize((224, 224)), 85),
        "contrast x 1.25": lambda p: jpeg(ImageEnhance.Contrast(p).enhance(1.25), 85),
        "gamma 1.4": lambda p: jpeg(p.point([round(255 * (v / 255) ** 1.4) for v in range(256)]), 85),
        "cropped by up to 2 % an edge": lambda p: cropped(p, 0.02, rng),
        "cropped by up to 5 % an edge": lambda p: cropped(p, 0.05, rng),
    }


def resampled(samples: np.ndarray, rate: int) -> bytes:
    return wav(soxr.resample(samples, RATE, rate), rate)


def sound_changes(_: np.random.Generator) -> dict:
    return {
        "MP3": lambda s: container(soxr.resample(s, RATE, 44_100), "mp3", "mp3", rate=44_100),
        "Opus": lambda s: container(soxr.resample(s, RATE, 48_000), "ogg", "libopus"),
        "8 kHz": lambda s: resampled(s, 8_000),
        "44.1 kHz": lambda s: resampled(s, 44_100),
        "12 dB softer": lambda s: wav(s / 4),
        "6 dB louder, clipped": lambda s: wav(np.clip(s * 2, -1, 1)),
        "stereo": lambda s: wav(np.stack([s, 0.8 * s], axis=1)),
        "silence around it": lambda s: wav(np.pad(s, (3_000, 9_000))),
        "2 % and 3 % cut off its ends": lambda s: wav(s[round(0.02 * len(s)) : len(s) - round(0.03 * len(s))]),
    }


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """The largest correlation of two sounds over all shifts: near 1 for two copies of one recording."""
    one, other = one - one.mean(), other - other.mean()
    return float(np.abs(correlate(one, other, method="fft")).max() / np.sqrt((one @ one) * (other @ other)))


def measure(folder: Path, changes: dict, copies: int, others: int) -> None:
    cases = cases_of(folder)
    marks = fingerprints.marks_of(cases)
    kind = "sound" if folder.name == "cough" else "picture"
    kept = [row for row, mark in enumerate(marks) if mark]
    stored = np.stack([marks[row].stored for row in kept])
    groups = np.array([cases[row].group for row in kept])
    print(f"{folder.name}: {len(kept)} of {len(cases)} files have a fingerprint, {stored.nbytes // 1000} kB")
    rng = np.random.default_rng(0)
    drawn = rng.permutation(len(kept))
    found = []
    for row in drawn[:others]:
        strangers = groups != groups[row]
        hits = fingerprints.alike(marks[kept[row]], stored) & strangers
        found += [(row, hit) for hit in np.flatnonzero(hits)]
    print(
        f"  others: {len({row for row, _ in found})} of {min(others, len(kept))} files taken for one of another group"
    )
    for row, hit in found[:40]:
        one, other = cases[kept[row]], cases[kept[hit]]
        note = f", waveforms correlate by {correlation(decode(one), decode(other)):.3f}" if kind == "sound" else ""
        print(f"    {one.file} = {other.file}{note}")
    for name, change in changes.items():
        right = tried = 0
        for row in drawn[:copies]:
            case = cases[kept[row]]
            decoded = decode(case)
            content = change(decoded if kind == "sound" else Image.fromarray(decoded[:, :, 0]))
            try:
                mark = fingerprints.mark_of(case, decode_content(case, content))
            except Exception as error:  # clipped flat, for example
                print(f"    {name}: {error}")
                continue
            tried += 1
            right += bool(mark and fingerprints.alike(mark, stored[[row]])[0])
        print(f"  {name:30} found {right} of {tried}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--others", type=int, default=600)
    parser.add_argument("--only", choices=TASKS)
    flags = parser.parse_args()
    for name, changes in (("xray", picture_changes), ("cough", sound_changes)):
        if flags.only in (None, name):
            measure(flags.data / name, changes(np.random.default_rng(1)), flags.copies, flags.others)


if __name__ == "__main__":
    main()
