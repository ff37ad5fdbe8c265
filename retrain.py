"""Retrain the last layer of the network, or all of it, on your own pictures or sounds.

    python retrain.py --image_dir=melspectrograms/train --bottleneck_dir=bottlenecks --model_dir=inception \\
      --output_graph=retrained_graph.pb --output_labels=retrained_labels.txt

Flags that TensorFlow's classic retrain.py had keep their names, defaults and log lines.
"""

import argparse
import os
import sys
from pathlib import Path

from tosa.errors import ModelError, SettingError, UsageError
from tosa.settings import Settings


def positive(text: str) -> int:
    """A whole number over 0."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not over 0")
    return number


def count(text: str) -> int:
    """A whole number over 0, or -1 for all."""
    return -1 if text == "-1" else positive(text)


def parser() -> argparse.ArgumentParser:
    """All flags. A default of None depends on whether --fine_tune is given, as its help says."""
    flags = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )

    def flag(name, default, help, **more):
        kind = {} if "action" in more or "type" in more or default is None else {"type": type(default)}
        flags.add_argument(f"--{name}", default=default, help=f"{help} (default: {default})", **kind, **more)

    what = flags.add_argument_group("what to learn from").add_mutually_exclusive_group()
    what.add_argument("--image_dir", type=Path, help="folder with one folder of pictures (or sounds) a label")
    what.add_argument("--labels_csv", type=Path, help="table with columns file, label and maybe task, group, split")
    flag("audio_dir", None, "folder with one folder of sounds a label, drawn into --image_dir first", type=Path)
    flag("task", None, "task to add to or replace in the graph, keeping its others; without it the graph has one")
    flag("demonstration", None, "'TASK: REASON': answer this task's findings as a demonstration, with the reason")
    flag("group_regex", None, "what in a file's name tells its patient or source; groups are never split")
    flag("testing_percentage", 10, "percent of the groups to test on")
    flag("validation_percentage", 10, "percent of the groups to validate on")

    flag("output_graph", Path("/tmp/output_graph.pb"), "where to save the trained graph")
    flag("output_labels", Path("/tmp/output_labels.txt"), "where to save its labels")
    flag("summaries_dir", Path("/tmp/retrain_logs"), "where to save curves for TensorBoard")
    flag("final_tensor_name", "final_result", "name of the output in the graph")

    flag("how_many_training_steps", None, "training steps: 4000, or 4000 batches of --fine_tune", type=positive)
    flag("learning_rate", None, "0.01, or the peak of --fine_tune, 0.00015", type=float)
    flag("train_batch_size", None, "pictures a step: 100, or 16 with --fine_tune", type=count)
    flag("eval_step_interval", 10, "steps between two evaluations", type=positive)
    flag("test_batch_size", -1, "test pictures, -1 for all", type=count)
    flag("validation_batch_size", 100, "validation pictures an evaluation, -1 for all", type=count)
    flag("print_misclassified_test_images", False, "list the test pictures answered wrongly", action="store_true")
    flag("seed", 0, "repeats a training")

    flag("model_dir", Path("/tmp/imagenet"), "folder of the pretrained network; where empty, the embedded graph serves")
    flag("bottleneck_dir", Path("/tmp/bottleneck"), "where to keep bottlenecks")
    flag("fine_tune", None, "train all layers, or those from a block on (mixed1 to mixed10), not the last one alone")
    flag("checkpoint_dir", Path("checkpoints"), "where --fine_tune keeps what it goes on from")
    flag("precision", "auto", "of --fine_tune; auto: the processor's faster", choices=["auto", "bfloat16", "float32"])
    flag("evaluate", False, "train nothing: report how the served graph does on the testing cases", action="store_true")
    return flags


def main(arguments: list[str] | None = None) -> int:
    flags = parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on its build help nobody here
    from tosa.training import run  # here, so that --help answers at once

    try:
        if flags.evaluate:
            run.evaluate(flags, Settings())
        elif flags.fine_tune:
            run.fine_tune(flags, Settings())
        else:
            run.retrain(flags, Settings())
    except (UsageError, ModelError, SettingError) as error:
        print(f"retrain.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"retrain.py: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
