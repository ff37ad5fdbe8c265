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
MAX_BODY_BYTES = MAX_SOUND_BYTES + MAX_PICTURE_BYTES + 2**20  # one request, with both files and the form around them
MAX_SOUND_SECONDS = 60.0  # longer sounds are refused before they are decoded whole
MIN_SOUND_SECONDS = 0.3  # shorter sounds hold no whole cough
MAX_PICTURE_PIXELS = 25_000_000
MAX_DECODED_BYTES = 128 * 2**20  # pixels of one picture, all channels; a sound's 60 s never take more than 6 MB
MAX_PARTS = 10  # of a form; Tosa reads two
MAX_DECODING_SECONDS = 1.5  # of a processor's time for one small file, so that every refusal comes within 2 s
DECODING_SECONDS_A_MIB = 0.3  # of a large file, from 5 MiB on; JPEG 2000, the slowest, takes about 0.14
MAX_DECODING_WAIT = 20.0  # seconds by the clock for one file, should its decoder hang; a busy machine is slow too
MAX_DECODING_BYTES = 2**30  # address space of a process that decodes: 0.25 GB of libraries, up to 0.4 of data
MAX_DECODERS = 8  # processes that decode; as many as cores up to this
MAX_CONNECTIONS = 500  # open at once, including those with a stalled upload
IDLE_SECONDS = 30  # a connection that neither sends nor waits for an answer is closed after this time
STOP_SECONDS = 9.0  # after SIGTERM, the requests in progress have this time to finish
MAX_WAITING = 8  # requests that may wait for a free slot
MAX_WAIT_SECONDS = 2.0  # a request that has waited for this time is refused
RETRY_AFTER_SECONDS = 2  # sent to clients of refused requests
UPLOAD_COPIES = 2  # of a request's body that are in memory at the same time: as received, and as parsed


def decoding_seconds(size: int) -> float:
    """The processor time that decoding a file of so many bytes may take."""
    return max(MAX_DECODING_SECONDS, DECODING_SECONDS_A_MIB * size / 2**20)


def _number(name: str, default: int, least: int, most: int) -> int:
    """The whole number in an environment variable. Raises SettingError unless it is from least to most."""
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise SettingError(f"{name}={value} is not a whole number from {least} to {most}.")
    return int(value)


def _file(name: str) -> Path | None:
    """The file in an environment variable; None if it is empty or not set."""
    value = os.environ.get(name)
    return Path(value) if value else None


def _folder(name: str, default: Path) -> Path | None:
    """The folder in an environment variable; None if it is empty."""
    value = os.environ.get(name, str(default))
    return Path(value) if value else None


def _default_cache() -> Path:
    """The checkout's .cache; for an installed Tosa, whose own folder may be read-only, the user's cache folder."""
    if not INSTALLED:
        return ROOT / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tosa"


def _choice(name: str, *choices: str) -> str:
    """The word in an environment variable, the first choice by default. Raises SettingError for other words."""
    value = os.environ.get(name, choices[0])
    if value not in choices:
        raise SettingError(f"{name} must be one of {', '.join(choices)}, not '{value}'.")
    return value


@dataclass(frozen=True)
class Settings:
    """What environment variables can change. Raises SettingError, which names the variable, on a wrong value."""

    graph: Path = field(default_factory=lambda: Path(os.environ.get("TOSA_GRAPH", ROOT / "retrained_graph.pb")))
    # only for a graph that does not carry its labels; None: the file beside the graph, under the usual name
    labels: Path | None = field(default_factory=lambda: _file("TOSA_LABELS"))
    host: str = field(default_factory=lambda: os.environ.get("TOSA_HOST", "127.0.0.1"))
    port: int = field(default_factory=lambda: _number("TOSA_PORT", 5000, 1, 65_535))
    log: bool = field(default_factory=lambda: bool(_number("TOSA_LOG", 1, 0, 1)))  # one line for each request on stderr
    # requests that are worked on at the same time
    slots: int = field(default_factory=lambda: _number("TOSA_SLOTS", (os.cpu_count() or 1) * 2, 1, 1000))
    # how many proxies in front of the server are trusted; their X-Forwarded-* headers say which address was asked for
    proxies: int = field(default_factory=lambda: _number("TOSA_PROXY", 0, 0, 10))
    # MiB of memory for all uploads that are in progress; the smallest value holds one request of MAX_BODY_BYTES
    upload_memory: int = field(
        default_factory=lambda: _number("TOSA_UPLOAD_MEMORY", 512, UPLOAD_COPIES * MAX_BODY_BYTES // 2**20, 1_000_000)
    )
    # folder in which the compiled network is stored for the next start; empty: it is not stored
    cache: Path | None = field(default_factory=lambda: _folder("TOSA_CACHE", _default_cache()))
    # cascade: int8, and float32 where the decision is close. auto: cascade if the graph has what it needs and int8 is
    # faster, else bf16 if the processor has instructions for it, else f32
    precision: str = field(default_factory=lambda: _choice("TOSA_PRECISION", "auto", "cascade", "f32", "bf16", "int8"))
