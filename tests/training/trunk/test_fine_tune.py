"""Fine-tuning on a tiny trunk in the place of Inception-v3."""

import hashlib
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import jensenshannon

import retrain
from sounds import coughs, wav
from tosa.model.graph import CARD, METADATA, SEAL, Graph
from tosa.model.metadata import GraphMetadata
from tosa.model.network import GraphFile, Network
from tosa.preprocessing import Preprocessing
from tosa.training import tensorboard_curves
from tosa.training.commands import options
from tosa.training.data import dataset
from tosa.training.data.contamination import SeenFiles
from tosa.training.data.table import from_csv
from tosa.training.graph import assemble
from tosa.training.head import fit_under_handling, refit
from tosa.training.head.head import Head, softmax
from tosa.training.trunk.average import read_average
from tosa.training.trunk.fine_tuned import FineTuned
from tosa.training.trunk.recipe import FineTuneRecipe
from tosa.training.trunk.serialize import to_float16

FEATURES = 8


@pytest.fixture
def tiny(tf, monkeypatch):
    """Keras layers of the kinds that Inception-v3 has, a thousandth of its size."""
    import keras

    from tosa.training.gate import fit_gate
    from tosa.training.trunk import inception

    monkeypatch.setattr(fit_gate, "DRAWN", 60)

    def build():
        pictures = keras.Input((299, 299, 3))
        features = keras.layers.AveragePooling2D(36)(pictures)
        features = keras.layers.Conv2D(FEATURES, 1, use_bias=False)(features)
        features = keras.layers.Activation("relu")(keras.layers.BatchNormalization(scale=False)(features))
        return keras.Model(pictures, features)

    monkeypatch.setattr(inception, "build_inception", build)
    monkeypatch.setattr(inception, "FEATURES", FEATURES)
    yield inception
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture
def weights(tiny, tmp_path):
    """A weight file for the tiny trunk."""
    built = tiny.build_inception()
    arrays = {f"{name}__{v.name}": v.numpy() for name, layer in tiny.weight_layers(built) for v in layer.weights}
    (tmp_path / "inception").mkdir()
    np.savez(tmp_path / "inception" / "weights.npz", **arrays)
    return tmp_path / "inception"


@pytest.fixture
def table(tmp_path):
    """Two tasks: dark and light pictures, coughs and tones."""
    rows = ["file,task,label,group"]
    for number in range(40):
        level = number % 2
        noise = np.random.default_rng(number).integers(0, 60, (120, 120), dtype=np.uint8)
        Image.fromarray(noise + np.uint8(150 * level)).save(tmp_path / f"p{number}.png")
        samples = coughs(seed=number) if level else np.sin(np.arange(22_050) / (4 + number)) / 2
        (tmp_path / f"s{number}.wav").write_bytes(wav(samples))
        rows.append(f"p{number}.png,lungs,{('dark', 'light')[level]},p{number}")
        rows.append(f"s{number}.wav,cough,{('not sick', 'sick')[level]},s{number}")
    (tmp_path / "cases.csv").write_text("\n".join(rows))
    return tmp_path / "cases.csv"


def run(folder, table, weights, name, *more, steps=40):
    return retrain.main([
        "--fine_tune=all", f"--labels_csv={table}", f"--model_dir={weights}", f"--output_graph={folder}/{name}.pb",
        f"--output_labels={folder}/{name}.txt", f"--checkpoint_dir={folder}/{name}", f"--summaries_dir={folder}/sum",
        f"--how_many_training_steps={steps}", "--learning_rate=0.05", "--train_batch_size=4", *more,
    ])  # fmt: skip


def test_learns_both_tasks_and_is_served(tmp_path, table, weights, capsys):
    assert run(tmp_path, table, weights, "graph", "--demonstration=lungs: drawn", steps=150) == 0
    out = capsys.readouterr().out
    assert out.count("Final test accuracy") == 2
    assert (tmp_path / "graph.txt").read_text() == "lungs: dark\nlungs: light\ncough: not sick\ncough: sick\n"
    network = Network.load(tmp_path / "graph.pb", tmp_path / "graph.txt")
    assert network.metadata.recipe["steps"] == 150
    lungs = network.metadata.task("lungs")
    assert lungs.note == "drawn" and lungs.gate and lungs.calibration.n > 0
    assert network.gate is not None
    constants = SeenFiles.of_graph(Graph((tmp_path / "graph.pb").read_bytes())).constants()
    cases = from_csv(table, "t", dataset.Percentages())
    counts = {split: sum(case.split == split for case in cases) for split in ("training", "validation")}
    for split, count in counts.items():
        stored = sum(len(constants[f"tosa/fingerprints/{split}/{kind}s"]) for kind in ("picture", "sound"))
        assert count * 0.4 < stored <= count
    dark, light = (np.full((1, 299, 299, 3), level, np.uint8) for level in (30, 180))
    assert network.run(dark).scores[0, 0] > 0.5 > network.run(light).scores[0, 0]


def trained(folder, table, weights, name, *more, steps=3):
    """What a training of few steps writes, without finishing it."""
    file = folder / f"{name}.npz"
    assert run(folder, table, weights, name, "--precision=float32", f"--output_weights={file}", *more, steps=steps) == 0
    return FineTuned.read(file)


def test_weights_are_finished_elsewhere_into_the_same_graph(tmp_path, table, weights, capsys):
    """With the cases it was trained on; others could be in other splits."""
    assert run(tmp_path, table, weights, "here", "--precision=float32", "--demonstration=lungs: drawn", steps=3) == 0
    tuned = trained(tmp_path, table, weights, "there")
    assert not (tmp_path / "there.pb").exists() and tuned.trunk["conv2d_1__kernel"].dtype == np.float16
    flags = [f"--finish={tmp_path}/there.npz", f"--output_graph={tmp_path}/there.pb", "--demonstration=lungs: drawn"]
    flags += [f"--labels_csv={table}", f"--output_labels={tmp_path}/there.txt", f"--summaries_dir={tmp_path}/sum"]
    assert retrain.main(flags) == 0
    assert (tmp_path / "here.txt").read_bytes() == (tmp_path / "there.txt").read_bytes()
    here, there = (Graph((tmp_path / f"{name}.pb").read_bytes()) for name in ("here", "there"))
    trunks = [graph.trunk().SerializeToString(deterministic=True) for graph in (here, there)]
    assert trunks[0] == trunks[1]
    assert replace(here.metadata(), command=None) == replace(there.metadata(), command=None)
    assert there.metadata().command.count("--fine_tune") == there.metadata().command.count("--finish") == 1

    rows = table.read_text()
    table.write_text("\n".join(line for line in rows.splitlines() if not line.startswith("p3")))
    assert retrain.main(flags) == 2
    assert "was trained on other cases" in capsys.readouterr().err
    table.write_text("\n".join(line for line in rows.splitlines() if "lungs" not in line))
    assert retrain.main(flags) == 2
    assert "has the tasks lungs too" in capsys.readouterr().err
    (tmp_path / "there.npz").write_bytes(b"damaged")
    assert retrain.main(flags) == 2
    assert "is not a whole file that --output_weights wrote" in capsys.readouterr().err


def test_the_mean_of_several_weights_is_finished(tmp_path, table, weights, capsys):
    """A file given twice counts twice; files of other labels, cases or geometry are refused."""
    one = trained(tmp_path, table, weights, "one")
    two = trained(tmp_path, table, weights, "two", "--seed=1", "--consistency=1")
    both = read_average([tmp_path / "one.npz", tmp_path / "two.npz", tmp_path / "two.npz"])
    np.testing.assert_allclose(both.weights, (one.weights + 2 * two.weights) / 3, atol=1e-6)
    kernels = [tuned.trunk["conv2d_1__kernel"] for tuned in (one, two, both)]
    assert kernels[2].dtype == np.float16 and (kernels[0] != kernels[1]).any()
    np.testing.assert_allclose(kernels[2], (kernels[0] + 2 * kernels[1].astype(float)) / 3, atol=1e-3)

    flags = [f"--finish={tmp_path}/one.npz", f"--average={tmp_path}/two.npz", f"--labels_csv={table}"]
    flags += [f"--output_graph={tmp_path}/mean.pb", f"--output_labels={tmp_path}/mean.txt"]
    assert retrain.main(flags) == 0
    known = Graph((tmp_path / "mean.pb").read_bytes()).metadata()
    assert known.recipe["averaged_with"] == [two.metadata.recipe] and known.recipe["seed"] == 0
    assert known.command.splitlines()[-1] == "retrain.py --labels_csv=FILE --finish=FILE --average=FILE"

    capsys.readouterr()
    for field, value, said in (
        ("columns", one.columns[::-1], "other tasks or labels"),
        ("cases_sha256", "0" * 64, "different cases"),
        ("trunk", {}, "different networks"),
        ("metadata", replace(one.metadata, preprocessing=Preprocessing(geometry="letterbox")), "--geometry"),
    ):
        replace(one, **{field: value}).write(tmp_path / "two.npz")
        assert retrain.main(flags) == 2
        assert said in capsys.readouterr().err


def test_a_training_starts_from_the_heads_of_a_weights_file(tmp_path, table, weights):
    first = trained(tmp_path, table, weights, "first")
    (tmp_path / "model").mkdir()
    shutil.copy(tmp_path / "first.npz", tmp_path / "model")
    second = trained(tmp_path, table, tmp_path / "model", "second", "--learning_rate=0")
    np.testing.assert_array_equal(first.weights, second.weights)
    assert [each["recipe"]["steps"] for each in second.metadata.before] == [3]


def test_the_average_of_the_weights_lies_between_first_and_last(tmp_path, table, weights):
    plain, averaged = (trained(tmp_path, table, weights, f"ema{ema}", f"--ema={ema}", steps=9) for ema in (0, 0.9))
    first = trained(tmp_path, table, weights, "first", "--learning_rate=0")
    moved, moved_less = (np.abs(tuned.weights - first.weights).sum() for tuned in (plain, averaged))
    assert 0 < moved_less < 0.8 * moved


def test_batch_normalisation_is_trained_if_asked(tmp_path, table, weights):
    start = np.load(weights / "weights.npz")
    for mode, same in (("inference", True), ("training", False)):
        tuned = trained(tmp_path, table, weights, mode, f"--batch_norm={mode}")
        name = "batch_normalization_1__moving_mean"
        assert (tuned.trunk[name] == start[name]).all() == same


def test_a_task_leaves_the_others_as_they_are(tmp_path, table, weights, tiny):
    """The loss is the cross entropy among the task's own columns; others' logits get no gradient."""
    from tosa.training.trunk.tuned_model import (
        TaskCrossEntropy,
        TunedModel,
        compile_tuned_model,
        same_task_matrix,
    )

    tasks, recipe = ["lungs", "lungs", "cough", "cough", "cough"], FineTuneRecipe(warmup_steps=0, weight_decay=0)
    logits = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    loss = TaskCrossEntropy(same_task_matrix(tasks), 0.3)(np.array([0, 3, 4]), logits)
    rows = [(logits[0, :2], 0), (logits[1, 2:], 1), (logits[2, 2:], 2)]
    logs = [(values - np.log(np.exp(values).sum()), right) for values, right in rows]
    wanted = [-0.7 * values[right] - 0.3 * values.mean() for values, right in logs]
    assert float(loss) == pytest.approx(np.mean(wanted), abs=1e-5)

    model = TunedModel(tiny.build_inception(), 5, recipe)
    compile_tuned_model(model, tasks, recipe)
    before = model.head.get_weights()[0]
    model.train_on_batch(np.random.default_rng(0).integers(0, 256, (4, 299, 299, 3), dtype=np.uint8), np.zeros(4))
    changed = np.abs(model.head.get_weights()[0] - before).max(axis=0)
    assert (changed[:2] > 0).all() and (changed[2:] == 0).all()


def test_the_divergence_of_views_is_that_of_jensen_and_shannon_within_a_task(tiny):
    from tosa.training.trunk.tuned_model import TaskCrossEntropy, divergence_of_views, same_task_matrix

    logits = np.random.default_rng(0).normal(0, 3, (6, 3)).astype(np.float32)
    logits[5] = logits[4]
    answers = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = np.repeat([jensenshannon(answers[at], answers[at + 1]) ** 2 for at in (0, 2, 4)], 2)
    np.testing.assert_allclose(divergence_of_views(logits), wanted, atol=1e-6)
    assert wanted[0] > 0.01 and wanted[4] == 0

    with_others = np.concatenate([logits, np.random.default_rng(1).normal(0, 9, (6, 2))], axis=1, dtype=np.float32)
    same_task, targets = same_task_matrix(["lungs"] * 3 + ["cough"] * 2), np.array([0, 0, 1, 1, 2, 2])
    plain, consistent = (TaskCrossEntropy(same_task, 0.1, weight).call(targets, with_others) for weight in (0, 7))
    np.testing.assert_allclose(consistent - plain, 7 * wanted, atol=1e-5)


def test_the_views_of_a_case_keep_the_same_part_of_the_bottleneck(tiny):
    """Different cases keep different parts."""
    from tosa.training.trunk.tuned_model import TunedModel

    model = TunedModel(tiny.build_inception(), 3, FineTuneRecipe(consistency=1, dropout=0.5))
    pictures = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 299, 299, 3), dtype=np.uint8), 12, axis=0)
    logits = np.asarray(model(pictures, training=True))
    np.testing.assert_array_equal(logits[::2], logits[1::2])
    assert len(np.unique(logits.round(5), axis=0)) > 1
    assert len(np.unique(np.asarray(model(pictures)), axis=0)) == 1  # nothing is left out when it answers


def test_with_consistency_the_answers_to_two_views_draw_nearer(tmp_path, table, weights, capsys):
    from tosa.training.trunk import fine_tune
    from tosa.training.trunk.sampler import Sampler

    cases = dataset.of_task(dataset.in_split(from_csv(table, "t", dataset.Percentages()), "training"), "lungs")
    divergence = {}
    for weight in (0, 300):
        recipe = FineTuneRecipe(
            steps=40,
            learning_rate=0.02,
            batch_size=8,
            warmup_steps=1,
            label_smoothing=0,
            consistency=weight,
            checkpoint_every=20,
        )
        tuning = fine_tune.FineTuning(cases, recipe, weights / "weights.npz")
        tuning.train(tmp_path / f"checkpoints {weight}", lambda *_, **__: None)
        views = replace(recipe, consistency=1, batch_size=80)
        pictures, _ = Sampler(cases, views, tuning.columns, tuning.preprocessing).batch(1000)
        answers = softmax(tuning.model.predict_on_batch(pictures).astype(float))
        assert np.isfinite(answers).all()
        apart = np.nan_to_num(jensenshannon(answers[::2], answers[1::2], axis=1))  # nan where they are equal
        divergence[weight] = np.mean(apart**2)
    assert divergence[300] < divergence[0] / 3
    logged = re.findall(r"Step (\d+): Train (divergence|cross entropy) = ([\d.]+)", capsys.readouterr().out)
    assert [(step, name) for step, name, _ in logged] == [
        (step, name) for names in (["cross entropy"], ["cross entropy", "divergence"]) for step in ("20", "40")
        for name in names
    ]  # fmt: skip
    assert 0 <= float(logged[-1][2]) < float(logged[-3][2])


def test_consistency_repeats_and_needs_pairs(tmp_path, table, weights, capsys):
    one, again, none = (
        trained(tmp_path, table, weights, name, f"--consistency={weight}")
        for name, weight in (("one", 1), ("again", 1), ("none", 0))
    )
    np.testing.assert_array_equal(one.weights, again.weights)
    assert (one.weights != none.weights).any()
    assert one.metadata.recipe["consistency"] == 1 and "--consistency=1.0" in one.metadata.command
    assert run(tmp_path, table, weights, "odd", "--consistency=1", "--train_batch_size=5") == 2
    assert "--consistency needs an even --train_batch_size" in capsys.readouterr().err


def test_a_file_that_workers_cannot_read_is_named(tmp_path, table, weights, capsys):
    cases = dataset.in_split(from_csv(table, "t", dataset.Percentages()), "training")
    for case in cases:
        case.file.write_bytes(b"")
    assert run(tmp_path, table, weights, "graph", f"--output_weights={tmp_path}/w.npz", steps=3) == 2
    err = capsys.readouterr().err
    assert "is empty" in err and err.count("\n") == 1


def test_calibrating_changes_neither_trunk_nor_heads(tmp_path, table, weights, monkeypatch, capsys):
    """Calibrated again on the cases it was trained with, the graph is the same; for others it needs all tasks."""
    assert run(tmp_path, table, weights, "graph", steps=3) == 0
    served(tmp_path, monkeypatch)
    flags = [f"--output_graph={tmp_path}/again.pb", f"--output_labels={tmp_path}/again.txt", "--calibrate"]
    assert retrain.main([f"--labels_csv={table}", *flags]) == 0
    before, after = (Graph((tmp_path / name).read_bytes()) for name in ("graph.pb", "again.pb"))
    old, new = before.metadata(), after.metadata()
    assert new.command == f"{old.command}\nretrain.py --labels_csv=FILE --calibrate"
    assert replace(new, command=old.command) == old and before.extras().keys() == after.extras().keys()
    for name in before.extras().keys() - {METADATA, SEAL, CARD}:  # the seal is of the order of the nodes, too
        np.testing.assert_array_equal(before.constant(name), after.constant(name))
    cards = [json.loads(graph.constant(CARD).item()) for graph in (before, after)]
    trunks = [made["data"][0] for made in cards]  # the trunk that the first training started from has no fingerprints
    assert trunks[0].pop("trunk_unknown") and trunks[1].pop("seen_by_trunk") == 54  # all of training and validation
    assert trunks[1].pop("seen_by_trunk_testing") == 0 and cards[0] == cards[1]
    table.write_text("\n".join(line for line in table.read_text().splitlines() if "cough" not in line))
    assert retrain.main([f"--labels_csv={table}", *flags]) == 2
    assert "cases of all the graph's tasks" in capsys.readouterr().err


def served(folder, monkeypatch, *, graph="graph"):
    for name, file in (("GRAPH", f"{graph}.pb"), ("LABELS", f"{graph}.txt")):
        monkeypatch.setenv(f"TOSA_{name}", str(folder / file))


def test_refitting_changes_the_last_layers_alone(tmp_path, table, weights, monkeypatch, capsys):
    """Heads that say nothing become right, on a trunk that stays; for that each label needs cases, and no other."""
    with monkeypatch.context() as patch:
        lost = lambda head, *_: (replace(head, weights=head.weights * 0), {"layer": "lost"})  # noqa: E731
        patch.setattr(fit_under_handling, "choose_last_layer", lost)
        assert run(tmp_path, table, weights, "graph", steps=150) == 0
    served(tmp_path, monkeypatch)
    flags = [f"--output_graph={tmp_path}/again.pb", f"--output_labels={tmp_path}/again.txt", "--refit"]
    flags += [f"--bottleneck_dir={tmp_path}/bottlenecks"]
    assert retrain.main([f"--labels_csv={table}", *flags]) == 0
    assert capsys.readouterr().out.count("last layer refitted: weight decay") == 2
    before, after = (GraphFile.read(tmp_path / f"{name}.pb", tmp_path / f"{name}.txt") for name in ("graph", "again"))
    trunks = [network.graph.trunk().SerializeToString(deterministic=True) for network in (before, after)]
    assert trunks[0] == trunks[1]
    how = after.model.metadata.task("lungs").refit
    assert how["decay"] in refit.DECAYS and how["cross_entropy"][0] > how["cross_entropy"][1]
    cases = dataset.in_split(from_csv(table, "t", dataset.Percentages()), "training")
    assert how["bottlenecks"] == 2 * sum(case.task == "lungs" for case in cases)  # as they came and changed
    dark, light = (np.full((1, 299, 299, 3), level, np.uint8) for level in (30, 180))
    before, after = before.start(precision="f32"), after.start(precision="f32")
    assert before.run(dark).scores[0, 0] == pytest.approx(before.run(light).scores[0, 0])
    bound = after.metadata.task("lungs").calibration.bound  # of two validation cases a label, or three
    assert bound <= 0.8 and bound - 0.1 < after.run(dark).scores[0, 0] <= bound
    assert 1 - bound <= after.run(light).scores[0, 0] < 1.1 - bound

    served(tmp_path, monkeypatch, graph="again")
    assert retrain.main([f"--labels_csv={table}", *flags]) == 0
    assert capsys.readouterr().out.count("last layer unchanged") == 2  # and what is said of it stays
    assert Graph((tmp_path / "again.pb").read_bytes()).metadata().task("lungs").refit == how

    rows = table.read_text()
    table.write_text(rows.replace("lungs,light", "lungs,bright"))
    assert retrain.main([f"--labels_csv={table}", *flags]) == 2
    assert "has no label bright" in capsys.readouterr().err
    three = [line.replace("dark", "dim") if number % 8 == 1 else line for number, line in enumerate(rows.splitlines())]
    table.write_text("\n".join(three))
    assert run(tmp_path, table, weights, "graph3", steps=3) == 0
    served(tmp_path, monkeypatch, graph="graph3")
    table.write_text(rows)
    capsys.readouterr()
    assert retrain.main([f"--labels_csv={table}", *flags]) == 2
    assert "has the label 'dim', but no training case" in capsys.readouterr().err


@pytest.mark.parametrize(("damage", "consistency"), [(None, 1), ("half a file", 0), ("of two files only the first", 0)])
def test_goes_on_where_it_was_killed(tmp_path, table, weights, monkeypatch, capsys, damage, consistency):
    """Killed after a checkpoint or while it is written and started again, the weights are as without the kill."""
    from tosa.training.trunk import fit_callbacks

    monkeypatch.setattr(options, "FineTuneRecipe", lambda **given: FineTuneRecipe(**given, checkpoint_every=10))
    same = ["--precision=float32", "--ema=0.9", f"--consistency={consistency}"]
    assert run(tmp_path, table, weights, "whole", *same, f"--output_weights={tmp_path}/whole.npz") == 0
    more = [*same, f"--output_weights={tmp_path}/killed.npz"]

    class Killed(Exception):
        pass

    def dies(progress, _, **__):
        if progress.model.optimizer.iterations == 25:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fit_callbacks.Progress, "on_train_batch_end", dies)
        with pytest.raises(Killed):
            run(tmp_path, table, weights, "killed", *more)
    if damage == "half a file":
        file = tmp_path / "killed" / "latest.weights.h5"
        file.write_bytes(file.read_bytes()[:-999])
    if damage == "of two files only the first":
        (tmp_path / "killed" / "training_metadata.json").write_text('{"epoch": 1, "batch": 0}')
    assert run(tmp_path, table, weights, "killed", *more) == 0
    assert f"Resuming from step {10 if damage == 'half a file' else 20}" in capsys.readouterr().out
    whole, killed = (FineTuned.read(tmp_path / f"{name}.npz") for name in ("whole", "killed"))
    np.testing.assert_allclose(whole.weights, killed.weights, atol=1e-5)
    for name, values in whole.trunk.items():
        np.testing.assert_allclose(values, killed.trunk[name], atol=1e-3)  # kernels are in float16


@pytest.mark.parametrize("other", ["steps", "cases"])
def test_checkpoint_of_another_training_is_neither_taken_nor_lost(tmp_path, table, weights, capsys, other):
    assert run(tmp_path, table, weights, "graph", steps=3) == 0
    checkpoint = (tmp_path / "graph" / "latest.weights.h5").read_bytes()
    if other == "cases":
        table.write_text(table.read_text().replace("p3.png,lungs,light", "p3.png,lungs,dark"))
    assert run(tmp_path, table, weights, "graph", steps=4 if other == "steps" else 3) == 2
    assert "--checkpoint_dir" in capsys.readouterr().err
    assert (tmp_path / "graph" / "latest.weights.h5").read_bytes() == checkpoint


def test_a_new_training_clears_the_curves_of_others(tmp_path, table, weights, monkeypatch):
    """One that goes on from a checkpoint keeps them."""
    monkeypatch.setattr(options, "FineTuneRecipe", lambda **given: FineTuneRecipe(**given, checkpoint_every=1))
    with tensorboard_curves.Curves(tmp_path / "sum") as written:
        written.write("train", 99, accuracy=0.5)
    steps = []
    for _ in range(2):
        assert run(tmp_path, table, weights, "graph", steps=2) == 0
        steps.append([step for step, _ in tensorboard_curves.read(tmp_path / "sum")["train", "accuracy"]])
    assert steps == [[1, 2], [1, 2]]


@pytest.mark.parametrize("damage", ["other", "junk", "cut", "flipped", "empty"])
def test_wrong_weights_are_named(tmp_path, table, weights, capsys, damage):
    file = weights / "weights.npz"
    data = bytearray(file.read_bytes())
    at = data.index(b"NUMPY") + 140
    data[at] ^= 8
    np.savez(file, nothing=np.zeros(1))
    if damage != "other":
        file.write_bytes({"junk": b"junk" * 99, "cut": data[:-30], "flipped": data, "empty": b""}[damage])
    assert run(tmp_path, table, weights, "graph") == 2
    err = capsys.readouterr().err
    assert "weights.npz" in err and err.count("\n") == 1


@pytest.fixture(scope="session")
def inception(tf, tmp_path_factory):
    """A graph with Inception-v3 of random weights, as a fine-tuning writes it, and its head of the task lungs."""
    import keras

    from tosa.training.trunk import freeze, inception

    keras.utils.set_random_seed(0)
    weights = np.random.default_rng(0).normal(size=(inception.FEATURES, 2)).astype(np.float32)
    head = Head("lungs", ("dark", "light"), weights, np.float32([1, 2]))
    file = tmp_path_factory.mktemp("inception") / "graph.pb"
    trunk = to_float16(freeze.freeze_trunk(inception.build_inception()))
    file.write_bytes(assemble.assemble(trunk, [head], GraphMetadata()))
    return file


def test_goes_on_from_a_graph(table, inception):
    """The trunk's layers and the heads' columns are those of the graph; only those from the block on are trained."""
    from tosa.training.trunk import fine_tune

    cases = from_csv(table, "t", dataset.Percentages())
    tuning = fine_tune.FineTuning(cases, FineTuneRecipe(layers="mixed10"), inception)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 299, 299, 3), dtype=np.uint8)
    bottleneck = GraphFile.read_trunk(inception).start().run(pixels).bottleneck
    np.testing.assert_allclose(tuning.model.bottleneck(pixels), bottleneck, rtol=1e-3, atol=1e-5)
    dark, light = (tuning.columns["lungs", label] for label in ("dark", "light"))
    assert tuning.model.head.bias.numpy()[[dark, light]].tolist() == [1, 2]
    before = [variable.numpy() for variable in tuning.trunk.variables]
    for _ in range(2):  # the first one only warms up
        tuning.model.train_on_batch(np.repeat(pixels, 2, axis=0), np.array([dark, light]))
    changed = sum((old != new.numpy()).any() for old, new in zip(before, tuning.trunk.variables))
    assert changed == 18  # mixed10 has nine convolutions, each with the offset of its normalisation


def test_a_graph_tells_of_all_its_trainings(tmp_path, table, weights, tiny):
    assert run(tmp_path, table, weights, "first", "--geometry=letterbox", steps=3) == 0
    (tmp_path / "model").mkdir()
    shutil.copy(tmp_path / "first.pb", tmp_path / "model")
    assert run(tmp_path, table, tmp_path / "model", "second", steps=4) == 0
    known = Graph((tmp_path / "second.pb").read_bytes()).metadata()
    assert known.recipe["steps"] == 4 and [each["recipe"]["steps"] for each in known.before] == [3]
    assert known.weights_sha256 == hashlib.sha256((tmp_path / "first.pb").read_bytes()).hexdigest()
    assert known.before[0]["weights_sha256"] == hashlib.sha256((weights / "weights.npz").read_bytes()).hexdigest()
    first = Graph((tmp_path / "first.pb").read_bytes()).metadata()
    assert first.preprocessing.geometry == known.preprocessing.geometry == "letterbox"


def test_a_block_that_is_none_is_named(tmp_path, table, inception, capsys):
    assert run(tmp_path, table, tmp_path, "graph", "--fine_tune=mixed11") == 2
    assert "--fine_tune must be 'all' or one of mixed1" in capsys.readouterr().err
