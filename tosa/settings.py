"""Every limit and every environment variable, one line each."""

import os
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

MAX_BODY_BYTES = 10 * 2**20  # one upload, all parts together
MAX_SOUND_SECONDS = 60.0  # longer sounds are refused before they are decoded whole
MIN_SOUND_SECONDS = 0.3  # shorter sounds hold no whole cough
MAX_PICTURE_PIXELS = 25_000_000
MAX_DECODED_BYTES = 64 * 2**20  # samples or pixels of one upload, as held in memory
MAX_WAITING = 8  # requests that may wait for a free slot
MAX_WAIT_SECONDS = 2.0  # how long each of them waits
RETRY_AFTER_SECONDS = 2  # what a refused one is told


@dataclass(frozen=True)
class Settings:
    """What the environment can change. Raises ValueError on a TOSA_PORT or TOSA_SLOTS that is no number."""

    graph: Path = field(default_factory=lambda: Path(os.environ.get("TOSA_GRAPH", ROOT / "retrained_graph.pb")))
    labels: Path = field(default_factory=lambda: Path(os.environ.get("TOSA_LABELS", ROOT / "retrained_labels.txt")))
    host: str = field(default_factory=lambda: os.environ.get("TOSA_HOST", "127.0.0.1"))
    port: int = field(default_factory=lambda: int(os.environ.get("TOSA_PORT", "5000")))
    slots: int = field(default_factory=lambda: int(os.environ.get("TOSA_SLOTS", (os.cpu_count() or 1) * 2)))  # in flight
