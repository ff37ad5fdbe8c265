"""From drawings to what a head learns from, on networks of a few lines."""

import threading
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bench import training_memory as memory
from pictures import phantom
from sounds import coughs, wav
from tosa.errors import UsageError
from tosa.inputs import xray
from tosa.training.data import duplicates
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.distortion import Distortion
from tosa.training.data.drawing import draw
from tosa.training.data.fingerprints import marks_of
from tosa.training.data.kinds import Kind
from tosa.training.features import bottlenecks
from tosa.training.features.drawings import Drawing


class Means:
    """A network whose bottleneck is the mean of each colour and the first pixel; counts its batches."""

    size = (40, 40)

    def __init__(self):
        self.batches = []

    def run(self, pictures):
        self.batches.append(len(pictures))
        return SimpleNamespace(bottleneck=np.c_[pictures.mean(axis=(1, 2)), pictures[:, 0, 0, 0]].astype(np.float32))


@pytest.fixture
def drawings(tmp_path):
    made = []
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 256, (50, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        made.append(Drawing(Case(tmp_path / f"{number}.png", "t", "a", str(number), "training")))
    return made


def make(drawings, folder, network=None, skipped=None):
    return bottlenecks.bottlenecks(drawings, network or Means(), "trunk", folder / "cache", skipped or SkippedFiles())


def test_each_file_is_read_once_and_rows_keep_their_order(drawings, tmp_path, monkeypatch):
    read, lock, original = [], threading.Lock(), Path.read_bytes

    def counted(path):
        with lock:
            read.append(path)
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    network = Means()
    made = make(drawings, tmp_path, network)
    assert sorted(read) == sorted(drawing.case.file for drawing in drawings)
    assert network.batches == [1, 8, 8, 4]  # one picture to learn how many features there are
    for drawing, row in zip(drawings, made.values):
        assert row[:3] == pytest.approx(draw(drawing.case, (40, 40)).mean(axis=(0, 1)), abs=1e-3)
    again = make(list(reversed(drawings)), tmp_path, network)
    assert (again.values[::-1] == made.values).all()
    assert network.batches[4:] == [1]


@pytest.mark.parametrize("size", [(299, 299), (224, 224)])
def test_an_xray_is_drawn_as_it_is_served_and_a_spectrogram_in_its_colours(size, tmp_path):
    film = (phantom(400, 360)[:, :, None] * np.array([0.75, 0.9, 1])).astype(np.uint8)
    for name in ("film.png", "film.wav.png"):
        Image.fromarray(film).save(tmp_path / name)
    served = xray.resize(xray.picture((tmp_path / "film.png").read_bytes()), size)
    drawn = draw(Case(tmp_path / "film.png", "lungs", "a", "g", "training"), size)
    np.testing.assert_array_equal(drawn, served)
    for name, task in (("film.png", "cough"), ("film.wav.png", "asthma")):
        coloured = draw(Case(tmp_path / name, task, "a", "g", "training"), size)
        assert (coloured[:, :, 2] > coloured[:, :, 0]).mean() > 0.5


def test_a_kill_loses_the_batch_under_way(drawings, tmp_path):
    class Dies(Means):
        def run(self, pictures):
            if len(self.batches) == 3:
                raise KeyboardInterrupt
            return super().run(pictures)

    with pytest.raises(KeyboardInterrupt):
        make(drawings, tmp_path, Dies())
    network = Means()
    make(drawings, tmp_path, network)
    assert network.batches == [1, 4]


def test_another_content_or_trunk_is_not_stale(drawings, tmp_path, capsys):
    make(drawings, tmp_path)
    drawings[3].case.file.write_bytes(drawings[4].case.file.read_bytes())
    Image.new("RGB", (50, 50), "white").save(drawings[5].case.file)
    values = make(drawings, tmp_path).values
    assert (values[3] == values[4]).all() and values[5, :3].tolist() == [255, 255, 255]
    bottlenecks.bottlenecks(drawings, Means(), "other", tmp_path / "cache", SkippedFiles())
    made = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "created" in line]
    assert made == ["20", "1", "20"]


def test_unreadable_are_skipped_without_a_gap(drawings, tmp_path):
    whole = make(drawings, tmp_path).values
    drawings[7].case.file.write_bytes(b"")
    skipped = SkippedFiles(skip=True)
    made = make(drawings, tmp_path, skipped=skipped)
    assert (made.values == np.delete(whole, 7, axis=0)).all() and len(made.drawings) == 19
    assert skipped.sentences == [f"'{drawings[7].case.file}' is empty."]
    with pytest.raises(UsageError, match=r"7\.png"):
        make(drawings, tmp_path)


def test_variants_differ_and_repeat(drawings, tmp_path):
    distortion = Distortion(flip_left_right=True, random_crop=20, random_brightness=30, random_rotation=15)
    varied = [Drawing(drawings[0].case, distortion, number) for number in range(10)]
    first, again = make(varied, tmp_path / "1").values, make(varied[::-1], tmp_path / "2").values[::-1]
    assert (first == again).all() and len(np.unique(first, axis=0)) == 10
    other = [Drawing(drawings[0].case, Distortion(flip_left_right=True, seed=1), number) for number in range(12)]
    assert len(np.unique(make(other, tmp_path / "1").values, axis=0)) == 2  # as it is and flipped


def test_memory_is_one_array_and_little_else(tmp_path):
    drawings = memory.synthetic(tmp_path, 2000)
    tracemalloc.start()
    known = memory.train(tmp_path, drawings, steps=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    values = known.made.values
    assert values.shape == (2000, 2048) and values.dtype == np.float32
    assert peak < values.nbytes + 12e6
    views = [known.examples(["a", "b"], split).bottlenecks for split in ("training", "validation", "testing")]
    assert [len(view) for view in views] == [1600, 200, 200]
    assert all(np.shares_memory(view, values) for view in views)


GRADIENT = np.repeat(np.linspace(0, 255, 60).astype(np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)


def test_distortions_do_what_they_say():
    case = Case(Path("gradient.png"), "lungs", "a", "g", "training")
    vars(case)["kind"] = Kind.XRAY  # cached, so that no file is needed

    def drawn(seed=0, pixels=GRADIENT, **flags):
        return Distortion(**flags).draw(pixels, case, np.random.default_rng(seed)).astype(int)

    plain = drawn(random_brightness=0, random_rotation=1e-9)
    assert np.abs(plain - drawn()).max() <= 1
    flipped = [drawn(seed, flip_left_right=True) for seed in range(12)]
    assert {bool(np.abs(f - plain).max() < 2) for f in flipped} == {True, False}
    assert all(min(np.abs(f - plain).max(), np.abs(f[:, ::-1] - plain).max()) < 2 for f in flipped)
    for seed in range(12):
        ratio = drawn(seed, random_brightness=20)[:, 100:200].mean() / plain[:, 100:200].mean()
        assert 0.79 < ratio < 1.21
        cropped = drawn(seed, random_crop=25)
        assert np.diff(cropped[150, :, 0])[20:-20].mean() == pytest.approx(255 / 299 / 1.25, rel=0.1)
        scaled = np.diff(drawn(seed, random_scale=50)[150, :, 0])[20:-20].mean() * 299 / 255
        assert 1 / 1.55 < scaled < 1.05
    turned = [drawn(seed, random_rotation=15)[100:200, 100:200, 0] for seed in range(12)]
    tilt = [np.degrees(np.arctan2(np.diff(t, axis=0).mean(), np.diff(t, axis=1).mean())) for t in turned]
    assert max(map(abs, tilt)) < 15.5 and max(tilt) > 3 and min(tilt) < -3


@pytest.mark.parametrize(
    "flags", [{"random_shift": 0.5}, {"random_bandwidth": True}, {"background_snr": 5.0}, {"random_gain": 30.0}]
)
def test_sounds_are_distorted(tmp_path, flags):
    (tmp_path / "c.wav").write_bytes(wav(coughs()))
    case = Case(tmp_path / "c.wav", "t", "a", "g", "training")
    distortion = Distortion(**flags)
    assert distortion.changes_sounds() and not distortion.changes_pictures()
    plain = draw(case).astype(int)
    content = case.file.read_bytes()
    made = [Drawing(case, distortion).draw(content, bytes([n]) * 32, plain.shape[:2]).astype(int) for n in range(6)]
    assert all(picture.shape == plain.shape for picture in made)
    assert max(np.abs(picture - plain).mean() for picture in made) > 0.1
    assert max(np.abs(picture - made[0]).mean() for picture in made) > 0.1


def test_duplicates_are_found(drawings, tmp_path):
    """The same content twice in two splits, and a smaller, darker, compressed copy; not what another task has too."""
    copies = [("same.png", None), ("like.jpg", 30)]
    blots = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 6), np.uint8)).resize((200, 200), 3)
    blots.save(tmp_path / "blots.png")
    (tmp_path / "same.png").write_bytes((tmp_path / "blots.png").read_bytes())
    blots.resize((150, 150)).point(lambda value: value * 0.8).save(tmp_path / "like.jpg", quality=copies[1][1])
    cases = [drawing.case for drawing in drawings]
    cases += [Case(tmp_path / "blots.png", "t", "a", "x", "testing")]
    cases += [Case(tmp_path / name, "t", "b", name, "training") for name, _ in copies]
    cases += [Case(tmp_path / name, "u", "c", name, "training") for name in ("same.png", "0.png")]
    made = make([Drawing(case) for case in cases], tmp_path)
    found = duplicates.find_duplicates(cases, made.contents)
    assert found["same_content"] == 1 and len(found["same_content_with_several_labels"]) == 1
    pairs = duplicates.looking_alike(cases, marks_of(cases))
    assert sorted(Path(pair[1]).name for pair in pairs) == ["like.jpg", "same.png"]
