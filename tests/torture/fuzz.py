"""Feeds audio and xray with what libFuzzer makes of valid files, for as long as it is given.

    pip install atheris
    python tests/torture/fuzz.py 600        # seconds

Atheris follows the Python code that it instruments (ours, pydicom's, Pillow's); of the decoders in C it sees the
outcome alone. It ends with the input that raised something else than a RequestError, or crashed.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "torture")]

with atheris.instrument_imports(include=["tosa", "pydicom", "PIL", "soundfile"]):
    import pydicom.pixels  # noqa: F401
    import soundfile  # noqa: F401

    from tosa import errors, screening
    from tosa.inputs import decoding


def one(data: bytes) -> None:
    try:
        decoding.decode_file(screening.kind_of(data), data)
    except errors.RequestError:
        pass


def main(seconds: int) -> None:
    from test_mutated import FILES

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(FILES.values()):
            Path(folder, str(number)).write_bytes(data)
        options = [f"-max_total_time={seconds}", "-max_len=65536", "-timeout=10", "-rss_limit_mb=3000"]
        atheris.Setup([sys.argv[0], folder, *options], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]))
