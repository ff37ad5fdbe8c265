"""Every limit and every environment variable, one line each."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from tosa.errors import SettingError

_PACKAGE = Path(__file__).resolve().parent
_DATA = _PACKAGE / "_data"  # where a wheel has the page and the embedded graph; a checkout has them at its top
INSTALLED = _DATA.is_dir()
ROOT = _DATA if INSTALLED else _PACKAGE.parent  # the folder of templates/, static/ and the embedded graph

MAX_SOUND_BYTES = 10 * 2**20  # one sound file
MAX_PICTURE_BYTES = 64 * 2**20  # one picture file; an uncompressed DX of 3,056 x 2,544 pixels takes 15.5 MB
MAX_BODY_BYTES = MAX_SOUND_BYTES + MAX_PICTURE_BYTES + 2**20  # one upload, all parts and what is around them
MAX_SOUND_SECONDS = 60.0  # longer sounds are refused before they are decoded whole
MIN_SOUND_SECONDS = 0.3  # shorter sounds hold no whole cough
MAX_PICTURE_PIXELS = 25_000_000
MAX_DECODED_BYTES = 128 * 2**20  # pixels of one picture, all channels; a sound's 60 s never take more than 6 MB
MAX_PARTS = 10  # of a form; two are of use
MAX_DECODING_SECONDS = 1.5  # of a processor's time for one small file, so that every refusal comes within 2 s
DECODING_SECONDS_A_MIB = 0.3  # of a large file, from 5 MiB on; JPEG 2000, the slowest, takes about 0.14
MAX_DECODING_WAIT = 20.0  # seconds by the clock for one file, should its decoder hang; a busy machine is slow too
MAX_DECODING_BYTES = 2**30  # address space of a process that decodes: 0.25 GB of libraries, up to 0.4 of data
MAX_DECODERS = 8  # processes that decode; as many as cores up to this
MAX_CONNECTIONS = 500  # open at once, those with a stalled upload too
IDLE_SECONDS = 30  # after which a connection that neither sends nor waits for an answer is closed
STOP_SECONDS = 9.0  # that SIGTERM leaves to the requests in hand
MAX_WAITING = 8  # requests that may wait for a free slot
MAX_WAIT_SECONDS = 2.0  # how long each of them waits
RETRY_AFTER_SECONDS = 2  # what a refused one is told


def decoding_seconds(size: int) -> float:
    """The processor time that decoding a file of so many bytes may take."""
    return max(MAX_DECODING_SECONDS, DECODING_SECONDS_A_MIB * size / 2**20)


def _number(name: str, default: int, least: int, most: int) -> int:
    """The whole number in an environment variable. Raises SettingError unless it is from least to most."""
    given = os.environ.get(name, str(default))
    if not given.isdecimal() or not least <= int(given) <= most:
        raise SettingError(f"{name}={given} is not a whole number from {least} to {most}.")
    return int(given)


def _folder(name: str, default: Path) -> Path | None:
    """The folder in an environment variable; None where that is empty."""
    given = os.environ.get(name, str(default))
    return Path(given) if given else None


def _default_cache() -> Path:
    """The checkout's .cache; for an installed Tosa, whose own folder may be read-only, the user's cache folder."""
    if not INSTALLED:
        return ROOT / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tosa"


def _choice(name: str, *choices: str) -> str:
    """The word in an environment variable, the first choice by default. Raises SettingError on any other."""
    given = os.environ.get(name, choices[0])
    if given not in choices:
        raise SettingError(f"{name}={given} is none of {', '.join(choices)}.")
    return given


@dataclass(frozen=True)
class Settings:
    """What the environment can change. Raises SettingError on a number or word that makes no sense."""

    graph: Path = field(default_factory=lambda: Path(os.environ.get("TOSA_GRAPH", ROOT / "retrained_graph.pb")))
    labels: Path = field(default_factory=lambda: Path(os.environ.get("TOSA_LABELS", ROOT / "retrained_labels.txt")))
    host: str = field(default_factory=lambda: os.environ.get("TOSA_HOST", "127.0.0.1"))
    port: int = field(default_factory=lambda: _number("TOSA_PORT", 5000, 1, 65_535))
    log: bool = field(default_factory=lambda: bool(_number("TOSA_LOG", 1, 0, 1)))  # one line a request on stderr
    slots: int = field(default_factory=lambda: _number("TOSA_SLOTS", (os.cpu_count() or 1) * 2, 1, 1000))  # in flight
    # MiB that all uploads in flight may take together
    upload_memory: int = field(default_factory=lambda: _number("TOSA_UPLOAD_MEMORY", 512, 80, 1_000_000))
    # where a compiled network is kept for the next start; empty: nowhere
    cache: Path | None = field(default_factory=lambda: _folder("TOSA_CACHE", _default_cache()))
    # auto: bf16 where the processor calculates in it by itself, else f32
    precision: str = field(default_factory=lambda: _choice("TOSA_PRECISION", "auto", "f32", "bf16", "int8"))
