"""Handled files: the audit's changes, drawn as serving draws, and what the keys of their bottlenecks depend on."""

import numpy as np
import pytest
from PIL import Image

from pictures import encoded, phantom
from sounds import coughs, wav
from tosa.inputs import audio, xray
from tosa.training.data import handling
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import decode, draw_sound
from tosa.training.data.handling import Handling, OtherSounds, handlings
from tosa.training.data.kinds import Kind


@pytest.fixture
def chest(tmp_path):
    (tmp_path / "chest.png").write_bytes(encoded(Image.fromarray(phantom(300, 200))))
    return Case(tmp_path / "chest.png", "lungs", "normal", "chest", "validation")


@pytest.fixture
def sounds(tmp_path):
    """Two coughs, and a tone that is not sick."""
    tone = (np.sin(np.arange(22_050) / 3) / 2).astype(np.float32)
    cases = []
    for name, label, samples in (("a", "sick", coughs()), ("b", "sick", coughs(seed=1)), ("c", "not sick", tone)):
        (tmp_path / f"{name}.wav").write_bytes(wav(samples))
        cases.append(Case(tmp_path / f"{name}.wav", "cough", label, name, "training"))
    return cases


def test_a_cropped_xray_is_drawn_as_an_upload_of_the_crop(chest):
    made = Handling("12 % cut off top and bottom", OtherSounds([])).draw(decode(chest), chest, np.random.default_rng(0))
    rows = round(0.12 * 300)
    upload = xray.picture(encoded(Image.fromarray(phantom(300, 200)[rows : 300 - rows])))
    np.testing.assert_allclose(made.astype(int), upload.astype(int), atol=1)


def test_a_louder_sound_is_drawn_as_its_clipped_samples(sounds):
    samples = decode(sounds[0])
    made = Handling("+6 dB", OtherSounds([])).draw(samples, sounds[0], np.random.default_rng(0))
    expected = draw_sound((samples * 10 ** (6 / 20)).clip(-1, 1).astype(np.float32))
    np.testing.assert_allclose(made.astype(int), expected.astype(int), atol=1)


def test_only_healthy_training_sounds_are_mixed_in(sounds):
    others = OtherSounds(sounds)
    assert [case.file.name for case in others.cases] == ["c.wav"]
    (samples,) = others.samples
    assert len(samples) == audio.SAMPLE_RATE
    mixed = Handling("other sounds 5 dB below", others).draw(decode(sounds[0]), sounds[0], np.random.default_rng(0))
    assert (mixed != draw_sound(decode(sounds[0]))).any()
    alone = Handling("other sounds 5 dB below", OtherSounds(sounds[2:]))
    assert str(alone) == str(Handling("other sounds 5 dB below", others))
    sounds[2].file.write_bytes(wav(coughs(seed=2)))
    assert str(Handling("other sounds 5 dB below", OtherSounds(sounds))) != str(alone)


def test_each_kind_has_its_ways(sounds):
    without, with_others = OtherSounds(sounds[:2]), OtherSounds(sounds)
    assert [way.name for way in handlings(Kind.XRAY, without)] == list(handling.OF_PICTURES)
    assert [way.name for way in handlings(Kind.SOUND, with_others)] == list(handling.OF_SOUNDS)
    assert len(handlings(Kind.SOUND, without)) == len(handling.OF_SOUNDS) - 2
    assert handlings(Kind.SPECTROGRAM, with_others) == []


def test_every_way_is_one_of_the_audits(chest, sounds):
    others = OtherSounds(sounds)
    for kind, case in ((Kind.XRAY, chest), (Kind.SOUND, sounds[0])):
        for way in handlings(kind, others):
            made = way.draw(decode(case), case, np.random.default_rng(0))
            assert made.shape == (299, 299, 3) and made.dtype == np.uint8, way.name
