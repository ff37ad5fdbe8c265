"""The classic web app, to measure against: it draws, loads the graph and runs it for every request.

    PORT=5300 python bench/classic_app.py

A sound is saved to disk, drawn with librosa and Matplotlib as a figure that is saved to disk too, the graph's file is
read, imported into a TensorFlow session and run on the figure's bytes. An X-ray is saved and run likewise.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import librosa
import librosa.display
import matplotlib
import numpy as np
import tensorflow.compat.v1 as tf
from flask import Flask, jsonify, request

matplotlib.use("Agg")
from matplotlib import pyplot

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tosa.model.labels import label_file_beside
from tosa.settings import Settings

SERVED = Settings()
app = Flask(__name__)


def save_figure(sound: Path, figure: Path) -> None:
    """Draws the mel-spectrogram of a sound file as a figure of 299 x 299 pixels without axes."""
    save_samples(*librosa.load(sound), figure)


def save_samples(samples: np.ndarray, rate: float, figure: Path) -> None:
    """Draws the mel-spectrogram of samples (n,) as a figure of 299 x 299 pixels without axes."""
    power = librosa.feature.melspectrogram(y=samples, sr=rate, n_mels=128, fmax=8000)
    canvas = pyplot.figure(figsize=(2.99, 2.99), dpi=100)
    axes = canvas.add_axes([0, 0, 1, 1])
    axes.axis("off")
    librosa.display.specshow(librosa.amplitude_to_db(power, ref=np.max), sr=rate, fmax=8000, ax=axes)
    canvas.savefig(figure)
    pyplot.close(canvas)


def scores_of(picture: bytes) -> np.ndarray:
    """Reads the graph, imports it, runs it once: float32 (labels,)."""
    definition = tf.GraphDef()
    definition.ParseFromString(SERVED.graph.read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        with tf.Session(graph=graph) as session:
            return session.run("final_result:0", {"DecodeJpeg/contents:0": picture})[0]


@app.route("/", methods=["POST"])
def classify():
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "picture.png")
        if "audio_data" in request.files:
            sound = Path(folder, "sound.wav")
            request.files["audio_data"].save(sound)
            save_figure(sound, picture)
        else:
            request.files["image_data"].save(picture)
        scores = scores_of(picture.read_bytes())
    label_file = SERVED.labels or label_file_beside(SERVED.graph)
    labels = label_file.read_text(encoding="utf-8").splitlines()
    best = int(np.argmax(scores))
    return jsonify(diagnosis=labels[best], score=float(scores[best]))


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "5300")), threaded=True)
