"""Draws phantom-xray.jpg and synthesises cough.wav: input for a first try of Tosa that belongs to no patient.

    python examples/make_examples.py [FOLDER]

The files are written beside this script unless another folder is named. The same script gives the same files.
"""

import sys
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageFilter

SIDE = 480  # pixels, height and width of the X-ray
RATE = 16_000  # Hz, sample rate of the sound
RESONANCES = ((650, 250), (1_500, 350), (2_900, 600))  # Hz, centre and half width of those of a vocal tract


def main(folder: Path) -> None:
    """Writes both files into the folder."""
    Image.fromarray(phantom_xray()).save(folder / "phantom-xray.jpg", quality=88)
    soundfile.write(folder / "cough.wav", coughs(), RATE, subtype="PCM_16")
    print(f"Wrote phantom-xray.jpg and cough.wav into {folder}.")


def phantom_xray(y=None, x=None, added=0.0, seed=7) -> np.ndarray:
    """Draws a chest seen from the front: uint8 (side, side), brighter where more tissue absorbs the rays.

    The absorption of simple shapes is added up and becomes brightness by the law of Beer and Lambert. y, x: where each
    pixel lies in the chest, (side, side), by default in [0.07, 0.93); added: more absorption (side, side).
    """
    y, x = 0.07 + 0.86 * np.mgrid[0:SIDE, 0:SIDE] / SIDE if y is None else (y, x)
    absorption = 0.42 * ellipse(y, x, (0.75, 0.5), (0.72, 0.47)) + 0.3 * ellipse(y, x, (0.02, 0.5), (0.2, 0.1))
    for side in (-1, 1):
        absorption += 0.3 * ellipse(y, x, (0.3, 0.5 + side * 0.46), (0.2, 0.12), softness=0.2)  # shoulder
        absorption -= 0.36 * lung(y, x, side)
        absorption += 0.08 * _ribs(y, x, side) + 0.1 * _collarbone(y, x, side)
    absorption += 0.3 * ellipse(y, x, (0.5, 0.5), (0.8, 0.07), softness=0.3)  # spine and what lies before it
    absorption += 0.3 * ellipse(y, x, (0.6, 0.56), (0.17, 0.13), softness=0.14)  # heart
    absorption += 0.04 * _vertebrae(y, x) + _grain(np.random.default_rng(seed), len(y)) + added
    brightness = 1.15 * (1 - np.exp(-1.7 * absorption.clip(0)))
    picture = Image.fromarray((255 * brightness.clip(0, 1)).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(1.5)))


def ellipse(y, x, centre, radii, softness=0.08) -> np.ndarray:
    """Returns 1 inside an ellipse and 0 outside it, with a soft edge."""
    distance = np.hypot((y - centre[0]) / radii[0], (x - centre[1]) / radii[1])
    return 1 / (1 + np.exp((distance - 1) * 4 / softness))


def lung(y, x, side) -> np.ndarray:
    """Returns 1 inside a lung: an ellipse with a narrow top, cut off by the dome of the diaphragm."""
    middle = 0.5 + side * 0.205
    dome = 0.76 + 1.6 * (x - middle) ** 2 + (0.03 if side > 0 else 0)  # the liver lifts the other side
    return ellipse(y, x, (0.5, middle), (0.37, 0.105 + 0.09 * y)) / (1 + np.exp((y - dome) / 0.008))


def _ribs(y, x, side) -> np.ndarray:
    """Returns 1 on the ribs, bands that run outward and down from the spine."""
    outward = side * (x - 0.5)
    height = y - 0.35 * outward + 1.5 * (outward - 0.05) ** 2
    bands = (np.cos(2 * np.pi * height / 0.09) - 0.3).clip(0) / 0.7
    return bands * ellipse(y, x, (0.5, 0.5 + side * 0.2), (0.43, 0.2))


def _collarbone(y, x, side) -> np.ndarray:
    """Returns 1 on a collarbone, a thin bar that rises outward."""
    outward = side * (x - 0.5)
    return np.exp(-(((y - 0.21 + 0.16 * outward) / 0.014) ** 2)) * ((outward > 0.04) & (outward < 0.38))


def _vertebrae(y, x) -> np.ndarray:
    """Returns the steps of the spine, in [0, 1]."""
    return (np.cos(2 * np.pi * y / 0.06) > 0) * np.exp(-(((x - 0.5) / 0.035) ** 2))


def _grain(random: np.random.Generator, side: int) -> np.ndarray:
    """Returns tissue and noise of the detector at three scales: (side, side), around 0."""
    grain = np.zeros((side, side), np.float32)
    for size, strength in ((12, 0.03), (60, 0.015), (side, 0.008)):
        noise = Image.fromarray(random.normal(0, strength, (size, size)).astype(np.float32))
        grain += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC))
    return grain


def coughs(count: int = 4, seed: int = 3) -> np.ndarray:
    """Synthesises some coughs, one every 0.5 s: float32 (samples,) at RATE, peak 0.7.

    Each has the three phases of a cough: the burst as the glottis opens, the noise of streaming air, and a short
    voiced end. All pass the resonances of a vocal tract.
    """
    random = np.random.default_rng(seed)
    sound = random.normal(0, 0.001, round((0.6 + 0.5 * count) * RATE))
    for number, strength in enumerate(np.linspace(1, 0.6, count)):
        start = round((0.3 + 0.5 * number) * RATE)
        cough = _cough(random)
        sound[start : start + len(cough)] += strength * cough
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32)


def _cough(random: np.random.Generator) -> np.ndarray:
    """Returns one cough of 0.45 s: float (samples,)."""
    time = np.arange(round(0.45 * RATE)) / RATE
    burst, stream = np.exp(-time / 0.025), 0.6 * np.exp(-time / 0.12)
    voiced = np.exp(-(((time - 0.24) / 0.05) ** 2))
    pulses = (np.cumsum(260 - 200 * time) / RATE % 1 < 0.1) - 0.1
    fade = np.minimum(1, np.minimum(time / 0.004, (time[-1] - time) / 0.1))
    return fade * vocal_tract(random.normal(size=len(time)) * (burst + stream) + 0.4 * pulses * voiced)


def vocal_tract(source: np.ndarray) -> np.ndarray:
    """Filters a source (samples,) by three broad resonances, in the Fourier transform."""
    frequency = np.fft.rfftfreq(len(source), 1 / RATE)
    gain = 0.5 + sum(1 / (1 + ((frequency - centre) / width) ** 2) for centre, width in RESONANCES)
    return np.fft.irfft(np.fft.rfft(source) * gain * frequency / (frequency + 250), len(source))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
