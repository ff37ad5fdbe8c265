"""The networks that a head can be trained on: the 2015 names around any trunk of keras.applications."""

import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tosa.errors import UsageError
from tosa.settings import Settings
from tosa.training.graph import assemble

DEFAULT = "inception_v3"
WEIGHTS = (".h5", ".keras", ".npz")
GRAPHS = (".pb", ".npz")
CAFFE = ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0))  # mean of ImageNet's blue, green, red, as Caffe's nets took them
TORCH = ((0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255))  # mean, deviation of RGB


@dataclass(frozen=True)
class Architecture:
    """A constructor of keras.applications, the side of the pictures it takes, and what is done to them before."""

    constructor: str
    side: int
    preprocessing: str = "tf"  # Keras' names: tf to [-1, 1], caffe, torch; raw where the trunk scales by itself
    alpha: float | None = None  # MobileNet's width


KNOWN = {
    DEFAULT: Architecture("InceptionV3", 299),
    "inception_resnet_v2": Architecture("InceptionResNetV2", 299),
    "xception": Architecture("Xception", 299),
    "vgg16": Architecture("VGG16", 224, "caffe"),
    "vgg19": Architecture("VGG19", 224, "caffe"),
    "resnet50": Architecture("ResNet50", 224, "caffe"),
    "resnet101": Architecture("ResNet101", 224, "caffe"),
    "resnet152": Architecture("ResNet152", 224, "caffe"),
    "resnet50_v2": Architecture("ResNet50V2", 224),
    "resnet101_v2": Architecture("ResNet101V2", 224),
    "resnet152_v2": Architecture("ResNet152V2", 224),
    "mobilenet": Architecture("MobileNet", 224),
    "mobilenet_v2": Architecture("MobileNetV2", 224),
    "mobilenet_v3_small": Architecture("MobileNetV3Small", 224, "raw"),
    "mobilenet_v3_large": Architecture("MobileNetV3Large", 224, "raw"),
    "densenet121": Architecture("DenseNet121", 224, "torch"),
    "densenet169": Architecture("DenseNet169", 224, "torch"),
    "densenet201": Architecture("DenseNet201", 224, "torch"),
    "nasnet_mobile": Architecture("NASNetMobile", 224),
    "efficientnet_b0": Architecture("EfficientNetB0", 224, "raw"),
    "efficientnet_b3": Architecture("EfficientNetB3", 300, "raw"),
    "efficientnet_v2_b0": Architecture("EfficientNetV2B0", 224, "raw"),
}


def named(name: str) -> Architecture:
    """The architecture of a name, in Keras' spelling (VGG16, MobileNetV2), ours or the classic's (mobilenet_0.50_192).

    Raises UsageError for others.
    """
    if classic := re.fullmatch(r"mobilenet_(1\.0|0\.75|0\.50|0\.25)_(224|192|160|128)", name):
        return Architecture("MobileNet", int(classic[2]), alpha=float(classic[1]))
    for known, architecture in KNOWN.items():
        if name.lower().replace("_", "").replace("-", "") in (known.replace("_", ""), architecture.constructor.lower()):
            return architecture
    quantized = " Quantized networks cannot be retrained here." if name.endswith("_quantized") else ""
    raise UsageError(f"--architecture '{name}' is none of {', '.join(KNOWN)}.{quantized}")


@contextmanager
def trunk_file(flags, settings: Settings):
    """The file of a graph that holds the trunk, for as long as the block lasts.

    For Inception-v3 it is the .pb of --model_dir, or weights (--weights, or an .npz there) frozen, or the embedded
    graph. For others it is the .pb of --model_dir, or weights: --weights, or one file there, or Keras' download.
    """
    architecture = named(flags.architecture)
    plain = architecture == KNOWN[DEFAULT]
    found = [flags.weights] if flags.weights else networks(flags.model_dir, GRAPHS if plain else (".pb", *WEIGHTS))
    if found and found[0].suffix == ".pb":
        note = "" if plain else " A graph has its own architecture: --architecture is not looked at."
        print(f"The trunk is '{found[0]}'.{note}")
        yield found[0]
    elif plain and not found:
        print(f"No network in '{flags.model_dir}': the trunk is that of the embedded graph, '{settings.graph}'.")
        yield settings.graph
    else:
        from tosa.training.trunk import inception  # here, since it imports TensorFlow

        built = inception.application(architecture, found[0] if found else None)
        weights = f"the weights of '{found[0]}'" if found else "Keras' ImageNet weights"
        print(f"The trunk is {architecture.constructor} with {weights}.")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trunk.pb"
            halved = assemble.to_float16(inception.freeze(built, architecture.side, architecture.preprocessing))
            file.write_bytes(halved.SerializeToString(deterministic=True))
            yield file


def check(flags) -> None:
    """Raises UsageError on an --architecture or --weights that cannot be."""
    networks(flags.model_dir)
    if named(flags.architecture) != KNOWN[DEFAULT] and flags.fine_tune:
        raise UsageError("--fine_tune trains Inception-v3 only; leave out --architecture.")
    if flags.weights and flags.weights.suffix not in (*WEIGHTS, ".pb"):
        raise UsageError(f"--weights '{flags.weights}' is none of {', '.join(WEIGHTS)}.")
    if flags.weights and not flags.weights.is_file():
        raise UsageError(f"--weights '{flags.weights}' is not there.")


def check_size(flags, size: tuple[int, int]) -> None:
    """Raises UsageError where a trunk for pictures of this height and width cannot be of --architecture.

    The default may be any graph's, since a graph needs no --architecture.
    """
    architecture = named(flags.architecture)
    if architecture != KNOWN[DEFAULT] and size != (architecture.side, architecture.side):
        raise UsageError(
            f"--architecture '{flags.architecture}' takes pictures of {architecture.side} pixels, and the graph in "
            f"'{flags.weights or flags.model_dir}' such of {size[0]}: leave one of them out."
        )


def networks(model_dir: Path, endings: tuple[str, ...] = GRAPHS) -> list[Path]:
    """The network in model_dir, a .pb or .npz file, or none. Raises UsageError for several."""
    found = sorted(file for file in model_dir.glob("*") if file.suffix in endings)
    if len(found) > 1:
        raise UsageError(f"--model_dir '{model_dir}' holds {len(found)} networks; leave one.")
    return found
