"""From parsed flags to the command that they ask for."""

from argparse import Namespace

from tosa.settings import Settings
from tosa.training.commands import options
from tosa.training.commands.calibrate import calibrate
from tosa.training.commands.check_flags import check_flags
from tosa.training.commands.describe_graph import describe_graph
from tosa.training.commands.evaluate import evaluate
from tosa.training.commands.fine_tune import fine_tune, finish_weights
from tosa.training.commands.folds import cross_validate
from tosa.training.commands.messages import print_how_to_serve
from tosa.training.commands.retrain import retrain


def run(flags: Namespace, settings: Settings) -> None:
    """Does what the flags ask for. Raises UsageError, ModelError, SettingError or OSError if it cannot be done."""
    check_flags(flags)
    if flags.evaluate:
        evaluate(options.evaluate_options(flags, settings))
        return
    if flags.describe_graph:
        describe_graph(options.describe_options(flags, settings))
    elif flags.calibrate or flags.refit:
        calibrate(options.calibrate_options(flags, settings))
    elif flags.fine_tune:
        fine_tune(options.fine_tune_options(flags), settings)
        if flags.output_weights:
            return
    elif flags.finish:
        finish_weights(options.finish_weights_options(flags), settings)
    elif flags.folds:
        cross_validate(options.retrain_options(flags), flags.folds, settings)
        return
    else:
        retrain(options.retrain_options(flags), settings)
    print_how_to_serve(flags.output_graph)
