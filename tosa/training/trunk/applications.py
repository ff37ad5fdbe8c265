"""Trunks of keras.applications, with the weights of a file or those that Keras downloads."""

from pathlib import Path

import h5py  # which Keras needs too
import keras
import numpy as np

from tosa.errors import UsageError
from tosa.training.trunk.architectures import Architecture
from tosa.training.trunk.inception import first_line, load_weights, wrap_weight_error


def build_application(architecture: Architecture, weights: Path | None) -> keras.Model:
    """Returns a trunk of keras.applications with the weights of a file, by default those that Keras downloads.

    weights: .npz of arrays named `<layer>__<variable>` (for Inception-v3 as load_weights says), .h5 of weights, .keras.
    Raises UsageError if they are of another network or missing: random weights are never used.
    """
    keras.backend.clear_session()  # layers are numbered from the start, so that the same weights give the same graph
    constructor = getattr(keras.applications, architecture.constructor)
    width = {"alpha": architecture.alpha} if architecture.alpha else {}
    shape = (architecture.side, architecture.side, 3)
    try:
        trunk = constructor(include_top=False, weights=None if weights else "imagenet", input_shape=shape, **width)
    except Exception as error:  # whatever the network, the proxy or the disk raise
        raise UsageError(
            f"The weights of {architecture.constructor} could not be downloaded ({first_line(error)}). "
            "Name a file that has them with --weights."
        ) from error
    if weights and weights.suffix == ".npz" and architecture.constructor == "InceptionV3":
        load_weights(trunk, weights)
    elif weights:
        with wrap_weight_error(weights):
            _load_application(trunk, weights)
    return trunk


def _load_application(trunk: keras.Model, file: Path) -> None:
    """Loads the weights of a file, layer by layer of the same name. Raises UsageError if one is missing."""
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as arrays:
            stored = {name: arrays[name] for name in arrays.files}
        for layer in trunk.layers:
            names = [f"{layer.name}__{variable.name}" for variable in layer.weights]
            _set(layer, [stored.get(name) for name in names], file)
    elif file.name.endswith(".weights.h5") or not _is_whole_model(file):
        trunk.load_weights(file)  # Keras checks the number of layers and every shape
    else:
        whole = keras.models.load_model(file, compile=False)
        layers = {layer.name: layer for layer in whole.layers}
        for layer in trunk.layers:
            same = layers.get(layer.name)
            _set(layer, same.get_weights() if same else [None] * len(layer.weights), file)


def _is_whole_model(file: Path) -> bool:
    if file.suffix == ".keras":
        return True
    with h5py.File(file) as content:
        return "model_config" in content.attrs


def _set(layer: keras.Layer, values: list[np.ndarray | None], file: Path) -> None:
    shapes = [tuple(variable.shape) for variable in layer.weights]
    arrays = [value for value in values if value is not None]
    if [value.shape for value in arrays] != shapes:
        raise UsageError(
            f"'{file}' has the weights of another network: those of layer {layer.name} are missing or misshapen."
        )
    layer.set_weights([value.astype(np.float32) for value in arrays])
