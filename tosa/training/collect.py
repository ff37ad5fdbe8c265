"""Gather the public data sets the embedded model is trained on into one table for retrain.py.

    python -m tosa.training.collect DATA cases.csv

DATA holds the folders named in SETS, each with its own table of labels. The columns of cases.csv are those that
`retrain.py --labels_csv` reads: file (relative to the table), task, label, group.
"""

import csv
import os
import sys
from pathlib import Path

PNEUMONIA = {"normal": "normal", "bacteria": "bacterial pneumonia", "virus": "viral pneumonia"}
ADULTS = {"normal": "normal", "no_finding": "normal", "covid": "covid-19",
          "pneumonia": "other pneumonia", "other_pneumonia": "other pneumonia"}
SICK = {"1": "sick", "0": "not sick"}

# folder, table, task, label of a row, group of a row
SETS = [
    ("cough/coswara_20200413", "metadata.csv", "cough", lambda r: SICK[r["sick"]], lambda r: r["subject"]),
    ("cough/esc10", "metadata.csv", "cough", lambda r: SICK[r["sick"]], lambda r: r["group"]),
    ("cough/debian_music", "metadata.csv", "cough", lambda r: SICK[r["sick"]], lambda r: r["group"]),
    ("cough/bmc_cough_2006", "metadata.csv", "cough", lambda r: "sick", lambda r: "bmc-" + r["patient"]),
    ("cough/covid19_cough_ru", "metadata.csv", "cough", lambda r: "sick", lambda r: Path(r["file"]).stem),
    ("xray/kermany224", "labels.csv", "pneumonia", lambda r: PNEUMONIA[r["label"]], lambda r: r["patient_id"]),
    ("xray/kermany_native512", "labels.csv", "pneumonia", lambda r: PNEUMONIA[r["label"]], lambda r: r["patient_id"]),
    ("xray/nih_adult", "labels.csv", "covid", lambda r: ADULTS[r["label"]], lambda r: r["patient_id"]),
    ("xray/cohen_cc", "labels.csv", "covid", lambda r: ADULTS[r["label"]], lambda r: r["patient_id"]),
]


def rows(data: Path, beside: Path):
    """Yield (file, task, label, group) of every file of SETS that is there and can be judged."""
    for folder, table, task, label, group in SETS:
        with open(data / folder / table, encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                file = data / folder / row["file"]
                too_short = float(row.get("duration_s") or 1) < 0.3
                if file.is_file() and not too_short:
                    yield os.path.relpath(file, beside), task, label(row), group(row)


def main(data: str, table: str) -> None:
    target = Path(table)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["file", "task", "label", "group"])
        writer.writerows(rows(Path(data).resolve(), target.parent.resolve()))


if __name__ == "__main__":
    main(*sys.argv[1:])
