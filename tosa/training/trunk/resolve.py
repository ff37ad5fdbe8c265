"""Which file holds the trunk: a graph or weights that the user names, or the embedded graph."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tosa.errors import UsageError
from tosa.model.network import GraphFile, Network
from tosa.preprocessing import Preprocessing
from tosa.training.trunk.architectures import INCEPTION, Architecture, architecture_named
from tosa.training.trunk.serialize import to_float16

WEIGHTS = (".h5", ".keras", ".npz")
GRAPH_OR_WEIGHTS = (".pb", ".npz")  # of Inception-v3


@dataclass(frozen=True)
class TrunkOptions:
    """Which trunk a head is trained on."""

    architecture: str
    model_dir: Path
    weights: Path | None = None  # in the place of model_dir


def load_trunk(options: TrunkOptions, embedded: Path) -> tuple[GraphFile, Network]:
    """Returns the graph that holds the trunk, and its network as the server runs it, in float32.

    embedded: the graph that is taken where the options name none. Raises UsageError and ModelError.
    """
    with trunk_file(options, embedded) as file:
        read = GraphFile.read_trunk(file)
        network = read.start(precision="f32")
    _check_size(options, network.size)
    return read, network


@contextmanager
def trunk_file(options: TrunkOptions, embedded: Path) -> Iterator[Path]:
    """Yields the file of a graph that holds the trunk, which is there as long as the block lasts.

    For Inception-v3 it is the .pb of model_dir, or weights (those named, or an .npz there) frozen, or the embedded
    graph. For others it is the .pb of model_dir, or weights: those named, or one file there, or Keras' download.
    """
    architecture = architecture_named(options.architecture)
    is_default = architecture == INCEPTION
    file = _named_file(options)
    if file and file.suffix == ".pb":
        note = "" if is_default else " A graph has its own architecture, so --architecture has no effect."
        print(f"The trunk is '{file}'.{note}")
        yield file
    elif is_default and not file:
        print(f"No network in '{options.model_dir}': the trunk is that of the embedded graph, '{embedded}'.")
        yield embedded
    else:
        with _frozen(architecture, file) as graph:
            yield graph


def trunk_preprocessing(options: TrunkOptions, embedded: Path) -> Preprocessing:
    """Returns how pictures are drawn for the trunk: as its graph says, as usual for other weights.

    Raises ModelError if the graph cannot be read.
    """
    is_default = architecture_named(options.architecture) == INCEPTION
    file = _named_file(options) or (embedded if is_default else None)
    if file and file.suffix == ".pb":
        return GraphFile.read_trunk(file).model.metadata.preprocessing
    return Preprocessing()


def _named_file(options: TrunkOptions) -> Path | None:
    """The file that the user named or put into model_dir, if there is one."""
    is_default = architecture_named(options.architecture) == INCEPTION
    return options.weights or network_in(options.model_dir, GRAPH_OR_WEIGHTS if is_default else (".pb", *WEIGHTS))


@contextmanager
def _frozen(architecture: Architecture, weights: Path | None) -> Iterator[Path]:
    """The file of a graph with weights, for as long as the block lasts."""
    from tosa.training.trunk import applications, freeze  # here, since they import TensorFlow

    trunk = applications.build_application(architecture, weights)
    of = f"the weights of '{weights}'" if weights else "Keras' ImageNet weights"
    print(f"The trunk is {architecture.constructor} with {of}.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trunk.pb"
        halved = to_float16(freeze.freeze_trunk(trunk, architecture))
        file.write_bytes(halved.SerializeToString(deterministic=True))
        yield file


def check_trunk_options(options: TrunkOptions, fine_tunes: bool = False) -> None:
    """Raises UsageError on an architecture or weights that cannot be used. fine_tunes: whether the trunk is trained."""
    network_in(options.model_dir)
    if architecture_named(options.architecture) != INCEPTION and fine_tunes:
        raise UsageError("--fine_tune trains only Inception-v3; leave out --architecture.")
    if options.weights and options.weights.suffix not in (*WEIGHTS, ".pb"):
        raise UsageError(f"--weights '{options.weights}' must end in one of .pb, {', '.join(WEIGHTS)}.")
    if options.weights and not options.weights.is_file():
        raise UsageError(f"--weights '{options.weights}' does not exist.")


def _check_size(options: TrunkOptions, size: tuple[int, int]) -> None:
    """Raises UsageError where a graph that takes pictures of this height and width cannot be of the architecture.

    The default fits any graph, since a graph needs no --architecture.
    """
    architecture = architecture_named(options.architecture)
    if architecture != INCEPTION and size != (architecture.side, architecture.side):
        raise UsageError(
            f"--architecture '{options.architecture}' takes pictures of {architecture.side} pixels, and the graph in "
            f"'{options.weights or options.model_dir}' takes {size[0]}-pixel pictures: leave one of them out."
        )


def network_in(model_dir: Path, endings: tuple[str, ...] = GRAPH_OR_WEIGHTS) -> Path | None:
    """Returns the network in model_dir, a file with one of the endings, or None. Raises UsageError for several."""
    files = sorted(file for file in model_dir.glob("*") if file.suffix in endings)
    if len(files) > 1:
        raise UsageError(f"--model_dir '{model_dir}' holds {len(files)} networks; leave one.")
    return files[0] if files else None
