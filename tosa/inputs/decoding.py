"""Decodes a file in this process: from its bytes to the array that is sent to the network or drawn."""

from dataclasses import dataclass

import numpy as np

from tosa import settings
from tosa.inputs import audio, xray
from tosa.preprocessing import Preprocessing

DEFAULT = Preprocessing()


@dataclass(frozen=True, eq=False)
class Decoded:
    """A sound's window, float32 (window_samples,), all of it, float32 (n,), or an X-ray, uint8 (size, size, 3)."""

    array: np.ndarray
    seconds: float | None = None  # that the whole sound lasts
    age_years: float | None = None  # of the patient, where a DICOM file says it


def decode_file(kind: str, data: bytes, preprocessing: Preprocessing = DEFAULT) -> Decoded:
    """Decodes and judges a file in this process. Raises what audio and xray raise.

    kind: 'sound' for the loudest window of a sound, 'recording' for all of it, 'picture' for an X-ray.
    """
    if kind == "sound":
        return Decoded(*audio.load_window(data, preprocessing))
    if kind == "recording":
        samples = audio.load_recording(data, preprocessing)
        return Decoded(samples, seconds=len(samples) / preprocessing.sample_rate)
    prepared = xray.prepare(data, preprocessing)
    return Decoded(prepared.pixels, age_years=prepared.age_years)


def shape_of(kind: str, preprocessing: Preprocessing = DEFAULT) -> tuple[int, ...]:
    """Returns the shape of the array that `decode_file` returns; of a recording, the largest that it may have."""
    if kind == "recording":  # and what a resampler adds
        return (round((settings.MAX_SOUND_SECONDS + 1) * preprocessing.sample_rate),)
    size = preprocessing.size
    return (preprocessing.window_samples,) if kind == "sound" else (size, size, 3)
