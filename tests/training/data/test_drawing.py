"""One preprocessing decides what is drawn, and is part of the key of everything that is kept."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pictures import phantom
from sounds import coughs, wav
from tosa.inputs import spectrogram
from tosa.model.metadata import GraphMetadata
from tosa.preprocessing import Preprocessing
from tosa.training.data import drawing
from tosa.training.data.dataset import Case
from tosa.training.data.mel_bank import bank_to_carry, mel_bank
from tosa.training.data.spectrogram_folders import draw_folder
from tosa.training.features.drawings import Drawing
from tosa.training.graph.finalize import mel_bank_constant

DEFAULT = Preprocessing()
OTHERS = [replace(DEFAULT, n_mels=64), replace(DEFAULT, top_db=60.0), replace(DEFAULT, geometry="letterbox")]


@pytest.fixture
def cases(tmp_path):
    (tmp_path / "c.wav").write_bytes(wav(coughs()))
    Image.fromarray(phantom(300, 200)).save(tmp_path / "x.png")
    return [Case(tmp_path / name, "lungs", "a", "g", "training") for name in ("c.wav", "x.png")]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.key())
def test_another_preprocessing_is_another_key(cases, other):
    for case in cases:
        content = case.file.read_bytes()
        assert Drawing(case).key(content, DEFAULT) != Drawing(case).key(content, other)


def test_a_sound_is_drawn_with_the_mel_bank_of_its_preprocessing(cases):
    other = OTHERS[0]
    window = np.sin(np.arange(other.window_samples) / 9)
    wanted = spectrogram.draw(window, other, mel_bank(other))
    assert (drawing.draw_window(window, other) == wanted).all() and (drawing.draw_window(window) != wanted).any()
    assert bank_to_carry(DEFAULT) is None and not mel_bank_constant(GraphMetadata())
    (carried,) = mel_bank_constant(GraphMetadata(preprocessing=other)).values()
    np.testing.assert_array_equal(carried, mel_bank(other))


def test_a_letterbox_keeps_the_aspect_and_pads_with_black(cases):
    squashed, letterboxed = (drawing.draw(cases[1], preprocessing=each) for each in (DEFAULT, OTHERS[2]))
    assert squashed.shape == letterboxed.shape == (299, 299, 3)
    margin = round(299 * (1 - 200 / 300) / 2) - 1
    assert not letterboxed[:, :margin].any() and not letterboxed[:, -margin:].any() and squashed[:, :margin].any()


def test_folders_drawn_in_another_way_are_drawn_again(tmp_path):
    (tmp_path / "sounds" / "a").mkdir(parents=True)
    (tmp_path / "sounds" / "a" / "c.wav").write_bytes(wav(coughs()))
    drawn = []
    for preprocessing in (DEFAULT, OTHERS[1]):
        (picture,) = draw_folder(tmp_path / "sounds", tmp_path / "pictures", preprocessing=preprocessing)
        drawn.append(picture.read_bytes())
    assert drawn[0] != drawn[1]
    (case,) = [Case(tmp_path / "sounds" / "a" / "c.wav", "cough", "a", "g", "training")]
    png = np.asarray(Image.open(io.BytesIO(drawn[1])))
    assert (png == drawing.draw(case, preprocessing=OTHERS[1])).all()
