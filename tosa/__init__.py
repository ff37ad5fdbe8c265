"""Tosa: screens a cough recording or a chest X-ray. For learning and research; not a medical device.

    import tosa
    tosa.load().screen(sound="cough.wav")

docs/architecture.md explains the modules.
"""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tosa.api import Model

__version__ = "0.2.0.dev0"
__all__ = ["__version__", "load"]


def load(graph: "str | PathLike[str] | None" = None, labels: "str | PathLike[str] | None" = None) -> "Model":
    """Returns the embedded network, that of TOSA_GRAPH and TOSA_LABELS, or that of the graph file given.

    labels: the label file of a graph that does not carry its labels, as those of the classic retrain.py.
    Raises tosa.errors.ModelError, which names the file, if one is missing or damaged or they do not fit each other.
    """
    from tosa.api import load_model  # here, since every module of the package imports this one

    return load_model(graph, labels)
