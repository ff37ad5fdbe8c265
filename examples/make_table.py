"""Writes the table that `retrain.py --labels_csv` reads, for a public data set as its makers publish it.

    python examples/make_table.py {coswara,kermany,nih} FOLDER TABLE

coswara: the sounds of one or more dates of Coswara-Data, unpacked: .../<person>/cough-heavy.wav, counting-fast.wav, ...
kermany: chest_xray of Kermany et al.: .../NORMAL/*.jpeg, .../PNEUMONIA/person1_bacteria_2.jpeg, ...
nih:     ChestX-ray14: Data_Entry_2017.csv and, anywhere below, the PNGs that it names

Paths in the table are relative to it. A person is a group, which stays in one split.
"""

import csv
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

Row = tuple[Path, str, str, str]  # file, task, label, group
SICK = ("cough", "breathing")  # how Coswara's names of sounds of illness begin
NOT_SICK = ("counting", "vowel")
PERSON = re.compile(r"person\d+|IM-\d+")  # in Kermany's names
CHILDREN = {"bacteria": "bacterial pneumonia", "virus": "viral pneumonia"}


def coswara(folder: Path) -> Iterator[Row]:
    """Yields coughs and breathing as sick, counting and vowels as not sick, each with its person's folder as group."""
    for file in sorted(folder.rglob("*.wav")):
        kind = file.name.partition("-")[0]
        if kind in SICK + NOT_SICK:
            yield file, "cough", "sick" if kind in SICK else "not sick", file.parent.name


def kermany(folder: Path) -> Iterator[Row]:
    """Yields X-rays of children, the kind of pneumonia from the file's name, the person from it too."""
    for file in sorted(folder.rglob("*.jpeg")):
        person = PERSON.search(file.name)
        kind = next((CHILDREN[word] for word in CHILDREN if f"_{word}" in file.name), None)
        label = "normal" if file.parent.name == "NORMAL" else kind
        if person and label:
            yield file, "pneumonia", label, person[0]


def nih(folder: Path) -> Iterator[Row]:
    """Yields X-rays of adults (18 or older), with pneumonia among the findings or without any finding."""
    files = {file.name: file for file in folder.rglob("*.png")}
    with open(folder / "Data_Entry_2017.csv", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            findings, age = row["Finding Labels"].split("|"), int(row["Patient Age"].rstrip("Y"))
            label = "pneumonia" if "Pneumonia" in findings else "no finding" if findings == ["No Finding"] else None
            if label and age >= 18 and row["Image Index"] in files:
                yield files[row["Image Index"]], "adult pneumonia", label, row["Patient ID"]


def main(name: str, folder: Path, table: Path) -> None:
    """Writes the table of a data set. Ends the program if the folder has none of its files."""
    rows = list({"coswara": coswara, "kermany": kermany, "nih": nih}[name](folder))
    if not rows:
        sys.exit(f"'{folder}' has no file of {name}. What is expected there:\n{__doc__}")
    with open(table, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("file", "task", "label", "group"))
        writer.writerows((os.path.relpath(file, table.parent), *rest) for file, *rest in rows)
    print(f"Wrote '{table}': {len(rows)} files of {len({group for *_, group in rows})} people.")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("coswara", "kermany", "nih"):
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
