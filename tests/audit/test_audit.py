"""The audit finds what was planted: a shortcut in the border, a data set in the bottleneck, an answer that flips."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sounds import coughs, wav
from tosa import screening
from tosa.audit import robustness, shortcuts
from tosa.audit.audit import kinds_of, where_wrong
from tosa.model.network import Network
from tosa.training.data.dataset import Case
from tosa.training.metrics import Answers, auc


def cases(folder: Path, border: bool, count: int = 60) -> tuple[list[Case], list[Case]]:
    """Training and testing pictures of noise, whose class only a bright border or a bright middle tells."""
    made = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 100, (96, 96), dtype=np.uint8)
        part = np.s_[:6] if border else np.s_[40:60, 40:60]
        pixels[part] += np.uint8(100 * (number % 2))
        file = folder / f"{border}{number}.png"
        Image.fromarray(pixels).save(file)
        split = "training" if number < 40 else "testing"
        made.append(Case(file, "lungs", ("normal", "ill")[number % 2], str(number), split, f"hospital {number % 2}"))
    return [case for case in made if case.split == "training"], [case for case in made if case.split == "testing"]


def test_a_cue_in_the_border_is_found_there_alone(tmp_path):
    for planted in (True, False):
        found = shortcuts.answers_by(shortcuts.border, *cases(tmp_path, planted))
        value = auc(found.targets == 1, found.scores[:, 1])
        assert value > 0.99 if planted else value < 0.85


def test_where_a_shortcut_is_wrong_the_network_is_asked():
    """The healthy stand in other columns; one kind of illness for the other is no such error."""
    targets = np.array([0] * 10 + [1] * 10 + [2] * 10)
    mine = np.r_[[0] * 10, [1] * 6, [2] * 2, [0] * 2, [2] * 10]  # two of those that the shortcut misses are missed
    theirs = np.r_[[2] * 10, [2] * 10, [1] * 10]
    labels = ("normal", "flu", "cold")
    network = Answers("lungs", labels, targets, np.eye(3)[mine], [str(n) for n in range(30)])
    shortcut = Answers("lungs", ("cold", "flu", "normal"), 2 - targets, np.eye(3)[theirs], network.groups)
    found = where_wrong(network, shortcut)
    assert (found["value"], found["n"]) == (0.8, 10)
    assert where_wrong(network, replace(shortcut, scores=np.eye(3)[2 - targets])) is None  # never wrong
    assert where_wrong(replace(network, labels=("cat", "dog", "cow")), shortcut) is None


def test_silence_tells_how_much_is_quiet_and_where(tmp_path):
    file = tmp_path / "a.wav"
    file.write_bytes(wav(np.r_[np.zeros(22_050), np.random.default_rng(0).uniform(-0.5, 0.5, 22_050)]))
    *quiet, before, after = shortcuts.silence(Case(file, "cough", "sick", "a", "training"))
    assert quiet == pytest.approx([0.5] * 3, abs=0.03) and before == pytest.approx(0.5, abs=0.03) and after < 0.03


def test_a_bottleneck_that_holds_its_source_is_told(tmp_path):
    training, testing = cases(tmp_path, True)
    everything = training + testing
    random = np.random.default_rng(0).normal(size=(60, 8))
    told = shortcuts.source_told(everything, random + np.arange(60)[:, None] % 2 * 5)
    assert told["balanced_accuracy"] > 0.95 and told["guessing"] == 0.5 and told["n"] == 20
    assert shortcuts.source_told(everything, random)["balanced_accuracy"] < 0.8
    assert shortcuts.source_told([case for case in everything if case.label == "ill"], random[:30]) is None
    assert shortcuts.source_told(everything[:-1], random[:-1]) is None, "nine cases to test on are too few"


def by_kind(case: Case) -> tuple[bytes | None, bytes | None]:
    """A case's file as the sound and the picture that are screened."""
    data = case.file.read_bytes()
    return (data, None) if case.is_sound else (None, data)


@pytest.mark.parametrize("task", ["pneumonia", "cough"])
def test_stability_of_each_change(small_graph, tmp_path, task):
    if task == "cough":
        (tmp_path / "a.wav").write_bytes(wav(coughs()))
        own, changes = [Case(tmp_path / "a.wav", task, "sick", "a", "testing")], robustness.OF_SOUNDS
    else:
        own, changes = cases(tmp_path, True, 44)[1], robustness.OF_PICTURES
        own = [replace(case, label="normal") for case in own]
    network = Network.load(*small_graph)
    found = robustness.measure_robustness(network, task, own)
    assert set(found) == {robustness.AS_IT_CAME, *changes}
    answers = [screening.screen(network, *by_kind(case))["diagnosis"] == case.label for case in own]
    assert found[robustness.AS_IT_CAME]["accuracy"]["value"] == np.mean(answers)
    assert all(moved["accuracy"]["n"] == len(own) for moved in found.values())
    for moved in (found[change] for change in changes):
        assert 0 <= moved["same"] <= 1 and 0 <= moved["median"] <= moved["largest"] < 1
    if task == "cough":
        assert found["6 dB quieter"]["largest"] < 1e-3 < found["Opus"]["largest"]


def test_subgroups_of_a_row():
    case = Case(Path("a.png"), "covid", "normal", "a", "testing", "nih")
    assert kinds_of({"age": "39.5", "sex": "F", "view": ""}, case) == ["source nih", "sex F", "age 18 to 39"]
    assert kinds_of({"age": ""}, case) == ["source nih"]
