"""Fine-tuned weights as a frozen graph, the same for the same weights wherever it is made."""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.training.trunk import freeze, inception
from tosa.training.trunk.serialize import to_float16


def freeze_tuned(arrays: Mapping[str, np.ndarray], place: Path = Path("the weights")) -> GraphDef:
    """Returns the graph of a trunk with these arrays, as inception.load_arrays takes them.

    place: where they are from, for messages.
    """
    keras.backend.clear_session()  # layers are numbered from the start, so that the same weights give the same graph
    keras.mixed_precision.set_global_policy("float32")
    trunk = inception.build_inception()
    inception.load_arrays(trunk, arrays, place)
    return to_float16(freeze.freeze_trunk(trunk))
