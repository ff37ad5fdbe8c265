"""Handling: what the changes do to pixels and samples, and which rows of the table miss their bound."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pictures import phantom
from sounds import RATE, coughs, wav
from tosa import screening
from tosa.audit import robustness
from tosa.errors import UsageError
from tosa.inputs import audio
from tosa.model.metadata import GraphMetadata
from tosa.model.network import Network
from tosa.training.data import picture_changes, sound_changes
from tosa.training.data.dataset import Case
from tosa.training.data.picture_changes import PICTURE_CHANGES
from tosa.training.data.sound_changes import SOUND_CHANGES

PIXELS = np.repeat(phantom(200, 160)[:, :, None], 3, axis=2)
SAMPLES = audio.decode_sound(wav(coughs()))


@pytest.mark.parametrize("name", PICTURE_CHANGES)
def test_a_changed_picture_is_a_picture_and_another(name):
    changed = PICTURE_CHANGES[name](PIXELS)
    assert changed.dtype == np.uint8 and changed.ndim == 3 and changed.shape[2] == 3
    assert changed.shape != PIXELS.shape or (changed != PIXELS).any()


def test_crops_margins_and_sizes_are_those_of_their_names():
    height, width = PIXELS.shape[:2]
    cut = PICTURE_CHANGES["12 % cut off top and bottom"](PIXELS)
    np.testing.assert_array_equal(cut, PIXELS[24:176])
    np.testing.assert_array_equal(PICTURE_CHANGES["4 % cut off the left"](PIXELS), PIXELS[:, 6:])
    framed = PICTURE_CHANGES["white margins of 10 % on each side"](PIXELS)
    np.testing.assert_array_equal(framed[20:-20, 16:-16], PIXELS)
    assert (framed[:20] == 255).all() and (framed[:, -16:] == 255).all()
    assert PICTURE_CHANGES["width x 1.25"](PIXELS).shape[:2] == (height, round(width * 1.25))
    assert PICTURE_CHANGES["size x 0.35"](PIXELS).shape[:2] == (round(height * 0.35), round(width * 0.35))
    np.testing.assert_array_equal(picture_changes.mirror(PIXELS), PIXELS[:, ::-1])
    assert PICTURE_CHANGES["gamma 1.5"](PIXELS).mean() < PIXELS.mean() < PICTURE_CHANGES["gamma 0.67"](PIXELS).mean()


@pytest.mark.parametrize("name", SOUND_CHANGES)
def test_a_changed_sound_is_still_judged(name):
    changed = SOUND_CHANGES[name](SAMPLES, np.random.default_rng(0))
    audio.check_sound(changed.astype(np.float32))
    if name == "two channels of opposed phase":  # one channel is judged, as if the other were not there
        np.testing.assert_allclose(changed, SAMPLES, atol=1e-6)
    else:
        assert len(changed) != len(SAMPLES) or np.abs(changed - SAMPLES).max() > 1e-4


def strongest(samples: np.ndarray) -> float:
    """The frequency of the strongest bin, in Hz."""
    return np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples)


@pytest.mark.parametrize("name", ["AMR narrowband", "GSM 06.10", "MP3", "Opus", "sampled at 8 kHz"])
def test_codecs_keep_a_tone(name):
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32) / 2
    changed = SOUND_CHANGES[name](tone, np.random.default_rng(0))
    assert strongest(changed) == pytest.approx(1000, rel=0.02) and len(changed) == pytest.approx(RATE, rel=0.15)


def test_a_sound_is_mixed_in_as_far_below_as_its_name_says():
    rng = np.random.default_rng(0)
    sound, other = rng.normal(0, 0.1, RATE), rng.normal(0, 3, RATE)
    added = sound_changes.mix(sound, other, 10) - sound
    assert 20 * np.log10(sound.std() / added.std()) == pytest.approx(10, abs=0.5)
    assert (
        "other sounds 5 dB below" in sound_changes.sound_changes([other])
        and sound_changes.sound_changes([]) == SOUND_CHANGES
    )


@pytest.mark.parametrize("name, share", [("at the start of 10 s", 0), ("at the end of 10 s", 1)])
def test_a_sound_is_placed_in_a_longer_recording(name, share):
    changed = SOUND_CHANGES[name](SAMPLES, np.random.default_rng(0))
    start = round(share * (len(changed) - len(SAMPLES)))
    assert len(changed) == 10 * RATE and np.abs(changed[start : start + len(SAMPLES)] - SAMPLES).max() < 0.05


def case(number: int, label: str, source: str = "") -> Case:
    return Case(Path(f"{number}.png"), "lungs", label, f"p{number}", "testing", source)


class Brightness:
    """A network that calls bright pictures normal and dark ones ill."""

    metadata = GraphMetadata()
    tasks = {"lungs": SimpleNamespace(labels=("normal", "ill"), columns=[0, 1])}

    def run(self, pictures: np.ndarray) -> SimpleNamespace:
        bright = pictures.mean(axis=(1, 2, 3)) > 127
        return SimpleNamespace(scores=np.stack([bright, ~bright], axis=1).astype(np.float32))


@pytest.fixture
def handled(tmp_path, monkeypatch):
    """The table of a network that a brighter or a darker picture turns; a third change makes the picture blank."""
    changes = {
        "brighter": lambda pixels: pixels // 2 + np.uint8(127),
        "blank": np.zeros_like,
        "mirrored": picture_changes.mirror,
    }
    monkeypatch.setattr(robustness, "PICTURE_CHANGES", changes)
    cases = []
    for number in range(40):
        level, ramp = (200, 100)[number % 2], np.linspace(-50, 50, 9000).reshape(100, 90)
        Image.fromarray((level + ramp + number / 10).astype(np.uint8)).save(tmp_path / f"{number}.png")
        made = case(number, ("normal", "ill")[number % 2], f"clinic {number // 20}")
        cases.append(replace(made, file=tmp_path / made.file))
    return robustness.measure_robustness(Brightness(), "lungs", cases)


def test_rates_and_moves_are_counted(handled):
    plain, bright = handled[robustness.UNCHANGED], handled["brighter"]
    assert plain["accuracy"]["value"] == plain["sensitivity"]["value"] == plain["specificity"]["value"] == 1
    assert bright["kept"]["value"] == 0.5 and bright["kept"]["n"] == 40
    assert bright["moves"] == {"sensitivity": -1, "specificity": 0}
    assert bright["score_moves"]["largest"] == 1 and set(bright["by_source"]) == {"clinic 0", "clinic 1"}
    assert handled["mirrored"]["kept"]["value"] == 1 and handled["mirrored"]["misses"] == []


def test_a_refused_picture_is_not_kept(handled):
    blank = handled["blank"]
    assert blank["refused"] == 40 and blank["kept"]["value"] == blank["accuracy"]["value"] == 0
    assert blank["score_moves"] is None


def test_missed_bounds_are_named_with_their_interval(handled, capsys):
    lines = robustness.missed_bounds(handled)
    assert lines[0].startswith("brighter: 50.0% kept, bound 97% (95 % interval ") and "N=40" in lines[0]
    assert lines[1] == "brighter: sensitivity moves by -100.0 points, bound 4 (N=20)"
    assert not any(line.startswith("mirrored") for line in lines)
    robustness.print_table("lungs", handled)
    out = capsys.readouterr().out
    assert out.count("misses its bound") == 2 and "MISSED lungs, brighter" in out


def by_kind(chosen: Case) -> tuple[bytes | None, bytes | None]:
    """A case's file as the sound and the picture that are screened."""
    data = chosen.file.read_bytes()
    return (data, None) if chosen.is_sound else (None, data)


@pytest.mark.parametrize("task", ["pneumonia", "cough"])
def test_unchanged_cases_are_answered_as_they_are_served(small_graph, tmp_path, task):
    labels = {"pneumonia": "normal", "cough": "sick"}
    chosen = []
    for number in range(4):
        if task == "cough":
            (tmp_path / f"{number}.wav").write_bytes(wav(coughs(seed=number)))
        else:
            Image.fromarray(np.roll(phantom(), 9 * number, axis=1)).save(tmp_path / f"{number}.png")
        file = next(tmp_path.glob(f"{number}.*"))
        chosen.append(Case(file, task, labels[task], str(number), "testing"))
    network = Network.load(*small_graph)
    found = robustness.measure_robustness(network, task, chosen)
    answers = [screening.screen(network, *by_kind(each))["diagnosis"] == each.label for each in chosen]
    assert found[robustness.UNCHANGED]["accuracy"]["value"] == np.mean(answers)
    assert set(found) == {robustness.UNCHANGED, *(SOUND_CHANGES if task == "cough" else PICTURE_CHANGES)}
    if task == "cough":
        assert found["-6 dB"]["score_moves"]["largest"] < 1e-3 < found["Opus"]["score_moves"]["largest"]


def test_the_first_cases_by_hash_are_handled_and_no_spectrogram_pictures():
    cases = [case(number, "normal") for number in range(30)]

    chosen = robustness.cases_to_handle(cases, "lungs", 5)
    assert len(chosen) == 5 and chosen == robustness.cases_to_handle(cases[::-1], "lungs", 5)
    with pytest.raises(UsageError, match="Task cough"):
        robustness.cases_to_handle([replace(cases[0], task="cough")], "cough")
