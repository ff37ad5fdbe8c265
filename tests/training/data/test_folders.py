"""Files of all endings and of none, links, what archives and systems leave behind: what is a case, and what is told."""

import numpy as np
import pytest
from PIL import Image

from pictures import encoded, phantom
from sounds import container, coughs, wav
from tosa.training.data.dataset import Case, Percentages, input_of_task
from tosa.training.data.folders import from_folders
from tosa.training.data.kinds import Kind
from tosa.training.data.spectrogram_folders import draw_folder

PNG = encoded(Image.fromarray(phantom()))
COUGH = wav(coughs())


def put(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def names(folder):
    return [str(case.file.relative_to(folder)) for case in from_folders(folder, "lungs", Percentages())]


def test_content_decides_and_the_ending_where_it_says_nothing(tmp_path):
    """A name may have another ending than its content, or none."""
    files = {
        "a/scan": PNG,
        "a/x.jfif": PNG,
        "a/y.bin": COUGH,
        "a/z.wav": PNG,
        "a/broken.png": b"text",
        "a/t.weba": COUGH,
    }
    cases = from_folders(put(tmp_path, files), "lungs", Percentages())
    kinds = {case.file.name: case.kind for case in cases}
    assert kinds == {
        "scan": Kind.XRAY, "x.jfif": Kind.XRAY, "y.bin": Kind.SOUND, "z.wav": Kind.XRAY, "broken.png": Kind.XRAY,
        "t.weba": Kind.SOUND,
    }  # fmt: skip


@pytest.mark.parametrize(
    "name, form, codec", [("x.weba", "webm", "libopus"), ("y.3gp", "3gp", "aac"), ("z", "adts", "aac")]
)
def test_sounds_of_other_endings_are_heard(tmp_path, name, form, codec):
    put(tmp_path, {f"a/{name}": container(coughs(rate=48_000), form, codec)})
    (case,) = from_folders(tmp_path, "t", Percentages())
    assert case.is_sound and input_of_task([case], "t") == "sound"


def test_what_is_passed_over_is_counted_and_named(tmp_path, capsys):
    bmp = {f"a/{number}.bmp": encoded(Image.fromarray(phantom()), "BMP") for number in range(3)}
    put(tmp_path, {"a/x.png": PNG, "a/notes.txt": b"some words", **bmp})
    assert names(tmp_path) == ["a/x.png"]
    out = capsys.readouterr().out
    assert f"3 files were passed over, such as '{tmp_path}/a/0.bmp'. " in out and "BMP" in out
    assert f"1 file was passed over, such as '{tmp_path}/a/notes.txt'. " in out


def test_what_macos_and_others_hide_is_no_case_and_no_label(tmp_path, capsys):
    put(
        tmp_path,
        {"a/x.png": PNG, "a/._x.png": b"", "__MACOSX/a/._x.png": b"", "a/__MACOSX/y.png": PNG, ".git/z.png": PNG},
    )
    assert names(tmp_path) == ["a/x.png"]
    assert not capsys.readouterr().out


def test_links_to_folders_are_followed_and_do_not_run_in_circles(tmp_path):
    put(tmp_path / "data", {"a/x.png": PNG, "a/deep/y.png": PNG})
    put(tmp_path / "elsewhere", {"z.png": PNG})
    (tmp_path / "data" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "deep" / "up").symlink_to(tmp_path / "data" / "a")
    (tmp_path / "data" / "c").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path / "data") == ["a/deep/y.png", "a/more/z.png", "a/x.png", "b/z.png"]


def test_folders_of_the_same_label_are_told(tmp_path, capsys):
    put(tmp_path, {"Normal/x.png": PNG, "normal/y.png": PNG, "ill/z.png": PNG})
    assert {case.label for case in from_folders(tmp_path, "t", Percentages())} == {"normal", "ill"}
    assert "The folders 'Normal' and 'normal' give the same label, 'normal'" in capsys.readouterr().out


def test_spectrograms_of_sounds_without_an_ending_are_known_by_their_name(tmp_path):
    put(tmp_path / "sounds", {"sick/one": COUGH, "sick/two.wav": COUGH, "sick/three.txt": b"words"})
    sounds = draw_folder(tmp_path / "sounds", tmp_path / "pictures")
    assert sorted(picture.name for picture in sounds) == ["one.sound.png", "two.wav.png"]
    cases = from_folders(tmp_path / "pictures", "asthma", Percentages())
    assert {case.kind for case in cases} == {Kind.SPECTROGRAM} and sorted(case.group for case in cases) == [
        "one",
        "two",
    ]
    drawn = [np.asarray(Image.open(case.file)) for case in cases]
    assert (drawn[0] == drawn[1]).all()


def test_a_picture_drawn_from_a_sound_is_a_spectrogram_whatever_its_name(tmp_path):
    put(tmp_path, {"x.png": PNG})
    plain = Case(tmp_path / "x.png", "asthma", "a", "x", "training")
    drawn = Case(tmp_path / "x.png", "asthma", "a", "x", "training", drawn_from=tmp_path / "x.wav")
    assert (plain.kind, drawn.kind) == (Kind.XRAY, Kind.SPECTROGRAM)
