"""Measures what decoding in a separate process costs: median milliseconds a file there and in this process, in turns.

python bench/decoding.py [--rounds 100]
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from pictures import dicom, encoded, phantom  # noqa: E402
from sounds import container, coughs, wav  # noqa: E402
from tosa.inputs import decoder_pool, decoding  # noqa: E402

FILES = {
    "WAV, 2 s": ("sound", lambda: wav(coughs())),
    "WAV, 50 s": ("sound", lambda: wav(np.tile(coughs(10, 96_000), 5), 96_000, subtype="PCM_16")),
    "WebM, 10 s": ("sound", lambda: container(coughs(10, rate=48_000), "webm", "libopus")),
    "PNG, 2 megapixels": ("picture", lambda: encoded(Image.fromarray(phantom(1500, 1500)))),
    "JPEG, 0.1 megapixels": ("picture", lambda: encoded(Image.fromarray(phantom(300, 400)), "JPEG")),
    "DICOM, 4 megapixels": ("picture", lambda: dicom(phantom(2000, 2000).astype(np.uint16) * 16)),
}


def seconds(decode, kind: str, data: bytes) -> float:
    started = time.perf_counter()
    decode(kind, data)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    print(f"{'file':<22}{'kB':>7}{'here':>9}{'there':>9}{'more':>8}  ms")
    with decoder_pool.Pool(1) as pool:
        for name, (kind, make) in FILES.items():
            data = make()
            ways = [(seconds(decoding.decode_file, kind, data), seconds(pool, kind, data)) for _ in range(rounds + 1)][
                1:
            ]
            here, there = (statistics.median(way) * 1e3 for way in zip(*ways))
            print(f"{name:<22}{len(data) // 1024:>7}{here:>9.2f}{there:>9.2f}{there - here:>8.2f}")


if __name__ == "__main__":
    main()
