"""Inception-v3 as a Keras trunk: its layers, and weights from a file or from a graph that `freeze_trunk` made."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from tosa.errors import UsageError
from tosa.model.graph import Graph
from tosa.training.trunk.architectures import INCEPTION

FEATURES = 2048  # channels of the last feature map
BLOCKS = {f"mixed{number}": f"mixed{number - 1}" for number in range(1, 11)}  # each with the one before it


def build_inception() -> keras.Model:
    """Returns Inception-v3 up to its last feature map (8, 8, 2048), for pictures in [-1, 1], with random weights."""
    side = INCEPTION.side
    return keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(side, side, 3))


def weight_layers(trunk: keras.Model) -> list[tuple[str, keras.Layer]]:
    """Returns (name, layer) of all convolutions and batch normalisations, numbered from 1 in order of creation.

    Keras numbers the layers of a whole process, so the numbers in their names shift with every model built; their
    order does not.
    """
    named = []
    kinds = (("conv2d", keras.layers.Conv2D), ("batch_normalization", keras.layers.BatchNormalization))
    for prefix, kind in kinds:
        layers = [layer for layer in trunk.layers if isinstance(layer, kind)]
        layers.sort(key=lambda layer: int(layer.name.removeprefix(prefix).lstrip("_") or 0))
        named += [(f"{prefix}_{number}", layer) for number, layer in enumerate(layers, 1)]
    return named


def load_weights(trunk: keras.Model, file: Path) -> None:
    """Loads the weights of an .npz file into the trunk.

    file: arrays `conv2d_N__kernel` and `batch_normalization_N__beta`, `__moving_mean`, `__moving_variance`, N from 1
    in order of creation, of any float type. Raises UsageError if one is missing or has another shape, and if the file
    is damaged.
    """
    with wrap_weight_error(file), np.load(file, allow_pickle=False) as arrays:
        load_arrays(trunk, arrays, file)


def load_arrays(trunk: keras.Model, arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Loads arrays, as load_weights finds them in a file, into the trunk. file: their place, for messages."""
    for name, layer in weight_layers(trunk):
        for variable in layer.weights:
            key, shape = f"{name}__{variable.name}", tuple(variable.shape)
            if key not in arrays or arrays[key].shape != shape:
                raise UsageError(f"'{file}' is not an Inception-v3 for Tosa: it needs an array {key} {shape}.")
            variable.assign(arrays[key].astype(np.float32))


def arrays_of(trunk: keras.Model) -> dict[str, np.ndarray]:
    """Returns the trunk's weights as load_arrays takes them: kernels in float16, as in a graph, others in float32."""
    return {
        f"{name}__{variable.name}": keras.ops.convert_to_numpy(variable).astype(
            np.float16 if variable.name == "kernel" else np.float32
        )
        for name, layer in weight_layers(trunk)
        for variable in layer.weights
    }


@contextmanager
def wrap_weight_error(file: Path) -> Iterator[None]:
    """Turns any error of the block, which reads weights, into a UsageError that names the file."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # NumPy, Keras, h5py and zipfile each have their own
        raise UsageError(f"'{file}' cannot be read as weights: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, or the name of its class."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def load_graph(trunk: keras.Model, graph: Graph) -> None:
    """Loads the weights of a graph that `freeze_trunk` made into the trunk.

    Raises UsageError for graphs of other makers, whose constants have other names.
    """
    kernels = _constants(graph, r"conv2d_?(\d*)(?:_\d+)?/convolution/ReadVariableOp")
    # Keras casts a batch normalisation's weights before use, in this order; Inception-v3's have no gamma.
    means, variances, betas = (
        _constants(graph, rf"batch_normalization_?(\d*)(?:_\d+)?/{cast}/ReadVariableOp")
        for cast in ("Cast", "Cast_1", "Cast_2")
    )
    values = [[kernel] for kernel in kernels] + [list(three) for three in zip(betas, means, variances, strict=False)]
    layers = [layer for _, layer in weight_layers(trunk)]
    shapes = [[tuple(variable.shape) for variable in layer.weights] for layer in layers]
    if [[value.shape for value in of_layer] for of_layer in values] != shapes:
        raise UsageError(
            "The graph's trunk is not one that retrain.py --fine_tune wrote: name weights in an .npz file instead."
        )
    for layer, of_layer in zip(layers, values, strict=True):
        layer.set_weights([value.astype(np.float32) for value in of_layer])


def _constants(graph: Graph, pattern: str) -> list[np.ndarray]:
    """The constants whose names end in pattern, sorted by the number in it, which is Keras' order of creation."""
    matches = {name: re.search(f"/{pattern}$", name) for name in graph.nodes}
    numbered = sorted((int(match[1] or 0), name) for name, match in matches.items() if match)
    constants = (graph.constant(name) for _, name in numbered)
    return [constant for constant in constants if constant is not None]


def has_fast_bfloat16() -> bool:
    """Returns whether this processor multiplies bfloat16 itself; others are 20 times slower than in float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def freeze_before(trunk: keras.Model, block: str) -> None:
    """Excludes from training all layers before a block, which is named as Keras names its last layer.

    Raises UsageError for names other than those of BLOCKS.
    """
    if block not in BLOCKS:
        raise UsageError(f"--fine_tune must be 'all' or one of {', '.join(BLOCKS)}, not '{block}'.")
    last = [layer.name for layer in trunk.layers].index(BLOCKS[block])
    for layer in trunk.layers[: last + 1]:  # sorted by depth, and everything passes through a block's last layer
        layer.trainable = False
