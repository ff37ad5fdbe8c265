"""Small networks with the layers of VGG16 and MobileNet, trained from scratch here, through the whole way.

That is: a file of weights, the last layer by retrain.py, the server's answer and its heat map. The published weights,
which Keras downloads, are not tested, since tests need no network.
"""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
import retrain
from pictures import encoded, rgb
from tosa.model.network import Network
from tosa.training.trunk.architectures import Architecture, architecture_named

ARCHITECTURES = ("vgg16", "mobilenet_0.25_128")
LABELS = ("lying", "standing")  # lines
NARROWER = 16  # by which VGG16's layers are narrower than the published ones


def lines(label: str, seed: int, side: int) -> np.ndarray:
    """Draws lines that lie or stand, of some width and brightness, in noise: uint8 (side, side)."""
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * (np.arange(side) / rng.uniform(8, 14) + rng.random()))
    across = np.broadcast_to(wave[:, None], (side, side))
    picture = 120 + rng.uniform(40, 70) * (across if label == "lying" else across.T) + rng.normal(0, 10, (side, side))
    return picture.round().astype(np.uint8)


@pytest.fixture
def narrow_vgg16(tf, monkeypatch):
    """keras.applications.VGG16 with a part of its filters; its layers, names and strides are the published ones."""
    import keras

    published = keras.applications.VGG16

    def narrow(**given) -> keras.Model:
        config = published(**given | {"weights": None}).get_config()
        for layer in config["layers"]:
            layer.pop("build_config", None)  # of the published widths
            if "filters" in layer["config"]:
                layer["config"]["filters"] //= NARROWER
        return keras.Model.from_config(config)

    monkeypatch.setattr(keras.applications, "VGG16", narrow)


def train_from_scratch(architecture: Architecture, file: Path) -> None:
    """Trains all layers for some steps, and writes the network without its last layer to a file."""
    import keras

    from tosa.training.trunk.freeze import scaled

    keras.utils.set_random_seed(1)
    keras.backend.clear_session()
    width = {"alpha": architecture.alpha} if architecture.alpha else {}
    constructor, shape = (
        getattr(keras.applications, architecture.constructor),
        (architecture.side, architecture.side, 3),
    )
    trunk = constructor(include_top=False, weights=None, input_shape=shape, **width)
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5  # or its averages would still be those of before the first of so few steps
    pooled = keras.layers.GlobalAveragePooling2D()(trunk.output)
    model = keras.Model(trunk.input, keras.layers.Dense(2, activation="softmax")(pooled))
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    targets = np.arange(16) % 2
    pictures = [rgb(lines(LABELS[target], 100 + seed, architecture.side)) for seed, target in enumerate(targets)]
    inputs = np.asarray(scaled(np.stack(pictures).astype(np.float32), architecture.preprocessing))
    losses = model.fit(inputs, targets, batch_size=8, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    trunk.save(file)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_trained_from_scratch_saved_retrained_served_and_explained(narrow_vgg16, tmp_path, capsys, name):
    architecture = architecture_named(name)
    train_from_scratch(architecture, tmp_path / "trunk.h5")
    for label in LABELS:
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for seed in range(12):
            picture = Image.fromarray(lines(label, seed, architecture.side))
            picture.save(tmp_path / "pictures" / label / f"{label}{seed}.png")
    assert retrain.main([
        f"--architecture={name}", f"--weights={tmp_path}/trunk.h5", f"--image_dir={tmp_path}/pictures", "--task=lines",
        f"--output_graph={tmp_path}/graph.pb", f"--output_labels={tmp_path}/labels.txt", "--learning_rate=0.1",
        f"--summaries_dir={tmp_path}/sum", f"--bottleneck_dir={tmp_path}/b", "--how_many_training_steps=300",
    ]) == 0  # fmt: skip
    assert f"The trunk is {architecture.constructor} with the weights of" in capsys.readouterr().out
    network = Network.load(tmp_path / "graph.pb", tmp_path / "labels.txt")
    assert network.size == (architecture.side, architecture.side)
    client = app.create_app(network).test_client()
    for label in LABELS:
        sent = encoded(Image.fromarray(lines(label, 50, architecture.side)))
        answer = client.post("/?explain=1", data={"image_data": (io.BytesIO(sent), "x")}).json
        (finding,) = answer["findings"]
        assert finding["diagnosis"] == label, finding["scores"]
        seen, explained = (_pixels(finding[key]) for key in ("picture", "explanation"))
        assert seen.shape == explained.shape and (seen != explained).any()


def _pixels(uri: str) -> np.ndarray:
    """The picture of a data URI."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))
