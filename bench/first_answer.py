"""Seconds from `python app.py` to the first answer, for a sound and for an X-ray; median of several starts.

python bench/first_answer.py [--starts 5]
"""

import argparse
import io
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def sound() -> bytes:
    """Two seconds of decaying noise."""
    noise = np.random.default_rng(0).normal(size=44_100) * np.exp(-np.arange(44_100) / 8_000) * 0.2
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, 22_050, format="WAV")
    return buffer.getvalue()


def picture() -> bytes:
    """A gray ramp."""
    buffer = io.BytesIO()
    Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (256, 1))).save(buffer, "PNG")
    return buffer.getvalue()


def seconds_to_answer(body: bytes, content_type: str) -> float:
    """Start the app on a free port, ask until it answers, stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | {"TOSA_PORT": str(port)}, stdout=subprocess.DEVNULL
    )
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", body, {"Content-Type": content_type})
    try:
        while time.perf_counter() - started < 60:
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    response.read()
                return time.perf_counter() - started
            except urllib.error.HTTPError:
                return time.perf_counter() - started  # a refusal is an answer too
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.02)
        raise SystemExit("no answer within 60 s")
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=5)
    starts = parser.parse_args().starts
    for name, body, content_type in (("sound", sound(), "audio/wav"), ("X-ray", picture(), "image/png")):
        times = [seconds_to_answer(body, content_type) for _ in range(starts)]
        print(f"{name:6} {statistics.median(times):.2f} s (of {starts}: {min(times):.2f} to {max(times):.2f})")


if __name__ == "__main__":
    main()
