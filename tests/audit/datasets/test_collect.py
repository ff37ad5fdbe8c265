"""Public data sets gathered into one table: labels, groups, licences, and folders that nobody knows."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from sounds import coughs, wav
from tosa.audit.datasets import collect
from tosa.errors import UsageError
from tosa.training.data.dataset import Percentages
from tosa.training.data.table import from_csv

ROWS = {
    "cough/emogator": [
        {"file": "1.flac", "class": "laughter", "sick": "0", "group": "e1", "emotion": "Amusement"},
        {"file": "2.flac", "class": "other", "sick": "0", "group": "e2", "emotion": "Relief"},
        {"file": "3.flac", "class": "other", "sick": "0", "group": "e2", "emotion": "Serenity", "duration_s": "2"},
        {"file": "4.flac", "class": "other", "sick": "0", "group": "e2", "emotion": "Awe", "duration_s": "0.2"},
    ],
    "cough/scratch_debian": [
        {"file": "1.flac", "class": "sneeze", "sick": "1", "group": "s1", "duration_s": "1"},
        {"file": "2.flac", "class": "music", "sick": "0", "group": "s2", "duration_s": "1"},
    ],
    "cough/esc10": [
        {"file": "1.flac", "class": "rain", "sick": "0", "group": "freesound-7", "licence": "CC0",
         "url": "http://www.freesound.org/people/someone/sounds/7/"},
    ],
    "cough/mtsounds": [
        {"file": "1.flac", "class": "rain", "sick": "0", "group": "rain", "licence": "CC BY 3.0",
         "url": "https://freesound.org/s/7/"},
        {"file": "2.flac", "class": "wind", "sick": "0", "group": "rain", "licence": "CC BY-NC 3.0"},
        {"file": "3.flac", "class": "wind", "sick": "0", "group": "wind", "licence": ""},
    ],
    "xray/kermany224": [
        {"file": "a.jpeg", "label": "normal", "patient_id": "IM-1", "source_width": "224", "source_height": "224"},
    ],
    "xray/kermany_native": [
        {"file": "b.jpg", "label": "virus", "patient_id": "IM-1", "source_width": "1300", "source_height": "900"},
    ],
    "xray/cohen_cc": [
        {"file": "c.jpg", "label": "covid", "patient_id": "p", "source_width": "9", "source_height": "8",
         "licence": "CC BY-NC-SA 4.0", "age": "40"},
        {"file": "d.jpg", "label": "no_finding", "patient_id": "q", "source_width": "9", "source_height": "8",
         "licence": "CC BY 4.0", "view": "PA"},
        {"file": "gone.jpg", "label": "covid", "patient_id": "r", "source_width": "9", "source_height": "8"},
    ],
}  # fmt: skip


@pytest.fixture
def data(tmp_path) -> Path:
    for folder, rows in ROWS.items():
        (tmp_path / folder).mkdir(parents=True)
        for row in rows:
            if row["file"] != "gone.jpg":
                (tmp_path / folder / row["file"]).write_bytes(b"")
        table = tmp_path / folder / ("labels.csv" if folder.startswith("xray") else "metadata.csv")
        with table.open("w", newline="") as out:
            writer = csv.DictWriter(out, sorted({column for row in rows for column in row}))
            writer.writeheader()
            writer.writerows(rows)
    return tmp_path


def collected(data: Path, commercial: bool = False) -> dict[str, dict[str, str]]:
    """The table's rows by source and file's name, once the trainer's own reader took them."""
    table = data / "table" / "cases.csv"
    collect.write_table([data], table, commercial)
    from_csv(table, "cough", Percentages())
    with table.open(newline="") as lines:
        return {f"{row['source']}/{Path(row['file']).name}": row for row in csv.DictReader(lines)}


def test_labels_and_what_is_left_out(data):
    rows = collected(data)
    assert {name: row["label"] for name, row in rows.items() if row["task"] == "cough"} == {
        "emogator/1.flac": "not sick",  # a laugh; two sighs and a clip of 0.2 s are left out
        "scratch_debian/1.flac": "sick",
        "scratch_debian/2.flac": "not sick",
        "esc10/1.flac": "not sick",
        "mtsounds/1.flac": "not sick",
        "mtsounds/2.flac": "not sick",
        "mtsounds/3.flac": "not sick",
    }
    assert rows["kermany_native/b.jpg"]["label"] == "viral pneumonia" and rows["cohen_cc/d.jpg"]["label"] == "normal"
    assert rows["emogator/1.flac"]["kind"] == "laughter" and rows["cohen_cc/d.jpg"]["view"] == "PA"


def test_sets_that_share_patients_or_recordings_share_groups(data):
    rows = collected(data)
    assert rows["kermany224/a.jpeg"]["group"] == rows["kermany_native/b.jpg"]["group"] == "IM-1"
    assert {rows[name]["group"] for name in ("esc10/1.flac", "mtsounds/1.flac", "mtsounds/2.flac")} == {"freesound-7"}
    assert rows["mtsounds/3.flac"]["group"] == "wind"


def test_native_sizes_are_known_but_of_squashed_pictures(data):
    rows = collected(data)
    sizes = {name: (row["native_width"], row["native_height"]) for name, row in rows.items()}
    assert sizes["kermany_native/b.jpg"] == ("1300", "900") and sizes["kermany224/a.jpeg"] == ("", "")


def test_squashed_pictures_are_told_and_cases_are_in_pools(data):
    rows = collected(data)
    aspects = {name: row["aspect"] for name, row in rows.items() if row["task"] != "cough"}
    assert {name for name, aspect in aspects.items() if aspect == "unknown"} == {"kermany224/a.jpeg"}
    assert set(aspects.values()) == {"unknown", ""}
    drawn = {name: (row["pool"], row["stratum"]) for name, row in rows.items()}
    assert drawn["kermany224/a.jpeg"] == ("children", "kermany224")
    assert drawn["kermany_native/b.jpg"] == ("children", "kermany_native middle")  # 1300 to 900
    assert drawn["cohen_cc/d.jpg"] == ("adults", "")
    assert drawn["emogator/1.flac"] == ("human_noises", "emogator laughter")
    assert drawn["scratch_debian/1.flac"] == ("sick_sounds", "scratch_debian")
    assert drawn["esc10/1.flac"] == ("other_sounds", "esc10")


def test_commercial_leaves_out_what_forbids_it(data):
    everything, free = collected(data), collected(data, commercial=True)
    assert everything.keys() - free.keys() == {"mtsounds/2.flac", "mtsounds/3.flac", "cohen_cc/c.jpg"}
    assert everything["mtsounds/3.flac"]["licence"] == "unknown" and free["kermany224/a.jpeg"]["licence"] == "CC BY 4.0"


@pytest.mark.parametrize(
    "licence, allowed",
    [("CC BY-SA (version not stated in the package; wording of 3.0)", True), ("CC-BY", True), ("GPL-2+", True),
     ("ODbL 1.0 / DbCL 1.0", True), ("Public domain", True), ("CC BY-NC 4.0", False), ("CC BY-ND 4.0", False),
     ("listed as authorized for everyone", False), ("CC BY-NC-SA", False), ("", False)],
)  # fmt: skip
def test_licences_that_allow_commercial_use(licence, allowed):
    assert collect.allows_commercial_use(licence) == allowed


def test_all_sets_have_names_of_their_own():
    assert len({each.name for each in collect.SETS}) == len(collect.SETS)


def test_unknown_sets_are_named_with_what_is_there_and_known(data, monkeypatch):
    (data / "cough" / "whoops").mkdir()
    monkeypatch.setattr(sys, "argv", ["collect", str(data), str(data / "cases.csv")])
    with pytest.raises(SystemExit) as stopped:
        collect.main()
    said = str(stopped.value)
    assert said.startswith("Unknown data sets: cough/whoops. Found: ") and "cough/emogator" in said
    assert "xray/nih_adult" in said.partition("Supported")[2] and not (data / "cases.csv").exists()


def write_coughs(data: Path, name: str, rows: list[dict[str, str]], samples: list[np.ndarray]) -> None:
    folder = data / "cough" / name
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, sorted(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for row, sound in zip(rows, samples, strict=True):
        (folder / row["file"]).write_bytes(wav(sound))


def test_a_copy_in_another_group_is_left_out_and_named(tmp_path, capsys):
    """That which would be tested on, though it comes first; files of one group, and all other rows, stay."""
    names = [f"{number}" for number in range(99)]
    (tested, *_), (trained, other, *_) = (
        [name for name in names if Percentages().split_of(name) == split] for split in ("testing", "training")
    )
    one, two, three = (coughs(seed=seed) for seed in (1, 2, 3))
    rows = [{"file": f"{name}.flac"} for name in (tested, trained, other)]
    write_coughs(tmp_path, "covid19_cough_ru", rows, [one, one / 2, two])
    rows = [{"file": f"{number}.wav", "patient": "p"} for number in range(2)]
    write_coughs(tmp_path, "bmc_cough_2006", rows, [three, three / 2])
    everything = [row | {"file": Path(row["file"]).name} for row in written(tmp_path, keep_copies=True)]
    assert len(everything) == 5 and not capsys.readouterr().err.count("Left out")
    kept = [row | {"file": Path(row["file"]).name} for row in written(tmp_path)]
    assert kept == [row for row in everything if row["file"] != f"{tested}.flac"]
    said = capsys.readouterr().err
    assert f"{tested}.flac', a copy of '" in said and f"{trained}.flac' in another group." in said
    assert "Copies that were left out: 1 of covid19_cough_ru." in said


def written(data: Path, **options: bool) -> list[dict[str, str]]:
    collect.write_table([data], data / "cases.csv", **options)
    with (data / "cases.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_folder_without_sets_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no data set"):
        collect.write_table([tmp_path], tmp_path / "cases.csv")
