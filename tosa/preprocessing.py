"""The constants that decide which picture the network sees of a sound or an X-ray.

A graph carries the values that it was trained with, and serving draws with them; a graph without them was trained with
`Preprocessing()`. Every cache of something that was drawn has `Preprocessing.key()` in its key.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

VERSION = 1  # of the code that draws; it goes up when the same constants give another picture
MEL_FIELDS = ("sample_rate", "n_fft", "n_mels", "f_min", "f_max")  # which the mel bank depends on
GEOMETRIES = ("squash", "letterbox")
MAX_WINDOW_SAMPLES = 480_000  # 10 s at 48 kHz; what a decoder process sends back stays below 2 MB
MAX_STRETCH = 4  # the frames of a window and the picture's columns differ at most by this factor
RANGES: dict[str, tuple[float, float]] = {
    "sample_rate": (8_000, 48_000),
    "n_fft": (64, 8_192),
    "hop_length": (16, 8_192),
    "n_mels": (8, 512),
    "f_min": (0, 24_000),
    "f_max": (1, 24_000),
    "top_db": (10, 200),
    "window_seconds": (0.3, 60),
    "active_db": (10, 200),
    "size": (32, 1_024),
}


@dataclass(frozen=True)
class Preprocessing:
    """How a sound is cut and drawn and how an X-ray is fitted to the network's size.

    The defaults are those of a graph that carries no preprocessing.
    Raises ValueError, which names the field and its value, unless this Tosa can draw so.
    """

    version: int = VERSION
    sample_rate: int = 22_050  # Hz, the default of librosa and of the proof of concept
    n_fft: int = 1024  # samples; 46 ms are short enough to show the onset of a cough
    hop_length: int = 184  # samples; 8.3 ms make 299 frames of 2.5 s, one for each column of the picture
    n_mels: int = 128
    f_min: float = 50.0  # Hz
    f_max: float = 8_000.0  # Hz; above it, codecs differ and must not decide
    top_db: float = 80.0  # decibels below the loudest cell that are drawn black
    window_seconds: float = 2.5  # the part of a sound that one picture shows
    active_db: float = 40.0  # leading and trailing frames this far below the loudest frame are cut off
    size: int = 299  # pixels, side of the picture
    geometry: str = "squash"  # of X-rays; "letterbox" keeps the aspect ratio and pads to a square with black

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version is {self.version!r}; this Tosa draws version {VERSION}")
        if self.geometry not in GEOMETRIES:
            raise ValueError(f"geometry is {self.geometry!r}, not one of {', '.join(GEOMETRIES)}")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)!r}, not from {low:,} to {high:,}")
        if self.n_fft % 2:
            raise ValueError(f"n_fft is {self.n_fft}, not an even number")
        if self.hop_length > self.n_fft:
            raise ValueError(f"hop_length is {self.hop_length}, more than n_fft = {self.n_fft}")
        if self.f_max > self.sample_rate / 2:
            raise ValueError(f"f_max is {self.f_max:g}, more than half of sample_rate = {self.sample_rate}")
        if self.f_min >= self.f_max:
            raise ValueError(f"f_min is {self.f_min:g}, not less than f_max = {self.f_max:g}")
        if self.window_samples > MAX_WINDOW_SAMPLES:
            raise ValueError(f"window_seconds is {self.window_seconds:g}, over {MAX_WINDOW_SAMPLES:,} samples")
        if not self.size / MAX_STRETCH <= self.frames <= self.size * MAX_STRETCH:
            raise ValueError(
                f"hop_length is {self.hop_length}, which gives {self.frames} frames for {self.size} columns"
            )

    @property
    def window_samples(self) -> int:
        """Samples of the part of a sound that one picture shows."""
        return round(self.window_seconds * self.sample_rate)

    @property
    def frames(self) -> int:
        """Columns of the spectrogram of one window."""
        return 1 + self.window_samples // self.hop_length

    @property
    def has_default_mel_bank(self) -> bool:
        """Whether the mel bank in the package fits; a graph with another one carries it."""
        return all(getattr(self, field.name) == field.default for field in fields(self) if field.name in MEL_FIELDS)

    def to_dict(self) -> dict[str, int | float | str]:
        """Returns every field by its name, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Returns the preprocessing that to_dict described; a field that is missing has its default.

        Raises ValueError, which names the field and its value, on what this Tosa does not know or cannot draw.
        """
        types: dict[str, Any] = {field.name: field.type for field in fields(cls)}
        for name, value in values.items():
            if name not in types:
                raise ValueError(f"{name} is {value!r}; this Tosa does not know such a field")
            if not _has_type(value, types[name]):
                raise ValueError(f"{name} is {value!r}, not of type {types[name].__name__}")
        return cls(**{name: types[name](value) for name, value in values.items()})

    def key(self) -> str:
        """Returns 16 hexadecimal digits that differ whenever a field does, to be part of the key of a cache."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]


def _has_type(value: Any, expected: Any) -> bool:
    if isinstance(value, bool):
        return False
    if expected is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, expected)
