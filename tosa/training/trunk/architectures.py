"""The trunks that a head can be trained on: Inception-v3, and others of keras.applications."""

import re
from dataclasses import dataclass

from tosa.errors import UsageError

DEFAULT = "inception_v3"
CENTRE = 127.5  # of the pictures' values: (x - 127.5) / 127.5 is in [-1, 1]
MEANS_AND_DEVIATIONS = {  # that pictures are scaled with, by Keras' names
    "tf": (CENTRE, CENTRE),
    "caffe": ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),  # ImageNet's blue, green, red, as Caffe's nets took them
    "torch": ((0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)),  # red, green, blue
}


@dataclass(frozen=True)
class Architecture:
    """A constructor of keras.applications, the side of the pictures it takes, and how they are scaled before."""

    constructor: str
    side: int  # pixels
    preprocessing: str = "tf"  # a key of MEANS_AND_DEVIATIONS; raw if the trunk scales by itself
    alpha: float | None = None  # MobileNet's width


INCEPTION = Architecture("InceptionV3", 299)
ARCHITECTURES = {
    DEFAULT: INCEPTION,
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


def architecture_named(name: str) -> Architecture:
    """Returns the architecture of a name: Keras' (VGG16, MobileNetV2), Tosa's or the classic's (mobilenet_0.50_192).

    Raises UsageError for others.
    """
    if classic := re.fullmatch(r"mobilenet_(1\.0|0\.75|0\.50|0\.25)_(224|192|160|128)", name):
        return Architecture("MobileNet", int(classic[2]), alpha=float(classic[1]))
    for own_name, architecture in ARCHITECTURES.items():
        spellings = (own_name.replace("_", ""), architecture.constructor.lower())
        if name.lower().replace("_", "").replace("-", "") in spellings:
            return architecture
    quantized = " Quantized networks cannot be retrained." if name.endswith("_quantized") else ""
    raise UsageError(f"--architecture must be one of {', '.join(ARCHITECTURES)}, not '{name}'.{quantized}")
