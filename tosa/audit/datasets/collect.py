"""Gather the public data sets the embedded model is trained on into one table for retrain.py.

    python -m tosa.audit.datasets.collect DATA [DATA ...] cases.csv

Each DATA holds some of the folders named in SETS, each with its own table of labels. The columns of cases.csv are
those that `retrain.py --labels_csv` reads: file (relative to the table), task, label, group, source; and age, sex, view
where the set knows them, for the audit.
"""

import csv
import os
import sys
from pathlib import Path

from tosa.training.files import atomic_write

PNEUMONIA = {"normal": "normal", "bacteria": "bacterial pneumonia", "virus": "viral pneumonia"}
ADULTS = {
    "normal": "normal",
    "no_finding": "normal",
    "covid": "covid-19",
    "pneumonia": "other pneumonia",
    "other_pneumonia": "other pneumonia",
}
SICK = {"1": "sick", "0": "not sick"}

COLUMNS = ["file", "task", "label", "group", "source", "age", "sex", "view"]

# folder, table, task, label of a row, group of a row
SETS = [
    ("cough/coswara_20200413", "metadata.csv", "cough", lambda r: SICK[r["sick"]], lambda r: r["subject"]),
    ("cough/esc10", "metadata.csv", "cough", lambda r: SICK[r["sick"]], lambda r: r["group"]),
    ("cough/debian_music", "metadata.csv", "cough", lambda r: SICK[r["sick"]], lambda r: r["group"]),
    ("cough/debian_sounds", "metadata.csv", "cough", lambda r: SICK[r["sick"]], lambda r: r["group"]),
    ("cough/bmc_cough_2006", "metadata.csv", "cough", lambda r: "sick", lambda r: "bmc-" + r["patient"]),
    ("cough/covid19_cough_ru", "metadata.csv", "cough", lambda r: "sick", lambda r: Path(r["file"]).stem),
    ("xray/kermany224", "labels.csv", "pneumonia", lambda r: PNEUMONIA[r["label"]], lambda r: r["patient_id"]),
    ("xray/kermany_native512", "labels.csv", "pneumonia", lambda r: PNEUMONIA[r["label"]], lambda r: r["patient_id"]),
    ("xray/nih_adult", "labels.csv", "covid", lambda r: ADULTS[r["label"]], lambda r: r["patient_id"]),
    ("xray/cohen_cc", "labels.csv", "covid", lambda r: ADULTS[r["label"]], lambda r: r["patient_id"]),
]


def rows(data: list[Path], start: Path):
    """Yield a row of COLUMNS for every file of SETS that is there and can be judged."""
    for name, table, task, label, group in SETS:
        folder = next((root / name for root in data if (root / name).is_dir()), None)
        if folder is None:
            print(f"{name} is in none of the folders, and left out.", file=sys.stderr)
            continue
        with open(folder / table, encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                file = folder / row["file"]
                too_short = float(row.get("duration_s") or 1) < 0.3
                if file.is_file() and not too_short:
                    known = [(row.get(column) or "").strip() for column in COLUMNS[5:]]
                    yield os.path.relpath(file, start), task, label(row), group(row), name.split("/")[1], *known


def main(data: list[Path], table: Path) -> None:
    table.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(table) as partial, open(partial, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        writer.writerows(rows([root.resolve() for root in data], table.parent.resolve()))


if __name__ == "__main__":
    *data, table = map(Path, sys.argv[1:])
    main(data, table)
