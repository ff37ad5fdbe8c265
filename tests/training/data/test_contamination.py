"""Copies of training files are found in what is tested, and new files are not taken for copies."""

import io

import numpy as np
import pytest
import soxr
from PIL import Image

from pictures import encoded, phantom
from sounds import RATE, container, coughs, wav
from tosa.errors import UsageError
from tosa.inputs import spectrogram
from tosa.model.graph import Graph, GraphError, constant_node, seal
from tosa.training.data import contamination
from tosa.training.data.contamination import SCOPE, SeenFiles, inspect_cases
from tosa.training.data.dataset import Case
from tosa.training.data.fingerprints import marks_of

COUNT = 12


def chest(seed: int) -> Image.Image:
    """The phantom, with ribs and spots of one patient's own: what all have in common is most of the picture."""
    rng = np.random.default_rng(seed)
    spots = Image.fromarray(rng.integers(0, 40, (14, 14), np.uint8)).resize((320, 240), Image.Resampling.BICUBIC)
    return Image.fromarray((phantom() * 0.8 + np.asarray(spots)).astype(np.uint8))


def files(folder, contents: dict[str, bytes], task: str, split: str = "training") -> list[Case]:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [Case(folder / name, task, "a", name, split) for name in contents]


def seen_of(cases: list[Case]) -> SeenFiles:
    """What a graph carries of cases, written into one and read back."""
    constants = SeenFiles().with_cases(cases, marks_of(cases)).constants()
    graph = Graph(seal(b"".join(_serialised(name, value) for name, value in constants.items())))
    return SeenFiles.of_graph(graph)


def _serialised(name: str, value: np.ndarray) -> bytes:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    return GraphDef(node=[constant_node(name, value)]).SerializeToString()


def cropped(picture: Image.Image) -> Image.Image:
    """Without 4 % of the width on the left, and 3 % of the height below."""
    width, height = picture.size
    return picture.crop((round(0.04 * width), 0, width, round(0.97 * height)))


PICTURE_COPIES = {
    "PNG": encoded,
    "JPEG": lambda p: encoded(p, "JPEG", quality=40),
    "smaller": lambda p: encoded(p.resize((200, 150)), "JPEG", quality=85),
    "squashed": lambda p: encoded(p.resize((224, 224)), "JPEG", quality=85),
    "brighter": lambda p: encoded(p.point(lambda v: min(255, v * 1.2))),
    "cropped": lambda p: encoded(cropped(p), "JPEG", quality=85),
}


@pytest.fixture(scope="module")
def chests(tmp_path_factory):
    """Training files, and the fingerprints that a graph carries of them."""
    pictures = {f"{seed}.png": encoded(chest(seed)) for seed in range(COUNT)}
    return seen_of(files(tmp_path_factory.mktemp("chests"), pictures, "lungs"))


@pytest.mark.parametrize("change", PICTURE_COPIES)
def test_copies_of_pictures_are_found(change, chests, tmp_path):
    copies = {f"{seed}.jpg": PICTURE_COPIES[change](chest(seed)) for seed in range(COUNT)}
    assert [chests.split_of(mark) for mark in marks_of(files(tmp_path, copies, "lungs"))] == ["training"] * COUNT


def test_new_pictures_of_the_same_source_are_not(chests, tmp_path):
    new = {f"{seed}.png": encoded(chest(seed)) for seed in range(100, 160)}
    marks = marks_of(files(tmp_path, new, "lungs"))
    assert None not in marks and not any(chests.split_of(mark) for mark in marks)


def at(samples: np.ndarray, rate: int) -> np.ndarray:
    return soxr.resample(samples, RATE, rate).astype(np.float32)


SOUND_COPIES = {
    "MP3": lambda s: container(at(s, 44_100), "mp3", "mp3", rate=44_100),
    "Opus": lambda s: container(at(s, 48_000), "ogg", "libopus"),
    "8 kHz": lambda s: wav(at(s, 8_000), 8_000),
    "softer": lambda s: wav(s / 8),
    "stereo": lambda s: wav(np.stack([s, 0.7 * s], axis=1)),
    "padded": lambda s: wav(np.pad(s, (2_000, 5_000))),
    "drawn": lambda s: encoded(Image.fromarray(spectrogram.draw_file(wav(s)))),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    sounds = {f"{seed}.wav": wav(coughs(seed=seed)) for seed in range(COUNT)}
    return seen_of(files(tmp_path_factory.mktemp("recordings"), sounds, "cough", "validation"))


@pytest.mark.parametrize("change", SOUND_COPIES)
def test_copies_of_sounds_are_found(change, recordings, tmp_path):
    copies = {f"{seed}.bin": SOUND_COPIES[change](coughs(seed=seed)) for seed in range(COUNT)}
    marks = marks_of(files(tmp_path, copies, "cough"))
    assert [recordings.split_of(mark) for mark in marks] == ["validation"] * COUNT


def test_new_sounds_of_the_same_kind_are_not(recordings, tmp_path):
    new = {f"{seed}.wav": wav(coughs(seed=seed)) for seed in range(100, 160)}
    marks = marks_of(files(tmp_path, new, "cough"))
    assert None not in marks and not any(recordings.split_of(mark) for mark in marks)


def test_files_without_details_have_no_fingerprint(tmp_path):
    """A blank picture and a file that cannot be read are like nothing."""
    buffer = io.BytesIO()
    Image.new("L", (200, 200), 90).save(buffer, "PNG")
    cases = files(tmp_path, {"blank.png": buffer.getvalue(), "broken.png": buffer.getvalue()[:40]}, "lungs")
    assert marks_of(cases) == [None, None]


def test_what_is_told_and_refused(chests, tmp_path, capsys):
    old = {f"old{seed}.jpg": encoded(chest(seed), "JPEG") for seed in range(3)}
    new = {f"new{seed}.jpg": encoded(chest(50 + seed), "JPEG") for seed in range(4)}
    tested = {"tested.jpg": encoded(cropped(chest(5)), "JPEG")}
    cases = files(tmp_path, old | new, "lungs") + files(tmp_path, tested, "lungs", "testing")
    found = inspect_cases(cases, chests, "testing", allowed=True)
    files_found = "4 of your 8 files, 1 of 1 testing files, were in the training of this trunk"
    sentence = f"{files_found}: the results below are too good."
    assert found.sentences == [sentence] and f"WARNING: {sentence}" in capsys.readouterr().out
    assert found.findings["in_the_training_of_the_trunk"] == {
        "training": "3 of 7", "validation": "0 of 0", "testing": "1 of 1",
    }  # fmt: skip
    assert len(found.findings["files_in_the_training_of_the_trunk"]) == 4
    with pytest.raises(UsageError, match="1 of the 1 files to test on .*tested.jpg.*--allow_contaminated"):
        inspect_cases(cases, chests, "testing")
    inspect_cases(cases, chests, None)  # no test
    with pytest.raises(UsageError, match="4 of the 8 files"):
        inspect_cases(cases, chests, "all")
    assert inspect_cases(cases, SeenFiles(), "testing").sentences == []  # of an older graph


def test_copies_across_splits_and_groups_that_never_repeat_are_told(tmp_path):
    trained = files(tmp_path, {f"{seed}.png": encoded(chest(seed)) for seed in range(COUNT)}, "lungs")
    copy = files(tmp_path, {"copy.jpg": encoded(chest(3), "JPEG", quality=50)}, "lungs", "testing")
    found = inspect_cases(trained + copy, SeenFiles(), "testing")
    assert found.findings["looking_alike_across_splits"] == [[str(tmp_path / "copy.jpg"), str(tmp_path / "3.png")]]
    assert "1 testing files look or sound like" in found.sentences[0]
    assert f"each of the {COUNT + 1} files of task lungs has its own" in found.sentences[1]


def test_fingerprints_are_merged_and_small(chests, tmp_path):
    cases = files(tmp_path, {f"{seed}.png": encoded(chest(seed)) for seed in range(6, COUNT + 6)}, "lungs")
    merged = chests.with_cases(cases, marks_of(cases)).constants()
    ((name, rows),) = merged.items()
    assert name == f"{SCOPE}/training/pictures" and rows.dtype == np.uint64 and rows.shape == (COUNT + 6, 4)
    assert len(_serialised(name, rows)) < 32 * len(rows) + 150


def test_damaged_fingerprints_are_named():
    graph = Graph(seal(_serialised(f"{SCOPE}/training/sounds", np.zeros((2, 3), np.uint64))))
    with pytest.raises(GraphError, match="damaged fingerprints in tosa/fingerprints/training/sounds"):
        SeenFiles.of_graph(graph)


def test_the_constants_names_are_fixed():
    assert contamination.SCOPE == "tosa/fingerprints" and contamination.SEEN == ("training", "validation")
