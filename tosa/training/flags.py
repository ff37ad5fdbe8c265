"""Retrain the last layer of the network, or all of it, on your own pictures or sounds.

    python retrain.py --image_dir=melspectrograms/train --bottleneck_dir=bottlenecks --model_dir=inception \\
      --output_graph=retrained_graph.pb --output_labels=retrained_labels.txt

Flags that TensorFlow's classic retrain.py had keep their names, defaults and log lines.
"""

import argparse
import errno
import os
import sys
from pathlib import Path

from tosa.errors import ModelError, SettingError, UsageError
from tosa.settings import Settings

PROGRAM = "retrain.py"
BALANCES = ("drawn", "weighted", "none")
USES = ("evaluate", "calibrate", "refit", "fine_tune")  # in the place of training one task's last layer
LAST_LAYER = (  # what is of that alone
    "class_balance hidden_units dropout optimizer weights variants flip_left_right random_crop random_scale "
    "random_brightness random_rotation random_shift random_gain random_bandwidth background_snr "
    "intermediate_store_frequency saved_model_dir"
).split()
STEPS = (  # what is of trainings in steps
    "plot how_many_training_steps learning_rate train_batch_size eval_step_interval validation_batch_size model_dir "
    "checkpoint_dir precision"
).split()


class Parser(argparse.ArgumentParser):
    """Ends with one line that names the flag, not with the list of all of them."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message} (--help lists all flags)\n")


def between(least: float, most: float, kind: type = float):
    """A reader of numbers from least on and under most."""

    def number(text: str):
        if not least <= (value := kind(text)) < most:
            bound = f" and under {most:g}" if most < float("inf") else ""
            raise argparse.ArgumentTypeError(f"{text} is not from {least:g} on{bound}")
        return value

    return number


def positive(text: str) -> int:
    """A whole number over 0."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not over 0")
    return number


def count(text: str) -> int:
    """A whole number over 0, or -1 for all."""
    return -1 if text == "-1" else positive(text)


def share(text: str) -> float:
    """A number between 0 and 1, neither of them."""
    if not 0 < (number := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """All flags. A default of None depends on other flags, as its help says."""
    written = argparse.RawDescriptionHelpFormatter
    flags = Parser(prog=program, description=__doc__, formatter_class=written, allow_abbrev=False)
    for add in (_data_flags, _output_flags, _training_flags, _distortion_flags, _report_flags):
        add(flags)
    return flags


def _group(flags: argparse.ArgumentParser, title: str):
    """A function that adds a flag to a new group, of its default's type and with it in the help."""
    group = flags.add_argument_group(title)

    def flag(name, default, help, **more):
        kind = {} if "action" in more or "type" in more or default is None else {"type": type(default)}
        said = "" if default in (None, False) else f" (default: {default})"
        group.add_argument(f"--{name}", default=default, help=(help + said).replace("%", "%%"), **kind, **more)

    return flag


def _data_flags(flags) -> None:
    what = flags.add_argument_group("what to learn from").add_mutually_exclusive_group()
    what.add_argument("--image_dir", type=Path, help="folder with one folder of pictures (or sounds) a label")
    what.add_argument(
        "--labels_csv", type=Path, help="table with columns file, label and maybe task, group, split, source"
    )
    flag = _group(flags, "the cases")
    flag("audio_dir", None, "folder with one folder of sounds a label, drawn into --image_dir first", type=Path)
    flag(
        "task", None, "task to add to or replace in the graph, keeping its others; without it the graph has one. Of a "
        "table that names tasks, the rows of this one are taken",
    )  # fmt: skip
    flag("demonstration", None, "'TASK: REASON': answer this task's findings as a demonstration, with the reason")
    flag("group_regex", None, "what in a file's name tells its patient or source; groups are never split")
    flag("testing_percentage", 10, "percent of the groups to test on")
    flag("validation_percentage", 10, "percent of the groups to validate on")
    for split in ("training", "validation", "testing"):
        flag(f"{split}_list", None, f"text file that names the files for {split}, one a line", type=Path)
    flag("skip_unreadable", False, "leave out what cannot be read, and list it", action="store_true")


def _output_flags(flags) -> None:
    flag = _group(flags, "where to save")
    flag("output_graph", Path("/tmp/output_graph.pb"), "the trained graph")
    flag("output_labels", Path("/tmp/output_labels.txt"), "its labels")
    flag("final_tensor_name", "final_result", "name of the output in the graph")
    flag("summaries_dir", Path("/tmp/retrain_logs"), "curves and graph for TensorBoard")
    flag("bottleneck_dir", Path("/tmp/bottleneck"), "bottlenecks, to be used again")
    flag("intermediate_output_graphs_dir", Path("/tmp/intermediate_graph"), "graphs on the way")
    flag("intermediate_store_frequency", 0, "steps between two of those, 0 for none", type=between(0, 1e9, int))
    flag("saved_model_dir", None, "the graph as a TensorFlow SavedModel too", type=Path)


def _training_flags(flags) -> None:
    flag = _group(flags, "how to train")
    flag("how_many_training_steps", None, "training steps: 4000, or 4000 batches of --fine_tune", type=positive)
    flag("learning_rate", None, "0.01; 0.001 with adam; the peak of --fine_tune, 0.00015", type=between(0, 1e3))
    flag("train_batch_size", None, "pictures a step: 100, or 16 with --fine_tune; -1: all, as they are", type=count)
    flag("eval_step_interval", 10, "steps between two evaluations", type=positive)
    flag("test_batch_size", -1, "test pictures, -1 for all", type=count)
    flag("validation_batch_size", 100, "validation pictures an evaluation, -1 for all", type=count)
    flag(
        "class_balance", "drawn", "of the last layer. drawn: every step draws each label equally often, as the classic "
        "did; weighted: cases are drawn as they come, and count the more the rarer their label is; none: as they come. "
        "With --train_batch_size=-1 nothing is drawn, and only weighted balances",
        choices=BALANCES,
    )  # fmt: skip
    flag("hidden_units", 0, "rectified units between bottleneck and last layer, 0 for none", type=between(0, 1e5, int))
    flag("dropout", 0.0, "share of what the last layer sees that a step leaves out", type=between(0, 1))
    flag("optimizer", None, "of the last layer: sgd, or adam with --hidden_units", choices=["sgd", "adam"])
    flag("seed", 0, "repeats a training", type=between(0, 2**31, int))

    flag("architecture", "inception_v3", "the trunk: a network of keras.applications, such as vgg16 or mobilenet_v2")
    flag("model_dir", Path("/tmp/imagenet"), "folder of the pretrained network; where empty, the embedded graph serves")
    flag("weights", None, "file of the trunk's weights (.h5, .keras, .npz), in the place of --model_dir", type=Path)
    flag("fine_tune", None, "train all layers, or those from a block on (mixed1 to mixed10), not the last one alone")
    flag("checkpoint_dir", Path("checkpoints"), "where --fine_tune keeps what it goes on from")
    flag("precision", "auto", "of --fine_tune; auto: the processor's faster", choices=["auto", "bfloat16", "float32"])


def _distortion_flags(flags) -> None:
    flag = _group(flags, "distortions of what the last layer is trained on, at random")
    percent = between(0, 1000, int)
    flag("flip_left_right", False, "flip half of the pictures", action="store_true")
    flag("random_crop", 0, "percent of the side to crop", type=percent)
    flag("random_scale", 0, "percent to enlarge by", type=percent)
    flag("random_brightness", 0, "percent to multiply brightness up or down by", type=between(0, 101, int))
    flag("random_rotation", 0.0, "degrees to rotate to either side", type=between(0, 181))
    flag("random_shift", 0.0, "seconds to shift a sound to either side", type=between(0, 2.5))
    flag("random_gain", 0.0, "decibels to make a sound louder or softer by, clipping it", type=between(0, 61))
    flag("random_bandwidth", False, "cut a sound's highs and lows, as small microphones do", action="store_true")
    flag("background_snr", None, "mix noise into a sound, so many decibels under it", type=between(-60, 121))
    flag("variants", 10, "distorted variants of each case, made once and kept in --bottleneck_dir", type=positive)


def _report_flags(flags) -> None:
    flag = _group(flags, "what to report")
    flag("report_dir", Path("report"), "folder for report.json, report.md and their pictures")
    flag("plot", None, "PNG of the training's curves, such as plot.png", type=Path)
    flag("prevalence", 0.1, "share of the ill at which the positive predictive value is given", type=share)
    flag("negative_label", None, "label that stands for health (default: not sick, normal, healthy, negative)")
    flag("print_misclassified_test_images", False, "list the test pictures answered wrongly", action="store_true")
    flag(
        "evaluate", None, "train nothing: report how the served graph does on the testing cases, or on a split or all",
        nargs="?", const="testing", choices=["training", "validation", "testing", "all"],
    )  # fmt: skip
    flag("calibrate", False, "train nothing: fit temperatures, operating points and the gate", action="store_true")
    flag(
        "refit", False, "fit the last layers of all tasks anew, as --fine_tune does at its end, then as --calibrate",
        action="store_true",
    )  # fmt: skip
    flag("graph", None, "graph to evaluate, calibrate or refit, in the place of the served one", type=Path)
    flag("labels", None, "its labels", type=Path)


def main(arguments: list[str] | None = None, program: str = PROGRAM) -> int:
    """Trains, or does what the flags ask for instead, and returns the exit status. Errors start with `program`."""
    reader = parser(program)
    flags = reader.parse_args(arguments)
    uses = [name for name in USES if getattr(flags, name)]
    if len(uses) > 1:
        reader.error(f"--{uses[0]} and --{uses[1]} are two uses; take one")
    of_graph = uses and not flags.fine_tune
    for name in (*(LAST_LAYER if uses else ()), *(STEPS if of_graph else ())):
        if getattr(flags, name) != reader.get_default(name):
            of = "trainings in steps" if name in STEPS else "one task's last layer"
            reader.error(f"--{name} is of {of}; it says nothing to --{uses[0]}")
    if (flags.graph or flags.labels) and not of_graph:
        reader.error(
            "--graph and --labels are of --evaluate, --calibrate and --refit; TOSA_GRAPH names a graph to start from"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on its build help nobody here
    try:
        from tosa.training import commands
        from tosa.training.trunk import architectures  # here, so that --help answers at once

        commands.check_outputs(flags)
        architectures.check(flags)
        if flags.evaluate:
            commands.evaluate(flags, Settings())
        elif flags.calibrate or flags.refit:
            commands.calibrate(flags, Settings())
        elif flags.fine_tune:
            commands.fine_tune(flags, Settings())
        else:
            commands.retrain(flags, Settings())
    except ModuleNotFoundError as error:
        if (error.name or "tosa").startswith("tosa"):
            raise
        print(f"{program}: {_missing(error.name.partition('.')[0])}", file=sys.stderr)
        return 2
    except (UsageError, ModelError, SettingError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        kept = flags.checkpoint_dir if flags.fine_tune else flags.bottleneck_dir
        goes_on = "" if flags.evaluate else f"; the same command goes on from what it kept in '{kept}'"
        print(f"{program}: interrupted{goes_on}", file=sys.stderr)
        return 130
    except OSError as error:
        where = error.filename or ("the disk" if error.errno == errno.ENOSPC else "a file")
        print(f"{program}: {where}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _missing(package: str) -> str:
    """What to do where a package that only training needs is not installed."""
    if sys.version_info >= (3, 14) and package in ("tensorflow", "keras"):
        return f"training needs {package}, which has no wheels for Python 3.14 yet. Use Python 3.11, 3.12 or 3.13."
    return f"training needs {package}, which is not installed. Run 'make train-env', or: pip install '.[train]'"
