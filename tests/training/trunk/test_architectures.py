"""Other trunks than Inception-v3: the smallest MobileNet, with random weights from a file, trained on and served."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
import retrain
from pictures import encoded, phantom
from tosa.errors import UsageError
from tosa.model.network import Network
from tosa.training.trunk import resolve
from tosa.training.trunk.architectures import ARCHITECTURES, architecture_named
from tosa.training.trunk.resolve import TrunkOptions

NAME = "mobilenet_0.25_128"  # as the classic spelt it


@pytest.mark.parametrize(
    "name, constructor, side",
    [
        ("inception_v3", "InceptionV3", 299), ("InceptionV3", "InceptionV3", 299), ("vgg16", "VGG16", 224),
        ("mobilenet_v2", "MobileNetV2", 224), ("MobileNetV2", "MobileNetV2", 224), (NAME, "MobileNet", 128),
        ("resnet50", "ResNet50", 224),
    ],
)  # fmt: skip
def test_names(name, constructor, side):
    found = architecture_named(name)
    assert (found.constructor, found.side) == (constructor, side)


@pytest.mark.parametrize("name, said", [("vgg61", "must be one of"), ("mobilenet_1.0_224_quantized", "Quantized")])
def test_unknown_names(name, said):
    with pytest.raises(UsageError, match=said):
        architecture_named(name)


def test_all_known_are_in_keras_and_take_these_pictures(tf):
    import keras

    for name, known in ARCHITECTURES.items():
        assert callable(getattr(keras.applications, known.constructor)), name


@pytest.fixture(scope="module")
def random_trunk(tf):
    import keras

    keras.utils.set_random_seed(1)
    return keras.applications.MobileNet(include_top=False, weights=None, input_shape=(128, 128, 3), alpha=0.25)


@pytest.fixture(scope="module", params=["npz", "weights.h5", "keras"])
def weights(request, random_trunk, tmp_path_factory):
    """The same weights in each kind of file."""
    file = tmp_path_factory.mktemp("weights") / f"trunk.{request.param}"
    if request.param == "npz":
        layers = random_trunk.layers
        np.savez(file, **{f"{layer.name}__{v.name}": v.numpy() for layer in layers for v in layer.weights})
    elif request.param == "keras":
        random_trunk.save(file)
    else:
        random_trunk.save_weights(file)
    return file


def test_weights_of_every_kind_of_file_arrive(weights, random_trunk):
    from tosa.training.trunk import applications

    built = applications.build_application(architecture_named(NAME), weights)
    for found, wanted in zip(built.get_weights(), random_trunk.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_weights_of_another_network_are_named(weights):
    from tosa.training.trunk import applications

    with pytest.raises(UsageError, match="trunk"):
        applications.build_application(architecture_named("mobilenet_0.50_128"), weights)


def test_what_is_no_weight_file_is_named(tf, tmp_path):
    from tosa.training.trunk import applications

    for name in ("junk.npz", "junk.h5", "junk.keras"):
        (tmp_path / name).write_bytes(b"junk")
        with pytest.raises(UsageError, match=name):
            applications.build_application(architecture_named(NAME), tmp_path / name)


def test_no_weights_and_no_network_are_refused(tf, monkeypatch):
    import keras

    from tosa.training.trunk import applications

    def offline(**given):
        assert given["weights"] == "imagenet"
        raise OSError("no route to host")

    monkeypatch.setattr(keras.applications, "MobileNet", offline)
    with pytest.raises(UsageError, match=r"no route to host.*--weights"):
        applications.build_application(architecture_named(NAME), None)


@pytest.mark.parametrize("way", ["tf", "caffe", "torch", "raw"])
def test_preprocessing_is_keras_own(tf, way):
    from keras.src.applications.imagenet_utils import preprocess_input

    from tosa.training.trunk import freeze

    pictures = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3)).astype(np.float32)
    wanted = pictures if way == "raw" else preprocess_input(pictures.copy(), mode=way)
    np.testing.assert_allclose(np.asarray(freeze.scaled(tf.constant(pictures), way)), wanted, atol=1e-4)


def test_trained_and_served_as_tensorflow_runs_it(tf, random_trunk, tmp_path, capsys):
    """Twice, for the same bytes; then equal to TensorFlow's run of the same file, from the bytes of a PNG on."""
    random_trunk.save_weights(tmp_path / "trunk.weights.h5")
    for label, gray in (("dark", 40), ("light", 200)):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(12):
            noise = np.random.default_rng(number).integers(0, 40, (90, 80), dtype=np.uint8)
            Image.fromarray(noise + np.uint8(gray)).save(tmp_path / "pictures" / label / f"{label}{number}.png")
    graphs = []
    for name in ("one", "two"):
        assert retrain.main([
            f"--architecture={NAME}", f"--weights={tmp_path}/trunk.weights.h5", f"--image_dir={tmp_path}/pictures",
            f"--output_graph={tmp_path}/{name}.pb", f"--output_labels={tmp_path}/{name}.txt", "--task=pneumonia",
            f"--summaries_dir={tmp_path}/sum", f"--bottleneck_dir={tmp_path}/{name}", "--how_many_training_steps=20",
            f"--saved_model_dir={tmp_path}/saved_{name}",
        ]) == 0  # fmt: skip
        graphs.append((tmp_path / f"{name}.pb").read_bytes())
    assert graphs[0] == graphs[1]
    assert "The trunk is MobileNet with the weights of" in capsys.readouterr().out
    png = encoded(Image.fromarray(phantom()).resize((128, 128)).convert("RGB"))
    network = Network.load(tmp_path / "one.pb", tmp_path / "one.txt")
    assert network.size == (128, 128)
    wanted = _tensorflow(tf, graphs[0], png)
    served = network.run(np.asarray(Image.open(_file(png)))[None]).scores
    np.testing.assert_allclose(served, wanted, atol=1e-4)
    answer = app.create_app(network).test_client().post("/?explain=1", data={"image_data": (_file(png), "x")}).json
    assert answer["findings"][0]["explanation"].startswith("data:image/png")
    saved = tf.saved_model.load(str(tmp_path / "saved_one")).signatures["serving_default"]
    np.testing.assert_allclose(saved(image=tf.constant(png))["prediction"], wanted, atol=1e-5)


def _file(data):
    import io

    return io.BytesIO(data)


def _tensorflow(tf, graph, png):
    definition = tf.compat.v1.GraphDef.FromString(graph)
    with tf.Graph().as_default() as loaded, tf.compat.v1.Session(graph=loaded) as session:
        tf.graph_util.import_graph_def(definition, name="")
        return session.run("final_result:0", {"DecodeJpeg/contents:0": png})


def test_weights_in_model_dir_are_used(tf, tmp_path, monkeypatch):
    """One .h5 in --model_dir is taken for another architecture; the embedded graph is not."""
    from tosa.training.trunk import applications, freeze

    seen = []
    monkeypatch.setattr(applications, "build_application", lambda *given: seen.append(given) or "built")
    monkeypatch.setattr(freeze, "freeze_trunk", lambda *given: seen.append(given) or b"")
    (tmp_path / "vgg.h5").touch()
    with resolve.trunk_file(TrunkOptions("vgg16", tmp_path), Path("none.pb")) as file:
        assert file.is_file()
    vgg16 = architecture_named("vgg16")
    assert seen == [(vgg16, tmp_path / "vgg.h5"), ("built", vgg16)]
