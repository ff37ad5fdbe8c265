"""Clips of packages: each file its own, a voice in one group, nothing that two voices share."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds import coughs
from tosa.audit.datasets import debian_sounds
from tosa.inputs.audio import SAMPLE_RATE


@pytest.mark.parametrize(
    "package, folder, group",
    [
        ("asterisk-core-sounds-en-wav", "en_US_f_Allison/digits", "asterisk-core-sounds-en-wav"),
        ("klettres-data", "klettres/de/alpha", "klettres-data/de"),
        ("klettres-data", "klettres/de/syllab", "klettres-data/de"),
        ("hedgewars-data", "voices/Robot", "hedgewars-data/Robot"),
    ],
)
def test_a_voice_is_one_group(package, folder, group):
    assert debian_sounds.voice(package, Path(folder)) == group


def test_clips_keep_apart(tmp_path):
    def sound(name: str, seed: int | None) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, coughs(seed=seed) if seed is not None else np.zeros(SAMPLE_RATE), SAMPLE_RATE)
        return file

    found = [
        (sound(name, seed), name, name.split("/")[0], group)
        for name, seed, group in [
            ("letters/de/a.wav", 0, "de"),
            ("letters/es/a.wav", 1, "es"),  # another sound of the same name
            ("letters/es/a.flac", 2, "es"),
            ("letters/es/b.wav", 1, "es"),  # twice in one voice
            ("game/Old/laugh.wav", 3, "Old"),
            ("game/New/laugh.wav", 3, "New"),  # one that two voices share
            ("game/New/silence.wav", None, "New"),
            ("game/New/a cough.wav", 4, "New"),
        ]
    ]
    rows = debian_sounds.write_clips(tmp_path / "set", found)
    names = ["letters/de/a.wav.flac", "letters/es/a.wav.flac", "letters/es/a.flac.flac", "game/New/a_cough.wav.flac"]
    assert [row[0] for row in rows] == names
    assert [row[2] for row in rows] == [0, 0, 0, 1]
    written = {str(file.relative_to(tmp_path / "set")) for file in (tmp_path / "set").rglob("*") if file.is_file()}
    assert written == set(names)
    contents = [soundfile.read(tmp_path / "set" / name)[0] for name in names]
    assert len({content.tobytes() for content in contents}) == len(names)
