"""The options of every command, built from the command line. Only check_flags reads the parsed flags too."""

from argparse import ArgumentTypeError, Namespace
from pathlib import Path

from tosa.errors import UsageError
from tosa.scale.executor import Executor
from tosa.scale.ray_executor import RayExecutor
from tosa.settings import Settings
from tosa.training.commands.calibrate import CalibrateOptions
from tosa.training.commands.describe_graph import DescribeOptions
from tosa.training.commands.evaluate import EvaluateOptions
from tosa.training.commands.fine_tune import FineTuneOptions, FinishWeightsOptions
from tosa.training.commands.finish import FinishOptions
from tosa.training.commands.retrain import RetrainOptions
from tosa.training.data.dataset import SPLITS, Percentages
from tosa.training.data.distortion import Distortion
from tosa.training.data.load_cases import DataOptions
from tosa.training.flag_types import share
from tosa.training.graph.finalize import GraphFiles
from tosa.training.graph.words import Words
from tosa.training.head.bottleneck_dataset import Variants
from tosa.training.head.train_head import HeadRecipe
from tosa.training.report.options import ReportOptions
from tosa.training.trunk.recipe import FineTuneRecipe
from tosa.training.trunk.resolve import TrunkOptions


def retrain_options(flags: Namespace) -> RetrainOptions:
    """Returns the options of a training of one last layer."""
    return RetrainOptions(
        data=_data_options(flags),
        trunk=trunk_options(flags),
        files=_graph_files(flags),
        report=_report_options(flags),
        recipe=_head_recipe(flags),
        variants=Variants(_distortion(flags), flags.variants),
        bottleneck_dir=flags.bottleneck_dir,
        summaries_dir=flags.summaries_dir,
        intermediate_dir=flags.intermediate_output_graphs_dir,
        intermediate_frequency=flags.intermediate_store_frequency,
        saved_model_dir=flags.saved_model_dir,
        words=_words(flags),
        keeps_tasks=flags.task is not None and not flags.drop_other_tasks,
        most_tested=flags.test_batch_size,
        sensitivity=_sensitivity(flags),
    )


def fine_tune_options(flags: Namespace) -> FineTuneOptions:
    """Returns the options of a fine-tuning."""
    data = _data_options(flags)
    return FineTuneOptions(
        data=data,
        recipe=_fine_tune_recipe(flags),
        precision=flags.precision,
        geometry=flags.geometry,
        model_dir=flags.model_dir,
        checkpoint_dir=flags.checkpoint_dir,
        summaries_dir=flags.summaries_dir,
        output_weights=flags.output_weights,
        words=_words(flags),
        finish=_finish_options(flags, data, refits=True, curves=flags.summaries_dir),
    )


def finish_weights_options(flags: Namespace) -> FinishWeightsOptions:
    """Returns the options of --finish."""
    data = _data_options(flags)
    return FinishWeightsOptions(
        data=data,
        weights=(flags.finish, *flags.average),
        words=_words(flags),
        finish=_finish_options(flags, data, refits=True),
    )


def calibrate_options(flags: Namespace, settings: Settings) -> CalibrateOptions:
    """Returns the options of --calibrate and --refit."""
    data = _data_options(flags)
    graph, labels = _graph_and_labels(flags, settings)
    return CalibrateOptions(
        data=data,
        graph=graph,
        labels=labels,
        words=_words(flags),
        finish=_finish_options(flags, data, refits=flags.refit),
    )


def evaluate_options(flags: Namespace, settings: Settings) -> EvaluateOptions:
    """Returns the options of --evaluate."""
    graph, labels = _graph_and_labels(flags, settings)
    return EvaluateOptions(_data_options(flags), graph, labels, flags.evaluate, _report_options(flags), flags.compare)


def describe_options(flags: Namespace, settings: Settings) -> DescribeOptions:
    """Returns the options of --describe_graph."""
    graph, labels = _graph_and_labels(flags, settings)
    return DescribeOptions(flags.describe_graph, graph, labels, flags.output_graph)


def _data_options(flags: Namespace) -> DataOptions:
    lists = {split: getattr(flags, f"{split}_list") for split in SPLITS}
    return DataOptions(
        image_dir=flags.image_dir,
        labels_csv=flags.labels_csv,
        audio_dir=flags.audio_dir,
        task=flags.task,
        group_regex=flags.group_regex,
        percentages=Percentages(flags.validation_percentage, flags.testing_percentage),
        lists={split: file for split, file in lists.items() if file},
        skip_unreadable=flags.skip_unreadable,
        allow_contaminated=flags.allow_contaminated,
        executor=_executor(flags),
    )


def _executor(flags: Namespace) -> Executor | None:
    """What gives work to the cluster of --ray. Raises UsageError if there is none at that address."""
    return RayExecutor(flags.ray, in_order=True) if flags.ray else None


def _words(flags: Namespace) -> Words:
    if flags.demonstration and flags.no_demonstration:
        raise UsageError("--demonstration and --no_demonstration exclude each other; give one of them.")
    return Words(
        command=flags.command,
        title=flags.title,
        descriptions=tuple(flags.describe),
        limits=tuple(flags.limits),
        demonstration=flags.demonstration,
        no_demonstration=flags.no_demonstration,
    )


def trunk_options(flags: Namespace) -> TrunkOptions:
    """Returns which trunk a last layer is trained on."""
    return TrunkOptions(flags.architecture, flags.model_dir, flags.weights)


def _graph_files(flags: Namespace) -> GraphFiles:
    return GraphFiles(flags.output_graph, flags.output_labels, flags.final_tensor_name, bare_labels=flags.task is None)


def _report_options(flags: Namespace) -> ReportOptions:
    return ReportOptions(
        flags.report_dir, flags.plot, flags.prevalence, flags.negative_label, flags.print_misclassified_test_images
    )


def _finish_options(flags: Namespace, data: DataOptions, refits: bool, curves: Path | None = None) -> FinishOptions:
    return FinishOptions(
        files=_graph_files(flags),
        report=_report_options(flags),
        bottleneck_dir=flags.bottleneck_dir,
        most_tested=flags.test_batch_size,
        refits=refits,
        sensitivity=_sensitivity(flags),
        curves=curves,
        executor=data.executor,
    )


def _sensitivity(flags: Namespace) -> dict[str, float]:
    """The shares of --sensitivity by task. Raises UsageError for another form than 'TASK: SHARE'."""
    wanted = {}
    for text in flags.sensitivity or ():
        task, _, number = text.rpartition(": ")
        try:
            wanted[task] = share(number)
        except (ValueError, ArgumentTypeError):
            raise UsageError(
                f"--sensitivity '{text}' must have the form 'TASK: SHARE', with SHARE between 0 and 1, such as "
                "'pneumonia: 0.96'."
            ) from None
        if not task:
            raise UsageError(f"--sensitivity '{text}' names no task. Write 'TASK: {number}'.")
    return wanted


def _head_recipe(flags: Namespace) -> HeadRecipe:
    values = {
        "steps": flags.how_many_training_steps,
        "learning_rate": flags.learning_rate,
        "train_batch_size": flags.train_batch_size,
        "validation_batch_size": flags.validation_batch_size,
        "eval_step_interval": flags.eval_step_interval,
        "class_balance": flags.class_balance,
        "hidden_units": flags.hidden_units,
        "dropout": flags.dropout,
        "optimizer": flags.optimizer,
        "seed": flags.seed,
    }
    return HeadRecipe(**{name: value for name, value in values.items() if value is not None})


def _fine_tune_recipe(flags: Namespace) -> FineTuneRecipe:
    values = {
        "layers": flags.fine_tune,
        "steps": flags.how_many_training_steps,
        "learning_rate": flags.learning_rate,
        "batch_size": flags.train_batch_size,
        "pool_shares": flags.pool_shares,
        "consistency": flags.consistency,
        "ema": flags.ema,
        "batch_norm": flags.batch_norm,
        "seed": flags.seed,
    }
    recipe = FineTuneRecipe(**{name: value for name, value in values.items() if value is not None})
    if recipe.batch_size % recipe.views:
        raise UsageError(
            f"--consistency needs an even --train_batch_size, since a batch has two views of each case, not "
            f"{recipe.batch_size}."
        )
    return recipe


def _distortion(flags: Namespace) -> Distortion:
    return Distortion(
        flip_left_right=flags.flip_left_right,
        random_crop=flags.random_crop,
        random_scale=flags.random_scale,
        random_brightness=flags.random_brightness,
        random_rotation=flags.random_rotation,
        random_shift=flags.random_shift,
        random_gain=flags.random_gain,
        random_bandwidth=flags.random_bandwidth,
        background_snr=flags.background_snr,
        seed=flags.seed,
    )


def _graph_and_labels(flags: Namespace, settings: Settings) -> tuple[Path, Path | None]:
    """The files of --graph and --labels, or the served ones."""
    return (flags.graph, flags.labels) if flags.graph else (settings.graph, settings.labels)
