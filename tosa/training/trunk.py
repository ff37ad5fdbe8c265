"""The trunk: Inception-v3 without its last layer, from a weight file to a Keras model to a frozen graph."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from ..errors import UsageError
from ..graph import BOTTLENECK, FEATURE_MAP, POOL, RESIZED

FEATURES = 2048  # channels of Inception-v3's last feature map
SIDE = 299  # pixels of the picture it takes
CENTRE = 127.5  # Keras' Inception-v3 takes pictures in [-1, 1]: (x - 127.5) / 127.5


def build():
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
    in order of creation, of any float type. Raises UsageError where one is missing or has another shape.
    """
    with np.load(file, allow_pickle=False) as arrays:
        for name, layer in weight_layers(trunk):
            for variable in layer.weights:
                key = f"{name}__{variable.name}"
                if key not in arrays or arrays[key].shape != tuple(variable.shape):
                    raise UsageError(f"'{file}' is not an Inception-v3 for Tosa: array {key} is missing or misshapen.")
                variable.assign(arrays[key].astype(np.float32))


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
