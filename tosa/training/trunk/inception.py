"""The trunk: a network without its last layer, Inception-v3 mostly, from weights to a Keras model to a frozen graph."""

import re
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tosa.errors import UsageError
from tosa.model.graph import BOTTLENECK, FEATURE_MAP, POOL, RESIZED, Graph
from tosa.training.trunk.architectures import CAFFE, TORCH, Architecture

FEATURES = 2048  # channels of Inception-v3's last feature map
SIDE = 299  # pixels of the picture it takes
CENTRE = 127.5  # Keras' Inception-v3 takes pictures in [-1, 1]: (x - 127.5) / 127.5


def build_inception():
    """Inception-v3 up to its last feature map (8, 8, 2048), for pictures in [-1, 1], with random weights."""
    return keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))


def weight_layers(trunk) -> list[tuple[str, keras.Layer]]:
    """(name, layer) of all convolutions and batch normalisations, numbered from 1 in order of creation.

    Keras numbers layers through a whole process, so the numbers in their names shift with every model built; their
    order does not.
    """
    found = []
    kinds = (("conv2d", keras.layers.Conv2D), ("batch_normalization", keras.layers.BatchNormalization))
    for prefix, kind in kinds:
        layers = [layer for layer in trunk.layers if isinstance(layer, kind)]
        layers.sort(key=lambda layer: int(layer.name.removeprefix(prefix).lstrip("_") or 0))
        found += [(f"{prefix}_{number}", layer) for number, layer in enumerate(layers, 1)]
    return found


def load(trunk, file: Path) -> None:
    """Put the weights of an .npz file into the trunk.

    file: arrays `conv2d_N__kernel` and `batch_normalization_N__beta`, `__moving_mean`, `__moving_variance`, N from 1
    in order of creation, of any float type. Raises UsageError where one is missing or has another shape, and where the
    file is damaged.
    """
    with _naming(file), np.load(file, allow_pickle=False) as arrays:
        for name, layer in weight_layers(trunk):
            for variable in layer.weights:
                key = f"{name}__{variable.name}"
                if key not in arrays or arrays[key].shape != tuple(variable.shape):
                    raise UsageError(f"'{file}' is not an Inception-v3 for Tosa: array {key} is missing or misshapen.")
                variable.assign(arrays[key].astype(np.float32))


@contextmanager
def _naming(file: Path):
    """Turns what reading weights raises into a UsageError that names the file."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # NumPy, Keras, h5py and zipfile each have their own
        raise UsageError(f"'{file}' cannot be read as weights: {_first_line(error)}") from error


def load_graph(trunk, graph: Graph) -> None:
    """Put the weights of a graph that `freeze` made into the trunk.

    Raises UsageError for a graph of other makers, whose constants have other names.
    """
    kernels = _constants(graph, r"conv2d_?(\d*)(?:_\d+)?/convolution/ReadVariableOp")
    # Keras casts a batch normalisation's weights before use, in this order; Inception-v3's have no gamma.
    means, variances, betas = (
        _constants(graph, rf"batch_normalization_?(\d*)(?:_\d+)?/{cast}/ReadVariableOp")
        for cast in ("Cast", "Cast_1", "Cast_2")
    )
    values = [[kernel] for kernel in kernels] + [list(three) for three in zip(betas, means, variances)]
    layers = [layer for _, layer in weight_layers(trunk)]
    shapes = [[tuple(variable.shape) for variable in layer.weights] for layer in layers]
    if [[value.shape for value in of_layer] for of_layer in values] != shapes:
        raise UsageError("The graph's trunk is not one that retrain.py --fine_tune wrote: name weights.")
    for layer, of_layer in zip(layers, values):
        layer.set_weights([value.astype(np.float32) for value in of_layer])


def _constants(graph: Graph, pattern: str) -> list[np.ndarray]:
    """The constants whose names end in pattern, sorted by the number in it: Keras numbers layers as it makes them."""
    found = {name: re.search(f"/{pattern}$", name) for name in graph.nodes}
    numbered = sorted((int(match[1] or 0), name) for name, match in found.items() if match)
    return [graph.constant(name) for _, name in numbered]


def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself. One that does not is twenty times slower than in float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def keep_before(trunk, block: str) -> None:
    """Exclude from training all that comes before a block, named as Keras names its last layer: mixed1 to mixed10.

    Raises UsageError for others.
    """
    before = {f"mixed{number}": f"mixed{number - 1}" for number in range(1, 11)}
    if block not in before:
        raise UsageError(f"--fine_tune={block} is none of all, {', '.join(before)}.")
    last = [layer.name for layer in trunk.layers].index(before[block])
    for layer in trunk.layers[: last + 1]:  # sorted by depth, and everything passes through a block's last layer
        layer.trainable = False


def application(architecture: Architecture, weights: Path | None):
    """A trunk of keras.applications with the weights of a file, or those that Keras downloads.

    weights: .npz of arrays named `<layer>__<variable>` (for Inception-v3 as `load` says), .h5 of weights, or .keras.
    Raises UsageError where they are of another network or cannot be had: random weights are never taken.
    """
    keras.backend.clear_session()  # layers are numbered anew, so that the same weights give the same graph
    maker = getattr(keras.applications, architecture.constructor)
    width = {"alpha": architecture.alpha} if architecture.alpha else {}
    shape = (architecture.side, architecture.side, 3)
    try:
        built = maker(include_top=False, weights=None if weights else "imagenet", input_shape=shape, **width)
    except Exception as error:  # whatever the network, the proxy or the disk raise
        raise UsageError(
            f"The weights of {architecture.constructor} could not be downloaded ({_first_line(error)}). "
            "Name a file that has them with --weights."
        ) from error
    if weights and weights.suffix == ".npz" and architecture.constructor == "InceptionV3":
        load(built, weights)
    elif weights:
        with _naming(weights):
            _load_application(built, weights)
    return built


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _load_application(built, file: Path) -> None:
    """Put the weights of a file into a trunk, layer by layer of the same name. Raises UsageError where one lacks."""
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as arrays:
            known = {name: arrays[name] for name in arrays.files}
        for layer in built.layers:
            names = [f"{layer.name}__{variable.name}" for variable in layer.weights]
            _set(layer, [known.get(name) for name in names], file)
    elif file.name.endswith(".weights.h5") or not _is_whole_model(file):
        built.load_weights(file)  # Keras checks the number of layers and every shape
    else:
        whole = keras.models.load_model(file, compile=False)
        layers = {layer.name: layer for layer in whole.layers}
        for layer in built.layers:
            found = layers.get(layer.name)
            _set(layer, found.get_weights() if found else [None] * len(layer.weights), file)


def _is_whole_model(file: Path) -> bool:
    import h5py  # Keras' own

    if file.suffix == ".keras":
        return True
    with h5py.File(file) as content:
        return "model_config" in content.attrs


def _set(layer, values: list, file: Path) -> None:
    shapes = [tuple(variable.shape) for variable in layer.weights]
    if len(values) != len(shapes) or any(v is None or v.shape != shape for v, shape in zip(values, shapes)):
        raise UsageError(f"'{file}' has other weights: those of layer {layer.name} are missing or misshapen.")
    layer.set_weights([value.astype(np.float32) for value in values])


def freeze(trunk, side: int = SIDE, preprocessing: str = "tf") -> bytes:
    """A float32 trunk as a serialised GraphDef from `DecodeJpeg/contents` to `pool_3/_reshape`.

    The names are those of the 2015 graph that every retrain.py has worked on. side: of the pictures it takes, in
    pixels; preprocessing: as Architecture says.
    """
    call = tf.function(lambda pictures: trunk(pictures, training=False))
    concrete = call.get_concrete_function(tf.TensorSpec((None, side, side, 3), name="trunk_input"))
    frozen = convert_variables_to_constants_v2(concrete)
    with tf.Graph().as_default() as graph:
        contents = tf.compat.v1.placeholder(tf.string, (), name="DecodeJpeg/contents")
        picture = tf.cast(tf.raw_ops.DecodeJpeg(contents=contents, channels=3, name="DecodeJpeg"), tf.float32, "Cast")
        resized = tf.raw_ops.ResizeBilinear(
            images=tf.expand_dims(picture, 0, name="ExpandDims"), size=(side, side), name=RESIZED
        )
        (feature_map,) = tf.import_graph_def(
            frozen.graph.as_graph_def(),
            {"trunk_input": _scaled(resized, preprocessing)},
            [frozen.outputs[0].name],
            name="trunk",
        )
        feature_map = tf.identity(feature_map, name=FEATURE_MAP)
        pooled = tf.nn.avg_pool2d(feature_map, feature_map.shape[1:3], 1, "VALID", name=POOL)
        tf.reshape(pooled, (-1, feature_map.shape[-1]), name=BOTTLENECK)
    return graph.as_graph_def().SerializeToString()


def _scaled(pictures, preprocessing: str):
    """Pictures of [0, 255] as the trunk was trained on them."""
    if preprocessing == "raw":
        return pictures
    if preprocessing == "caffe":  # blue first
        pictures = tf.reverse(pictures, [3], name="BlueFirst")
    mean, deviation = {"tf": (CENTRE, CENTRE), "caffe": CAFFE, "torch": TORCH}[preprocessing]
    centred = tf.subtract(pictures, mean, name="Sub")
    return tf.multiply(centred, (1 / np.float64(deviation)).astype(np.float32), name="Mul")
