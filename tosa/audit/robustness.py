"""How much an answer changes when the same chest or cough comes compressed, turned, darker, noisier..."""

import io
from collections.abc import Callable

import numpy as np
import soundfile
import soxr
from PIL import Image

from tosa.inputs import audio, spectrogram, xray
from tosa.model.network import Network
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import decode
from tosa.training.metrics import rate


def _jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(pixels: np.ndarray) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return change


def _scaled(longer: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(pixels: np.ndarray) -> np.ndarray:
        height, width = (round(side * longer / max(pixels.shape[:2])) for side in pixels.shape[:2])
        return xray.resize(pixels, (height, width))

    return change


def _turned(degrees: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(pixels: np.ndarray) -> np.ndarray:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return np.asarray(image.rotate(degrees, Image.Resampling.BILINEAR))

    return change


def _mirrored(pixels: np.ndarray) -> np.ndarray:
    return pixels[:, ::-1]


def _closer(pixels: np.ndarray) -> np.ndarray:
    """The middle four fifths of height and width."""
    height, width = pixels.shape[:2]
    return pixels[height // 10 : height - height // 10, width // 10 : width - width // 10]


def _gamma(exponent: float) -> Callable[[np.ndarray], np.ndarray]:
    levels = ((np.arange(256) / 255) ** exponent * 255).round().astype(np.uint8)
    return lambda pixels: levels[pixels]


def _noise(decibels: float) -> Callable[[np.ndarray], np.ndarray]:
    """White noise this far below the whole sound's power."""

    def change(samples: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(0).normal(0, samples.std() * 10 ** (-decibels / 20), len(samples))
        return samples + noise

    return change


def _gain(decibels: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda samples: samples * 10 ** (decibels / 20)


def _codec(format: str, subtype: str) -> Callable[[np.ndarray], np.ndarray]:
    def change(samples: np.ndarray) -> np.ndarray:
        buffer = io.BytesIO()
        hertz = 24_000 if subtype == "OPUS" else audio.SAMPLE_RATE  # Opus has no 22,050 Hz
        sent = soxr.resample(samples, audio.SAMPLE_RATE, hertz)
        soundfile.write(buffer, sent / max(np.abs(sent).max(), 1), hertz, format=format, subtype=subtype)
        return audio.decode_sound(buffer.getvalue())

    return change


OF_PICTURES = {
    "JPEG quality 90": _jpeg(90), "JPEG quality 50": _jpeg(50), "scaled to 512": _scaled(512),
    "scaled to 150": _scaled(150), "turned by 10 degrees": _turned(10), "turned by -10 degrees": _turned(-10),
    "a fifth cut off": _closer, "mirrored": _mirrored, "darker": _gamma(1.5), "brighter": _gamma(1 / 1.5),
}  # fmt: skip
OF_SOUNDS = {
    "20 dB quieter": _gain(-20), "6 dB quieter": _gain(-6), "noise 15 dB below": _noise(15),
    "MP3": _codec("MP3", "MPEG_LAYER_III"), "Ogg Vorbis": _codec("OGG", "VORBIS"), "Opus": _codec("OGG", "OPUS"),
}  # fmt: skip
AS_IT_CAME = "as it came"


def measure_robustness(network: Network, task: str, cases: list[Case]) -> dict[str, dict]:
    """For each change: accuracy, in how many of the cases the diagnosis stays, how far the scores move.

    cases: of one task, all sounds or all pictures. AS_IT_CAME has the accuracy alone.
    """
    changes = OF_SOUNDS if cases[0].is_sound else OF_PICTURES
    own = network.tasks[task]
    targets = np.array([own.labels.index(case.label) for case in cases])
    decoded = [decode(case) for case in cases]

    def scores(change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        rows = [network.run(_picture(change(each), cases[0].is_sound)[None]).scores[0, own.columns] for each in decoded]
        return np.stack(rows)

    def accuracy(found: np.ndarray) -> dict:
        return rate(found.argmax(axis=1) == targets, [case.group for case in cases])

    plain = scores(lambda unchanged: unchanged)
    found = {AS_IT_CAME: {"accuracy": accuracy(plain)}}
    for name, change in changes.items():
        changed = scores(change)
        moved = np.abs(changed - plain).max(axis=1)
        same = float((changed.argmax(axis=1) == plain.argmax(axis=1)).mean())
        found[name] = {"accuracy": accuracy(changed), "same": same,
                       "median": float(np.median(moved)), "largest": float(moved.max())}  # fmt: skip
    return found


def _picture(decoded: np.ndarray, is_sound: bool) -> np.ndarray:
    if is_sound:
        return spectrogram.draw(audio.window(decoded.astype(np.float32)))
    return xray.resize(np.ascontiguousarray(decoded))
