"""The trunk: Inception-v3 without its last layer, from a weight file to a Keras model to a frozen graph."""

import re
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from ..errors import UsageError
from ..graph import BOTTLENECK, FEATURE_MAP, POOL, RESIZED, Graph

FEATURES = 2048  # channels of Inception-v3's last feature map
SIDE = 299  # pixels of the picture it takes
CENTRE = 127.5  # Keras' Inception-v3 takes pictures in [-1, 1]: (x - 127.5) / 127.5


def build(side: int | None = SIDE):
    """Inception-v3 up to its last feature map (8, 8, 2048), for pictures in [-1, 1], with random weights.

    side: of the pictures in pixels, None for any; the feature map's then follows from it.
    """
    return keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(side, side, 3))


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
    in order of creation, of any float type. Raises UsageError where one is missing or has another shape.
    """
    with np.load(file, allow_pickle=False) as arrays:
        for name, layer in weight_layers(trunk):
            for variable in layer.weights:
                key = f"{name}__{variable.name}"
                if key not in arrays or arrays[key].shape != tuple(variable.shape):
                    raise UsageError(f"'{file}' is not an Inception-v3 for Tosa: array {key} is missing or misshapen.")
                variable.assign(arrays[key].astype(np.float32))


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
        raise UsageError("The graph's trunk is not one that retrain.py --fine_tune wrote, so it cannot be gone on from.")
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


def freeze(trunk) -> bytes:
    """A float32 trunk as a serialised GraphDef from `DecodeJpeg/contents` to `pool_3/_reshape`.

    The names are those of the 2015 graph that every retrain.py has worked on.
    """
    call = tf.function(lambda pictures: trunk(pictures, training=False))
    concrete = call.get_concrete_function(tf.TensorSpec((None, SIDE, SIDE, 3), name="trunk_input"))
    frozen = convert_variables_to_constants_v2(concrete)
    with tf.Graph().as_default() as graph:
        contents = tf.compat.v1.placeholder(tf.string, (), name="DecodeJpeg/contents")
        picture = tf.cast(tf.raw_ops.DecodeJpeg(contents=contents, channels=3, name="DecodeJpeg"), tf.float32, "Cast")
        resized = tf.raw_ops.ResizeBilinear(
            images=tf.expand_dims(picture, 0, name="ExpandDims"), size=(SIDE, SIDE), name=RESIZED
        )
        scaled = tf.multiply(tf.subtract(resized, CENTRE, name="Sub"), 1 / CENTRE, name="Mul")
        (feature_map,) = tf.import_graph_def(
            frozen.graph.as_graph_def(), {"trunk_input": scaled}, [frozen.outputs[0].name], name="trunk"
        )
        feature_map = tf.identity(feature_map, name=FEATURE_MAP)
        pooled = tf.nn.avg_pool2d(feature_map, feature_map.shape[1:3], 1, "VALID", name=POOL)
        tf.reshape(pooled, (-1, feature_map.shape[-1]), name=BOTTLENECK)
    return graph.as_graph_def().SerializeToString()
