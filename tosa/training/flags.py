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
from tosa.preprocessing import GEOMETRIES
from tosa.settings import Settings
from tosa.training.command_line import command_line
from tosa.training.flag_combinations import check_combination
from tosa.training.flag_types import Parser, between, count, flag_group, positive, share, shares
from tosa.training.packages import missing_package

PROGRAM = "retrain.py"
BALANCES = ("drawn", "weighted", "none")


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """Returns the parser of all flags. A default of None depends on other flags, as the flag's help says."""
    flags = Parser(
        prog=program, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    for add_flags in (
        _data_flags,
        _word_flags,
        _output_flags,
        _training_flags,
        _trunk_flags,
        _distortion_flags,
        _report_flags,
        _cluster_flags,
    ):
        add_flags(flags)
    return flags


def _data_flags(flags: argparse.ArgumentParser) -> None:
    cases = flags.add_argument_group("what to learn from").add_mutually_exclusive_group()
    cases.add_argument("--image_dir", type=Path, help="folder with one folder of pictures (or sounds) for each label")
    cases.add_argument(
        "--labels_csv", type=Path, help="table with the columns file and label; optional: task, group, split, source"
    )
    flag = flag_group(flags, "the cases")
    flag("audio_dir", None, "folder with one folder of sounds for each label; drawn into --image_dir first", type=Path)
    flag(
        "task", None, "task to add to the graph or to replace, keeping the graph's other tasks; without it the new "
        "graph has one task. Of a table that names tasks, only the rows of this one are used",
    )  # fmt: skip
    flag("drop_other_tasks", False, "with --task: the new graph has only this task", action="store_true")
    flag("group_regex", None, "the part of a file's name that tells its patient or source; groups are never split")
    flag("testing_percentage", 10, "percent of the groups to test on")
    flag("validation_percentage", 10, "percent of the groups to validate on")
    for split in ("training", "validation", "testing"):
        flag(f"{split}_list", None, f"text file that names the files for {split}, one on each line", type=Path)
    flag("skip_unreadable", False, "leave out files that cannot be read, and list them", action="store_true")
    flag("allow_contaminated", False, "test even on files that were in the training of the trunk", action="store_true")


def _word_flags(flags: argparse.ArgumentParser) -> None:
    flag = flag_group(flags, "what the graph says of itself, on the page and in answers")
    flag("title", None, "short name of the model")
    flag(
        "describe", [], "what a label means, as 'LABEL: words', or 'TASK/LABEL: words' where several tasks have the "
        "label; once for each label", action="append",
    )  # fmt: skip
    flag(
        "limits", [], "where a task fails, or what it must not be used for, as 'TASK: sentence', or a sentence where "
        "one task is trained; may be repeated", action="append",
    )  # fmt: skip
    flag(
        "demonstration", None, "'TASK: REASON': mark this task's findings as a demonstration, for this reason. A task "
        "that replaces a demonstration stays one",
    )  # fmt: skip
    flag("no_demonstration", False, "remove this mark from the tasks that are trained", action="store_true")


def _output_flags(flags: argparse.ArgumentParser) -> None:
    flag = flag_group(flags, "where to save")
    flag("output_graph", Path("/tmp/output_graph.pb"), "the trained graph")
    flag("output_labels", Path("/tmp/output_labels.txt"), "its labels")
    flag("final_tensor_name", "final_result", "name of the output in the graph")
    flag("summaries_dir", Path("/tmp/retrain_logs"), "curves and graph for TensorBoard")
    flag("bottleneck_dir", Path("/tmp/bottleneck"), "cache of bottlenecks")
    flag("intermediate_output_graphs_dir", Path("/tmp/intermediate_graph"), "intermediate graphs")
    flag("intermediate_store_frequency", 0, "steps between two of them, 0 for none", type=between(0, 1e9, int))
    flag("saved_model_dir", None, "the graph as a TensorFlow SavedModel too", type=Path)


def _training_flags(flags: argparse.ArgumentParser) -> None:
    flag = flag_group(flags, "how to train")
    flag("how_many_training_steps", None, "training steps: 4000, or 4000 batches of --fine_tune", type=positive)
    flag("learning_rate", None, "0.01; 0.001 with adam; the peak of --fine_tune, 0.00015", type=between(0, 1e3))
    flag("train_batch_size", None, "pictures in each step: 100, or 16 with --fine_tune; -1: all cases", type=count)
    flag("eval_step_interval", 10, "steps between two evaluations", type=positive)
    flag("test_batch_size", -1, "test pictures, -1 for all", type=count)
    flag("validation_batch_size", 100, "validation pictures in each evaluation, -1 for all", type=count)
    flag(
        "class_balance", "drawn", "for the last layer. drawn: every step samples each label equally often, as the "
        "classic did; weighted: cases are sampled uniformly, and cases of rare labels get larger weights; none: "
        "cases are sampled uniformly. With --train_batch_size=-1 nothing is sampled, and only weighted has an effect",
        choices=BALANCES,
    )  # fmt: skip
    flag("hidden_units", 0, "rectified units between bottleneck and last layer, 0 for none", type=between(0, 1e5, int))
    flag("dropout", 0.0, "share of the last layer's inputs that a step leaves out", type=between(0, 1))
    flag("optimizer", None, "for the last layer: sgd, or adam with --hidden_units", choices=["sgd", "adam"])
    flag("seed", 0, "the same seed repeats a training", type=between(0, 2**31, int))


def _trunk_flags(flags: argparse.ArgumentParser) -> None:
    flag = flag_group(flags, "the trunk, which is the network without its last layer")
    flag("architecture", "inception_v3", "a network of keras.applications, such as vgg16 or mobilenet_v2")
    flag("model_dir", Path("/tmp/imagenet"), "folder of the pretrained network; if empty, the embedded graph is used")
    flag("weights", None, "file of the trunk's weights (.h5, .keras, .npz), in the place of --model_dir", type=Path)
    flag("fine_tune", None, "train all layers ('all') or those from a block on (mixed1 to mixed10), not only the last")
    flag(
        "geometry", None, "for --fine_tune: how X-rays become square. squash: both sides are scaled to the network's; "
        "letterbox: the aspect ratio is kept, and black added. Default: as in the graph that is fine-tuned, or squash",
        choices=GEOMETRIES,
    )  # fmt: skip
    flag(
        "pool_shares", None, "for --fine_tune: NAME:SHARE,NAME:SHARE, the shares of a batch that are sampled from the "
        "cases of each pool, which the table's column pool names. Default: by the square root of each label's size",
        type=shares,
    )  # fmt: skip
    flag(
        "consistency", 0.0, "for --fine_tune: weight of the divergence between the answers to two views of a case, "
        "each changed in another way, such as 1; a batch then has two views of half as many cases; 0: one view",
        type=between(0, 1e3),
    )  # fmt: skip
    flag(
        "ema", 0.0, "for --fine_tune: decay of the moving average of the weights that the training ends with, such as "
        "0.998; 0: it ends with the last weights",
        type=between(0, 1),
    )  # fmt: skip
    flag(
        "batch_norm", "inference", "for --fine_tune: whether batch normalisation uses the statistics of the weights "
        "that it starts from (inference) or those of each batch (training), for batches of 64 or more",
        choices=["inference", "training"],
    )  # fmt: skip
    flag(
        "output_weights", None, "for --fine_tune: write the trained weights into this .npz file and end; --finish "
        "makes a graph of them, on this machine or another one",
        type=Path,
    )  # fmt: skip
    flag("finish", None, "make a graph of this file of --output_weights, with the cases it was trained on", type=Path)
    flag(
        "average", [], "with --finish: another file of --output_weights, of the same cases; the graph gets the mean of "
        "the weights of all files. May be repeated; a file that is given twice counts twice", type=Path,
        action="append",
    )  # fmt: skip
    flag("checkpoint_dir", Path("checkpoints"), "where --fine_tune saves checkpoints, to resume from")
    flag(
        "precision", "auto", "for --fine_tune; auto: whichever is faster on this processor",
        choices=["auto", "bfloat16", "float32"],
    )  # fmt: skip


def _distortion_flags(flags: argparse.ArgumentParser) -> None:
    flag = flag_group(flags, "random distortions of the training cases, for the last layer")
    percent = between(0, 1000, int)
    flag("flip_left_right", False, "flip half of the pictures", action="store_true")
    flag("random_crop", 0, "percent of the side to crop", type=percent)
    flag("random_scale", 0, "percent to enlarge by", type=percent)
    flag("random_brightness", 0, "percent to multiply brightness up or down by", type=between(0, 101, int))
    flag("random_rotation", 0.0, "degrees to rotate to either side", type=between(0, 181))
    flag("random_shift", 0.0, "seconds to shift a sound to either side", type=between(0, 2.5))
    flag("random_gain", 0.0, "decibels to make a sound louder or softer by, clipping it", type=between(0, 61))
    flag(
        "random_bandwidth",
        False,
        "cut low and high frequencies, as small microphones do",
        action="store_true",
    )
    flag("background_snr", None, "mix noise into a sound, so many decibels below it", type=between(-60, 121))
    flag("variants", 10, "distorted variants of each case, cached in --bottleneck_dir", type=positive)


def _report_flags(flags: argparse.ArgumentParser) -> None:
    flag = flag_group(flags, "what to report")
    flag("report_dir", Path("report"), "folder for report.json, report.md and their pictures")
    flag("plot", None, "PNG of the training curves, such as plot.png", type=Path)
    flag(
        "sensitivity", None, "'TASK: SHARE', such as 'pneumonia: 0.96': the share of ill validation cases that the "
        "diagnosis must find, at the price of specificity; may be given once for each task", action="append",
    )  # fmt: skip
    flag("prevalence", 0.1, "prevalence for which the positive predictive value is reported", type=share)
    flag("negative_label", None, "label that stands for health (default: not sick, normal, healthy, negative)")
    flag("print_misclassified_test_images", False, "list the test pictures answered wrongly", action="store_true")
    flag(
        "evaluate", None, "train nothing: report the served graph's results on the testing cases, another split or all",
        nargs="?", const="testing", choices=["training", "validation", "testing", "all"],
    )  # fmt: skip
    flag("compare", None, "with --evaluate: another graph, to be compared on the same cases", type=Path)
    flag(
        "folds", 0, "cross-validation: train and test the last layer so many times, each time on other groups, and "
        "report; no graph is written", type=between(2, 1000, int),
    )  # fmt: skip
    flag("calibrate", False, "train nothing: fit temperatures, operating points and the gate", action="store_true")
    flag(
        "refit", False, "fit the last layers of all tasks again, as --fine_tune does at its end, then calibrate",
        action="store_true",
    )  # fmt: skip
    flag(
        "describe_graph", None, "train nothing: write the words of a JSON file (titles, what labels mean, limits, in "
        "several languages) into the graph; docs/training.md shows one", type=Path,
    )  # fmt: skip
    flag("graph", None, "graph to evaluate, calibrate, refit or describe, in the place of the served one", type=Path)
    flag("labels", None, "its label file, for a graph that does not carry its labels", type=Path)


def _cluster_flags(flags: argparse.ArgumentParser) -> None:
    flag = flag_group(flags, "where to work")
    flag(
        "ray", None, "Ray cluster, such as auto or 10.0.0.1:6379, that draws the sounds of --audio_dir and calculates "
        "bottlenecks instead of this machine; its nodes need Tosa and the same files",
    )  # fmt: skip


def main(arguments: list[str] | None = None, program: str = PROGRAM) -> int:
    """Does what the flags ask for, and returns the exit status. Errors start with the name of the program."""
    reader = parser(program)
    flags = reader.parse_args(arguments)
    check_combination(reader, flags)
    flags.command = command_line(reader, flags)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on its build help no user
    try:
        from tosa.training.commands import run  # here, so that --help answers at once

        run.run(flags, Settings())
    except ModuleNotFoundError as error:
        return _end(program, missing_package(error))
    except (UsageError, ModelError, SettingError) as error:
        return _end(program, str(error))
    except KeyboardInterrupt:
        folder = flags.checkpoint_dir if flags.fine_tune else flags.bottleneck_dir
        hint = "" if flags.evaluate else f"; the same command resumes from what is saved in '{folder}'"
        return _end(program, f"interrupted{hint}", status=130)
    except OSError as error:
        place = error.filename or ("the disk" if error.errno == errno.ENOSPC else "a file")
        return _end(program, f"{place}: {error.strerror}")
    return 0


def _end(program: str, message: str, status: int = 2) -> int:
    print(f"{program}: {message}", file=sys.stderr)
    return status
