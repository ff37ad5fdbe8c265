"""A Keras trunk as a frozen TensorFlow graph, with the names of the graph of 2015."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tosa.model.graph import BOTTLENECK, FEATURE_MAP, POOL, RESIZED
from tosa.training.trunk.architectures import INCEPTION, MEANS_AND_DEVIATIONS, Architecture


def freeze_trunk(trunk: keras.Model, architecture: Architecture = INCEPTION) -> bytes:
    """Returns a float32 trunk as a serialised GraphDef from `DecodeJpeg/contents` to `pool_3/_reshape`.

    The names are those of the 2015 graph that every retrain.py has worked on.
    """
    side = architecture.side
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
            {"trunk_input": scaled(resized, architecture.preprocessing)},
            [frozen.outputs[0].name],
            name="trunk",
        )
        feature_map = tf.identity(feature_map, name=FEATURE_MAP)
        pooled = tf.nn.avg_pool2d(feature_map, feature_map.shape[1:3], 1, "VALID", name=POOL)
        tf.reshape(pooled, (-1, feature_map.shape[-1]), name=BOTTLENECK)
    return graph.as_graph_def().SerializeToString()


def scaled(pictures: tf.Tensor, preprocessing: str) -> tf.Tensor:
    """Returns pictures of [0, 255] as the trunk was trained on them. preprocessing: as Architecture says."""
    if preprocessing == "raw":
        return pictures
    if preprocessing == "caffe":  # blue first
        pictures = tf.reverse(pictures, [3], name="BlueFirst")
    mean, deviation = (np.array(values) for values in MEANS_AND_DEVIATIONS[preprocessing])
    centred = tf.subtract(pictures, mean.astype(np.float32), name="Sub")
    return tf.multiply(centred, (1 / deviation).astype(np.float32), name="Mul")
