import numpy as np
import pytest
from PIL import Image

from sounds import coughs, wav
from tosa.errors import UsageError
from tosa.inputs import spectrogram
from tosa.training.data import spectrogram_folders
from tosa.training.data.dataset import SkippedFiles


@pytest.fixture
def sounds(tmp_path):
    for number in range(4):
        file = tmp_path / "sounds" / "ab"[number % 2] / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(wav(coughs(seed=number)))
    return tmp_path / "sounds"


def drawn(folder):
    return {file.name: np.asarray(Image.open(file)) for file in sorted(folder.rglob("*.png"))}


def test_each_as_serving_draws_it(sounds, tmp_path, capfd):
    spectrogram_folders.draw_folder(sounds, tmp_path / "p")
    pictures = drawn(tmp_path / "p")
    assert list(pictures) == ["0.wav.png", "2.wav.png", "1.wav.png", "3.wav.png"]
    for name, picture in pictures.items():
        (file,) = sounds.rglob(name.removesuffix(".png"))
        assert (picture == spectrogram.draw_file(file.read_bytes())).all()
    assert capfd.readouterr() == ("", ""), "in a pipe there is no progress bar"


def test_only_what_changed_is_drawn(sounds, tmp_path, monkeypatch):
    spectrogram_folders.draw_folder(sounds, tmp_path / "p")
    seen, draw = [], spectrogram_folders._draw
    monkeypatch.setattr(
        spectrogram_folders, "_draw", lambda sound, *more: seen.append(sound.name) or draw(sound, *more)
    )
    spectrogram_folders.draw_folder(sounds, tmp_path / "p")
    assert seen == []
    (sounds / "b" / "1.wav").write_bytes(wav(coughs(seed=9)))
    (tmp_path / "p" / "a" / "2.wav.png").unlink()
    spectrogram_folders.draw_folder(sounds, tmp_path / "p")
    assert sorted(seen) == ["1.wav", "2.wav"]


def test_what_is_hidden_is_passed_over(sounds, tmp_path):
    (sounds / "a" / "._0.wav").write_bytes(b"of macOS")
    (sounds / "b" / ".cache").mkdir()
    (sounds / "b" / ".cache" / "1.wav").write_bytes(b"")
    spectrogram_folders.draw_folder(sounds, tmp_path / "p")
    assert len(drawn(tmp_path / "p")) == 4


def test_pictures_of_sounds_that_are_gone_are_told(sounds, tmp_path, capsys):
    spectrogram_folders.draw_folder(sounds, tmp_path / "p")
    (sounds / "a" / "0.wav").rename(sounds / "b" / "0.wav")
    Image.new("L", (9, 9)).save(tmp_path / "p" / "a" / "x.png")
    drawn_from = spectrogram_folders.draw_folder(sounds, tmp_path / "p")
    assert drawn_from[tmp_path / "p" / "b" / "0.wav.png"] == sounds / "b" / "0.wav" and len(drawn_from) == 4
    stale = spectrogram_folders.pictures_without_sound(tmp_path / "p", drawn_from)
    assert stale == {tmp_path / "p" / "a" / "0.wav.png"}
    out = capsys.readouterr().out
    assert (
        "2 pictures" in out
        and "0.wav.png', belong to no sound" in out
        and "1 of them were drawn from sounds that" in out
    )


@pytest.mark.parametrize("link", [False, True])
def test_what_cannot_be_heard_is_named_or_skipped(sounds, tmp_path, link):
    spectrogram_folders.draw_folder(sounds, tmp_path / "p")
    (sounds / "a" / "0.wav").unlink()
    if link:
        (sounds / "a" / "0.wav").symlink_to("nowhere.wav")
    else:
        (sounds / "a" / "0.wav").write_bytes(b"RIFF")
    with pytest.raises(UsageError, match=r"0\.wav"):
        spectrogram_folders.draw_folder(sounds, tmp_path / "p")
    skipped = SkippedFiles(skip=True)
    spectrogram_folders.draw_folder(sounds, tmp_path / "p", skipped)
    assert len(skipped.sentences) == 1 and sorted(drawn(tmp_path / "p")) == ["1.wav.png", "2.wav.png", "3.wav.png"]
