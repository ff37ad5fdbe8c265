"""The gate fitted to drawn chests of two sources, and what it says of a third and of other pictures."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pictures import encoded, phantom
from sounds import coughs, wav
from tosa.audit import gate_evaluation
from tosa.audit.datasets import other_pictures
from tosa.errors import UsageError
from tosa.model.out_of_distribution import THRESHOLD, thumbnail
from tosa.training.data import dataset, picture_changes
from tosa.training.gate import dead_leaves, fit_gate, synthetic_negatives

SQUARE = np.repeat(phantom(299, 299)[:, :, None], 3, axis=2)


def chest(rng) -> Image.Image:
    """A phantom with a bright spine, moved and exposed at random."""
    pixels = phantom(120, 120).astype(float)
    pixels[:, 52:68] += 60
    pixels[95:] += 40  # below the diaphragm
    return Image.fromarray((np.roll(pixels, rng.integers(-3, 4, 2), (0, 1)) * rng.uniform(0.5, 0.9)).astype(np.uint8))


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> list[dataset.Case]:
    folder, rng = tmp_path_factory.mktemp("cases"), np.random.default_rng(0)
    made = []
    for number in range(150):
        file = folder / f"{number}.png"
        file.write_bytes(encoded(chest(rng)))
        split = dataset.SPLITS[(0, 0, 0, 0, 1, 2)[number % 6]]
        made.append(dataset.Case(file, "lungs", "dark", str(number), split, f"hospital {number // 50}"))
    for number in range(4):
        (folder / f"{number}.wav").write_bytes(wav(coughs(seed=number)))
        made.append(dataset.Case(folder / f"{number}.wav", "cough", "sick", f"s{number}", "training"))
    return made


def xrays_of(cases: list[dataset.Case]) -> list[dataset.Case]:
    return [case for case in cases if not case.is_sound]


@pytest.fixture(scope="module", autouse=True)
def fewer():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_gate, "DRAWN", 240)
        patch.setattr(fit_gate, "PASSES", 100)
        yield


def test_refuses_the_others_and_lets_an_unseen_source_pass(cases, tmp_path):
    others, rng = tmp_path / "others", np.random.default_rng(1)
    for kind in ("noise", "gradients", "blank"):
        (others / kind).mkdir(parents=True)
    for number in range(20):
        drawn = {
            "noise": rng.integers(0, 256, (90, 90), dtype=np.uint8),
            "gradients": np.linspace(0, rng.integers(100, 256), 8100).reshape(90, 90).astype(np.uint8),
            "blank": np.full((90, 90), 80, np.uint8),
        }
        for kind, pixels in drawn.items():
            Image.fromarray(pixels).save(others / kind / f"{number}.png")
    training = dataset.in_split(cases, "training")
    shown = fit_gate.gate_training_data(training, ["lungs"], dataset.SkippedFiles())
    assert shown.upright.shape == shown.negatives.shape == shown.dead_leaves.shape == (240, 1024)
    assert shown.natural.sum() == 80 + 80  # as they came, and of the other two thirds every second
    assert len(shown.spectrograms) == 4
    found = gate_evaluation.evaluate_gate(fit_gate.fit_gate(shown), cases, others)
    assert {kind: rate["value"] for kind, rate in found["others"].items()} == pytest.approx(
        {"noise": 1, "gradients": 1, "blank": 1, gate_evaluation.LYING: 1}, abs=0.1
    )
    assert len(found["cropped"]) == len(picture_changes.SIDES)
    assert all(rate["n"] == len(dataset.in_split(xrays_of(cases), "testing")) for rate in found["cropped"].values())
    made = found["made of chest X-rays"]
    assert set(made) == {way.__name__.replace("_", " ") for way in synthetic_negatives.WAYS}
    assert made["shuffled"]["value"] > 0.5 and made["shuffled"]["n"] > 0
    for seen in ("chest X-rays", "of an unseen source"):
        assert set(found[seen]) == {"hospital 0", "hospital 1", "hospital 2"}
        assert all(rate["value"] <= 0.3 for rate in found[seen].values()), found[seen]


def test_the_same_cases_give_the_same_gate(cases):
    training = [case for case in dataset.in_split(cases, "training") if not case.is_sound]
    one, other = (
        fit_gate.fit_gate(fit_gate.gate_training_data(training, ["lungs"], dataset.SkippedFiles())) for _ in range(2)
    )
    for name, value in fit_gate.gate_constants(one).items():
        np.testing.assert_array_equal(value, fit_gate.gate_constants(other)[name])


@pytest.mark.parametrize("skip", [False, True])
def test_a_file_that_cannot_be_read_is_named_or_skipped(cases, tmp_path, skip):
    (tmp_path / "junk.png").write_bytes(b"junk")
    training = [case for case in dataset.in_split(cases, "training") if not case.is_sound]
    training.append(dataset.Case(tmp_path / "junk.png", "lungs", "dark", "j", "training", "hospital 0"))
    skipped = dataset.SkippedFiles(skip)
    if skip:
        assert 0 < len(fit_gate.gate_training_data(training, ["lungs"], skipped).upright) < 240
        assert "junk.png" in skipped.sentences[0]
    else:
        with pytest.raises(UsageError, match="junk.png"):
            fit_gate.gate_training_data(training, ["lungs"], skipped)


def test_what_is_turned_stands_upright_in_no_way():
    pixels = np.arange(99 * 99, dtype=np.uint8).reshape(99, 99)
    pixels[:9, :49] = 255  # so that no two ways are alike
    ways = {}
    for seed in range(60):
        turned = synthetic_negatives.turned(np.repeat(pixels[:, :, None], 3, axis=2), np.random.default_rng(seed))
        assert turned.shape == (99, 99, 3) and turned.dtype == np.uint8
        ways[turned.tobytes()] = turned[:, :, 0]
    assert len(ways) == 6  # of the eight ways to lay a picture down, all but the upright one and its mirror image
    assert not any((way == upright).all() for way in ways.values() for upright in (pixels, pixels[:, ::-1]))


@pytest.mark.parametrize("way", synthetic_negatives.WAYS, ids=lambda way: way.__name__)
def test_synthetic_negatives_are_pictures(way):
    made = [way(SQUARE, np.random.default_rng(seed)) for seed in (1, 1)]
    assert made[0].dtype == np.uint8 and made[0].ndim == 3 and made[0].shape[2] == 3 and min(made[0].shape[:2]) > 200
    assert (made[0] == made[1]).all() and (np.resize(made[0], SQUARE.shape) != SQUARE).any()


def test_scenes_are_many_and_each_comes_again_with_its_seed():
    drawn = [dead_leaves.draw_dead_leaves(SQUARE, np.random.default_rng(seed)) for seed in range(40)]
    assert all(scene.shape == (dead_leaves.SIDE, dead_leaves.SIDE, 3) and scene.dtype == np.uint8 for scene in drawn)
    assert all((scene == scene[:, :, :1]).all() for scene in drawn)
    assert len({scene.tobytes() for scene in drawn}) == 40
    assert sum(scene.std() > 8 for scene in drawn) > 30  # few are nearly blank
    alike = sum((scene[:, :64] == scene[:, :63:-1]).all() for scene in drawn)
    assert 10 < alike < 30  # left and right
    assert (dead_leaves.draw_dead_leaves(SQUARE, np.random.default_rng(3)) == drawn[3]).all()


def test_a_gate_shown_scenes_lets_fewer_new_ones_pass(cases):
    training = [case for case in dataset.in_split(cases, "training") if not case.is_sound]
    shown = fit_gate.gate_training_data(training, ["lungs"], dataset.SkippedFiles())
    without = replace(shown, dead_leaves=shown.dead_leaves[:0])
    new = [dead_leaves.draw_dead_leaves(SQUARE, np.random.default_rng([seed, 9])) for seed in range(200)]
    thumbnails = np.array([thumbnail(scene) for scene in new])
    passed, passed_without = (
        (fit_gate.fit_gate(given).log_odds(thumbnails) <= THRESHOLD).mean() for given in (shown, without)
    )
    assert passed < 0.15 and passed < 0.7 * passed_without


def test_a_head_is_sliced_along_its_three_axes(tmp_path):
    head = np.arange(np.prod(other_pictures.HEAD_SHAPE), dtype=np.uint8)
    file = tmp_path / other_pictures.HEAD
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(bytes(other_pictures.HEAD_OFFSET) + head.tobytes(), 1))
    sizes = [image.size for image in other_pictures.brains(tmp_path, 6)]
    assert sizes == 2 * [(181, 217)] + 2 * [(181, 181)] + 2 * [(217, 181)]
