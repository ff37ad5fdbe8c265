"""Times drawing a 5 s sound against librosa and Matplotlib, and compares the two pictures.

    python bench/spectrogram.py [--data FOLDER]

Timed is what the classic app draws, from decoded samples to a file. Compared are drawings of the same 2.5 s with the
same parameters, so that what is left are the two ways to draw.
"""

import io
import tempfile
from pathlib import Path

import librosa
import matplotlib
import numpy as np
from classic_app import save_samples
from matplotlib import pyplot
from measure import Question, Row, in_turns, main, sound
from PIL import Image

from tosa import memory
from tosa.inputs import audio, spectrogram
from tosa.inputs.spectrogram import DEFAULT

ROUNDS = 15


def rows(data: Path | None) -> list[Row]:
    memory.reuse_freed()  # as the server does
    cough = sound(data)
    samples = audio.decode_sound(cough.data)
    with tempfile.TemporaryDirectory() as folder:
        figure = Path(folder, "figure.png")
        ways = {
            "ours": lambda: spectrogram.draw(audio.window(samples)),
            "theirs": lambda: save_samples(samples, DEFAULT.sample_rate, figure),
        }
        medians = in_turns(ways, ROUNDS, warm_up=3)
    ours, theirs, ratio = medians["ours"], medians["theirs"], medians["theirs"] / medians["ours"]
    alike, blocks = correlation(cough, smooth=True), correlation(cough, smooth=False)
    against = f"{theirs * 1000:.0f} ms, librosa and Matplotlib"
    aim = "at least 25 x, correlation over 0.999"
    shown = f"{ratio:.0f} x faster, correlation {alike:.5f} ({blocks:.4f} with a block a band)"
    what = "picture of a 5 s sound, from its decoded samples"
    return [Row(what, f"{ours * 1000:.1f} ms", against, shown, aim, ratio >= 25 and alike > 0.999)]


def correlation(cough: Question, smooth: bool) -> float:
    """Returns how far the two pictures of one window differ, over all pixels and channels."""
    samples = audio.window(audio.decode_sound(cough.data))
    return float(np.corrcoef(spectrogram.draw(samples).ravel(), figure_of(samples, smooth).ravel())[0, 1])


def figure_of(samples: np.ndarray, smooth: bool) -> np.ndarray:
    """Returns a window of sound as librosa and Matplotlib draw it without axes: uint8 (SIZE, SIZE, 3).

    smooth: with the rows between bands interpolated, as ours are; Matplotlib alone draws each band as a block.
    """
    power = librosa.feature.melspectrogram(
        y=samples, sr=DEFAULT.sample_rate, n_fft=DEFAULT.n_fft, hop_length=DEFAULT.hop_length, n_mels=DEFAULT.n_mels,
        fmin=DEFAULT.f_min, fmax=DEFAULT.f_max,
    )  # fmt: skip
    decibels = librosa.power_to_db(power, ref=np.max, top_db=DEFAULT.top_db)[:, : DEFAULT.size]
    if smooth:
        rows = np.linspace(0, DEFAULT.n_mels - 1, DEFAULT.size)
        decibels = np.stack([np.interp(rows, np.arange(DEFAULT.n_mels), column) for column in decibels.T], axis=1)
    canvas = pyplot.figure(figsize=(DEFAULT.size / 100, DEFAULT.size / 100), dpi=100)
    axes = canvas.add_axes([0, 0, 1, 1])
    axes.axis("off")
    librosa.display.specshow(decibels, ax=axes, cmap="magma", vmin=-DEFAULT.top_db, vmax=0)
    buffer = io.BytesIO()
    canvas.savefig(buffer)
    pyplot.close(canvas)
    return np.asarray(Image.open(buffer).convert("RGB"))


if __name__ == "__main__":
    matplotlib.use("Agg")
    main(__doc__, rows)
