"""Makes pictures that are not chest X-rays, to measure whether Tosa refuses them.

    python -m tosa.audit.datasets.other_pictures FOLDER [FOLDER_OF_PHOTOGRAPHS ...]

Writes FOLDER/<kind>/<number>.png, all in gray, since color alone gives most of them away. Photographs, drawings,
screenshots and brains come from Debian packages, which are downloaded with apt-get and not installed, and from the
other folders named. Documents, hands, knees, noise, patterns and blank sheets are drawn here.
"""

import gzip
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from tqdm import tqdm

PACKAGES = {"tuxpaint-stamps-default": ("photographs", 450), "mate-backgrounds": ("photographs", 40),
            "gnome-backgrounds": ("photographs", 20), "lomiri-wallpapers-16.04": ("photographs", 20),
            "openclipart-png": ("drawings", 150), "gimp-help-en": ("screenshots", 150),
            "mricron-data": ("brains", 60)}  # fmt: skip
HEAD = "usr/share/mricron/templates/ch2.nii.gz"  # one man, by magnetic resonance (Holmes et al., 1998)
HEAD_SHAPE, HEAD_OFFSET = (181, 217, 181), 352  # uint8 after a header
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
WORDS = (
    "the", "patient", "was", "seen", "again", "after", "two", "weeks", "and", "had", "no", "fever", "cough", "went",
    "away", "on", "its", "own", "report", "total",
)  # fmt: skip
DRAWN = 60  # of each kind
SIDE = 512  # pixels, the longer one at most


def photographs(folder: Path, most: int) -> Iterator[Image.Image]:
    """Yields up to `most` pictures of a folder in gray, shuffled with a fixed seed."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    random.Random(0).shuffle(files)
    kept = 0
    for file in files:
        try:
            image = Image.open(file).convert("RGBA")
        except (OSError, Image.DecompressionBombError):
            continue
        if min(image.size) < 100 or max(image.size) > 3 * min(image.size) or kept == most:
            continue
        sheet = Image.new("RGBA", image.size, ("white", "black")[kept % 2])
        sheet.alpha_composite(image)
        kept += 1
        yield sheet.convert("L")


def brains(folder: Path, most: int) -> Iterator[Image.Image]:
    """Yields slices of a head along its three axes, from its middle half."""
    values = np.frombuffer(gzip.decompress((folder / HEAD).read_bytes()), np.uint8, offset=HEAD_OFFSET)
    head = values.reshape(HEAD_SHAPE)
    for axis, length in enumerate(HEAD_SHAPE):
        for place in np.linspace(length // 4, 3 * length // 4, most // 3, dtype=int):
            yield Image.fromarray(head.take(place, axis)[::-1])  # the head is up


def document(rng: np.random.Generator) -> Image.Image:
    """Returns a page of text, slightly turned."""
    sheet = Image.new("L", (480, 620), int(rng.integers(225, 256)))
    draw, top = ImageDraw.Draw(sheet), 20
    while top < 600:
        size = int(rng.integers(10, 18))
        line = " ".join(rng.choice(WORDS, rng.integers(3, 12)))
        draw.text((20, top), line, fill=int(rng.integers(0, 60)), font=ImageFont.load_default(size))
        top += size + int(rng.integers(2, 14))
    return sheet.rotate(rng.uniform(-3, 3), fillcolor=230)


def hand(rng: np.random.Generator) -> Image.Image:
    """Returns five rays of three bones over a palm, blurred and noisy like an X-ray."""
    sheet = Image.new("L", (400, 480), int(rng.integers(5, 40)))
    draw, bone = ImageDraw.Draw(sheet), int(rng.integers(150, 245))
    draw.ellipse((110, 240, 290, 430), fill=bone // 2)
    for angle in np.deg2rad(np.linspace(-50, 50, 5) + rng.normal(0, 4, 5)):
        way = np.array([np.sin(angle), -np.cos(angle)])
        point, length = np.array([200, 330]) + 60 * way, rng.uniform(40, 75)
        for _ in range(3):
            ends = [*point, *(point + length * way)]
            draw.line(ends, fill=bone // 2, width=34)
            draw.line(ends, fill=bone, width=16)
            point = point + length * 1.05 * way
    return _exposed(sheet, rng)


def knee(rng: np.random.Generator) -> Image.Image:
    """Returns thigh bone, kneecap and shin in soft tissue."""
    sheet = Image.new("L", (400, 480), int(rng.integers(5, 40)))
    draw, bone, wide = ImageDraw.Draw(sheet), int(rng.integers(150, 245)), rng.uniform(50, 80)
    draw.rectangle((200 - wide * 1.6, 0, 200 + wide * 1.6, 480), fill=bone // 3)
    draw.rectangle((200 - wide, 0, 200 + wide, 210), fill=bone)
    draw.ellipse((200 - wide * 1.3, 150, 200 + wide * 1.3, 240), fill=bone)
    draw.ellipse((170, 120, 230, 190), fill=min(bone + 10, 255))
    draw.ellipse((200 - wide * 1.25, 245, 200 + wide * 1.25, 300), fill=bone)
    draw.rectangle((200 - wide * 0.9, 270, 200 + wide * 0.6, 480), fill=bone)
    return _exposed(sheet, rng)


def _exposed(sheet: Image.Image, rng: np.random.Generator) -> Image.Image:
    blurred = sheet.filter(ImageFilter.GaussianBlur(rng.uniform(1, 5))).rotate(rng.uniform(-15, 15))
    return _gray(np.asarray(blurred) + rng.normal(0, rng.uniform(2, 12), (480, 400)))


def noise(rng: np.random.Generator) -> Image.Image:
    """Returns noise with grains of one to forty pixels."""
    grain = int(rng.choice([1, 2, 4, 8, 16, 40]))
    return _gray(rng.normal(128, 50, (320 // grain, 320 // grain))).resize((320, 320), Image.Resampling.BICUBIC)


def pattern(rng: np.random.Generator) -> Image.Image:
    """Returns a ramp, rings, stripes or chequers."""
    y, x = np.mgrid[:320, :320] / 320
    waves = rng.uniform(5, 60)
    kinds = [x, y, np.hypot(x - 0.5, y - 0.5), np.sin(waves * x), np.sign(np.sin(waves * x) * np.sin(waves * y))]
    values = kinds[rng.integers(len(kinds))] * rng.choice([-1, 1])
    return _gray((values - values.min()) / np.ptp(values) * 255)


def blank(rng: np.random.Generator) -> Image.Image:
    """One gray, with hardly any noise."""
    return _gray(np.full((320, 320), rng.uniform(0, 255)) + rng.normal(0, rng.uniform(0, 3), (320, 320)))


def _gray(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def save(folder: Path, images: Iterator[Image.Image]) -> None:
    """Writes pictures as PNGs of at most SIDE pixels a side, numbered after those that the folder has."""
    folder.mkdir(parents=True, exist_ok=True)
    start = sum(1 for _ in folder.iterdir())
    for number, image in enumerate(images, start):
        image.thumbnail((SIDE, SIDE))
        image.save(folder / f"{number:03}.png")


def main(target: Path, folders: list[Path]) -> None:
    """Writes what is drawn, and the photographs of the folders and of Debian's packages, into a folder by kind."""
    for number, draw in enumerate((document, hand, knee, noise, pattern, blank)):
        rng = np.random.default_rng(number)
        save(target / f"{draw.__name__}s", (draw(rng) for _ in range(DRAWN)))
    for folder in folders:
        save(target / "photographs", photographs(folder, 60))
    for package, (kind, most) in tqdm(PACKAGES.items(), desc="Debian's pictures", unit="package", disable=None):
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["apt-get", "download", "-qq", package], cwd=scratch, check=True)
            (archive,) = Path(scratch).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", archive, scratch], check=True)
            found = brains if kind == "brains" else photographs
            save(target / kind, found(Path(scratch), most))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
