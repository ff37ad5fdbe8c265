"""Which flags of retrain.py exclude each other, need each other or have no effect together."""

from argparse import ArgumentParser, Namespace

from tosa.training.command_line import WORDS

# flags that ask for something else than one last layer
COMMANDS = ("evaluate", "calibrate", "refit", "fine_tune", "finish", "describe_graph")
LAST_LAYER = (  # flags that have an effect only when one last layer is trained
    "drop_other_tasks class_balance hidden_units dropout optimizer weights variants flip_left_right random_crop "
    "random_scale random_brightness random_rotation random_shift random_gain random_bandwidth background_snr "
    "intermediate_store_frequency saved_model_dir"
).split()
STEPS = (  # flags that have an effect only on trainings in steps, those of a last layer and --fine_tune
    "plot how_many_training_steps learning_rate train_batch_size eval_step_interval validation_batch_size model_dir "
    "checkpoint_dir precision"
).split()
FINE_TUNING = ("pool_shares", "consistency", "ema", "batch_norm", "output_weights")  # flags that need --fine_tune
NEEDS = {  # flags that need another one, and why
    "drop_other_tasks": ("task", ", which names the task that is left"),
    "geometry": ("fine_tune", ": a trunk keeps the geometry that it was trained with"),
    "average": ("finish", ", which names the first file"),
    "compare": ("evaluate", ""),
    "labels": ("graph", ", the graph that it belongs to"),
}
NOT_IN_FOLDS = (  # flags that have no effect on cross-validation, which splits the cases itself and writes no graph
    "training_list validation_list testing_list testing_percentage plot intermediate_store_frequency saved_model_dir"
).split()


def check_combination(reader: ArgumentParser, flags: Namespace) -> None:
    """Ends the program if flags are given together that exclude each other."""
    commands = [name for name in (*COMMANDS, "folds") if getattr(flags, name)]
    if len(commands) > 1:
        reader.error(f"--{commands[0]} and --{commands[1]} exclude each other; give one of them")
    trains_no_layer = bool(commands) and not flags.fine_tune and not flags.folds
    uses_graph = trains_no_layer and not flags.finish
    wordless = sorted(WORDS) if flags.evaluate or flags.describe_graph else ()
    others = (*(LAST_LAYER if commands else ()), *(STEPS if trains_no_layer else ()), *wordless)
    for name in NOT_IN_FOLDS if flags.folds else others:
        if getattr(flags, name) != reader.get_default(name):
            reader.error(f"--{name} has no effect with --{commands[0]}; leave it out")
    for name in FINE_TUNING:
        if not flags.fine_tune and getattr(flags, name) != reader.get_default(name):
            reader.error(f"--{name} needs --fine_tune")
    for name, (needed, why) in NEEDS.items():
        if getattr(flags, name) and not getattr(flags, needed):
            reader.error(f"--{name} needs --{needed}{why}")
    if flags.output_weights and flags.output_weights.suffix != ".npz":
        reader.error(f"--output_weights must end in .npz, not '{flags.output_weights}'")
    if flags.sensitivity and flags.evaluate:
        reader.error("--sensitivity has no effect with --evaluate; leave it out")
    _check_cluster(reader, flags)
    if (flags.graph or flags.labels) and not uses_graph:
        reader.error(
            "--graph and --labels need --evaluate, --calibrate, --refit or --describe_graph; TOSA_GRAPH names a graph "
            "to start from"
        )


def _check_cluster(reader: ArgumentParser, flags: Namespace) -> None:
    """Ends the program if --ray is given and there is nothing for a cluster to do."""
    names = [name for name in ("describe_graph", "evaluate", "output_weights") if getattr(flags, name)]
    if flags.ray and names and (flags.describe_graph or not flags.audio_dir):
        unless = "" if flags.describe_graph else ", which calculates no bottlenecks, unless --audio_dir names sounds"
        reader.error(f"--ray has no effect with --{names[0]}{unless}; leave it out")
