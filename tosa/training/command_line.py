"""The command line that a graph remembers: the flags that decided what it became."""

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATHS = {  # flags whose files decide the result; where these lie does not, and is nobody's business
    "image_dir": "FOLDER", "audio_dir": "FOLDER", "labels_csv": "FILE", "weights": "FILE", "finish": "FILE",
    "average": "FILE",
    "training_list": "FILE", "validation_list": "FILE", "testing_list": "FILE",
}  # fmt: skip
WITHOUT_EFFECT = {  # on the graph: these change only what is printed, reported or written beside it
    "eval_step_interval", "intermediate_store_frequency", "test_batch_size", "prevalence",
    "print_misclassified_test_images", "allow_contaminated", "ray",
}  # fmt: skip
WORDS = {"title", "describe", "limits", "demonstration", "no_demonstration"}  # the graph has these in other places


def command_line(parser: ArgumentParser, flags: Namespace) -> str:
    """Returns the command that was given, with the flags that differ from their defaults and decide the result.

    It holds no path and no date, so that the same training gives the same text wherever and whenever it runs.
    """
    words = ["retrain.py"]
    for name, value in vars(flags).items():
        if name in WITHOUT_EFFECT | WORDS or value == parser.get_default(name):
            continue
        for one in value if isinstance(value, list) else [value]:  # a flag that was given several times is a list
            if isinstance(one, Path):
                words += [f"--{name}={PATHS[name]}"] if name in PATHS else []
            elif one is True:
                words.append(f"--{name}")
            else:
                words.append(f"--{name}={shlex.quote(_typed(one))}")
    return " ".join(words)


def _typed(value: Any) -> str:
    """A flag's value as it is typed; one of pairs as NAME:NUMBER,NAME:NUMBER."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{number:g}" for name, number in value.items())
    return str(value)
