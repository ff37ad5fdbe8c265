"""Gathers public data sets into one table for retrain.py and the audit.

    python -m tosa.audit.datasets.collect [--commercial] [--keep_copies] DATA [DATA ...] cases.csv

Each DATA holds folders of the names in SETS, each with its own table of labels. The columns of cases.csv are those that
`retrain.py --labels_csv` reads: file (relative to the table), task, label, group, source, aspect (`unknown` for
pictures that were squashed to a square), pool and stratum (how batches are drawn, see docs/training.md); and for the
audit age, sex, view, kind (what is heard), native_width and native_height (pixels before anyone resized a picture),
and licence.

A file that looks or sounds like one of another group is left out and named, since a copy in another split would make
the results of a test too good. The groups and splits of all other files stay what they are.
"""

import argparse
import csv
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tosa.audit.datasets.copies import without_copies
from tosa.errors import UsageError
from tosa.training.data.aspects import UNKNOWN
from tosa.training.files import atomic_write

Row = dict[str, str]

PNEUMONIA = {"normal": "normal", "bacteria": "bacterial pneumonia", "virus": "viral pneumonia"}
ADULTS = {
    "normal": "normal",
    "no_finding": "normal",
    "covid": "covid-19",
    "pneumonia": "other pneumonia",
    "other_pneumonia": "other pneumonia",
}
SICK = {"1": "sick", "0": "not sick"}
SIGHS = {"Relief", "Disappointment", "Serenity", "Contentment"}  # acted as sighs, which sound like laboured breath
MIN_SECONDS = 0.3  # shorter sounds are left out, as serving refuses them
WIDE, WIDER = 1.3, 1.5  # width to height: a third of the children's X-rays is narrower, a third wider than the other
NOISES = {"laughter", "scream", "crying_baby", "human_imitating_animal", "eating"}  # of people, most like a cough
DIVERSE = ("coswara_20200413", "emogator")  # sets of people's sounds whose classes are counted as sets of their own
EXTRA = ("age", "sex", "view", "kind", "native_width", "native_height", "licence")
COLUMNS = ("file", "task", "label", "group", "source", "aspect", "pool", "stratum", *EXTRA)
KINDS = ("cough", "xray")  # folders of DATA that hold data sets
COMMERCIAL_USE = re.compile(  # licences that allow it; what is not listed here counts as forbidding it
    r"CC0|public domain|CC[ -]BY(-SA)?( |$)|Apache-2\.0|GPL|ODbL|free packages of Debian|free use with attribution",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class DataSet:
    """How the table of a data set is read. Its rows are dictionaries by column."""

    folder: str
    table: str
    task: str
    label: Callable[[Row], str]
    group: Callable[[Row], str]
    licence: str  # of rows that name none
    keeps: Callable[[Row], bool] = lambda _: True
    has_native_size: bool = False  # whether source_width and source_height are those that the picture was taken with

    @property
    def name(self) -> str:
        """The source of its cases."""
        return self.folder.partition("/")[2]


def _sound(name: str, licence: str) -> DataSet:
    return DataSet(
        f"cough/{name}", "metadata.csv", "cough", lambda row: SICK[row["sick"]], lambda row: row["group"], licence
    )


def _coughs(name: str, licence: str, group: Callable[[Row], str]) -> DataSet:
    """Returns a set of coughs alone."""
    return replace(_sound(name, licence), label=lambda _: "sick", group=group)


def _xray(name: str, task: str, labels: dict[str, str], licence: str) -> DataSet:
    return DataSet(
        f"xray/{name}", "labels.csv", task, lambda row: labels[row["label"]], lambda row: row["patient_id"], licence,
        has_native_size=True,
    )  # fmt: skip


SETS = [
    replace(_sound("coswara_20200413", "CC BY 4.0"), group=lambda row: row["subject"]),
    _sound("esc10", "CC BY 3.0"),
    _sound("debian_music", "free packages of Debian"),
    _sound("debian_sounds", "free packages of Debian"),
    _coughs("bmc_cough_2006", "CC BY 2.0", lambda row: "bmc-" + row["patient"]),
    _coughs("covid19_cough_ru", "CC0", lambda row: Path(row["file"]).stem),
    replace(_sound("emogator", "Apache-2.0"), keeps=lambda row: row["emotion"] not in SIGHS),
    _sound("scratch_debian", "CC BY-SA 3.0"),
    _sound("mtsounds", "unknown"),
    _sound("fsdd", "CC BY-SA 4.0"),
    _sound("donateacry", "ODbL 1.0 / DbCL 1.0"),
    _sound("librosa_data", "unknown"),
    _sound("ibm_max_samples", "unknown"),
    replace(_xray("kermany224", "pneumonia", PNEUMONIA, "CC BY 4.0"), has_native_size=False),  # they came squashed
    _xray("kermany_native", "pneumonia", PNEUMONIA, "CC BY 4.0"),
    _xray("kermany_native512", "pneumonia", PNEUMONIA, "CC BY 4.0"),
    _xray("nih_adult", "covid", ADULTS, "free use with attribution (NIH)"),
    _xray("cohen_cc", "covid", ADULTS, "unknown"),
]


def allows_commercial_use(licence: str) -> bool:
    """Returns whether a licence, as the data sets write it, is one that allows commercial use."""
    return bool(COMMERCIAL_USE.match(licence))


def pool_of(data_set: DataSet, row: Row) -> str:
    """Returns the pool of a case, of which each batch of a fine-tuning has a fixed share."""
    if data_set.folder.startswith("xray/"):
        return "children" if data_set.task == "pneumonia" else "adults"
    if data_set.label(row) == "sick":
        return "sick_sounds"
    is_human = data_set.name == "emogator" or row.get("class") in NOISES
    return "human_noises" if is_human else "other_sounds"


def stratum_of(data_set: DataSet, row: Row) -> str:
    """Returns the stratum of a case: within a label of a pool, large ones are sampled less often than their size says.

    It is the source; of children's X-rays also the third of the aspect ratio, of people's sounds also the class.
    """
    pool = pool_of(data_set, row)
    if pool == "adults":
        return ""
    if pool == "children" and data_set.has_native_size:
        aspect = int(row["source_width"]) / int(row["source_height"])
        return f"{data_set.name} {'narrow' if aspect < WIDE else 'middle' if aspect < WIDER else 'wide'}"
    if pool in ("sick_sounds", "human_noises") and data_set.name in DIVERSE:
        return f"{data_set.name} {row.get('class') or ''}".strip()
    return data_set.name


def find_sets(data: list[Path]) -> list[tuple[DataSet, Path]]:
    """Returns the sets of SETS that are in the folders `data`, each with its folder.

    Raises UsageError, which names the sets found and supported, if `data` holds an unknown set or no set at all.
    """
    found = sorted(
        f"{kind}/{folder.name}" for root in data for kind in KINDS for folder in _folders(root / kind)
    )  # fmt: skip
    known = [each.folder for each in SETS]
    if unknown := sorted(set(found) - set(known)):
        raise UsageError(
            f"Unknown data sets: {', '.join(unknown)}. Found: {', '.join(found)}. Supported: {', '.join(known)}."
            " Move unknown folders elsewhere, or add them to SETS in tosa/audit/datasets/collect.py."
        )
    if not found:
        where = ", ".join(f"'{root}'" for root in data)
        raise UsageError(f"{where} holds no data set. Supported: {', '.join(known)}.")
    places = {each: next((root / each.folder for root in data if (root / each.folder).is_dir()), None) for each in SETS}
    return [(each, place) for each, place in places.items() if place]


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir() and path.name[0] != "."] if parent.is_dir() else []


def read_set(data_set: DataSet, folder: Path, start: Path, commercial: bool) -> Iterator[tuple[Row, str]]:
    """Yields a row of COLUMNS, and the page it is from or '', for each usable file of a set.

    start: the folder from which files are named. commercial: leave out rows whose licence forbids commercial use.
    """
    with (folder / data_set.table).open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            file = folder / row["file"]
            licence = row.get("licence") or data_set.licence
            too_short = float(row.get("duration_s") or 1) < MIN_SECONDS
            forbidden = commercial and not allows_commercial_use(licence)
            if too_short or forbidden or not data_set.keeps(row) or not file.is_file():
                continue
            extra = {column: (row.get(column) or "").strip() for column in EXTRA}
            extra |= {"licence": licence, "kind": row.get("class") or ""}
            if data_set.has_native_size:
                extra |= {"native_width": row["source_width"], "native_height": row["source_height"]}
            extra |= {"pool": pool_of(data_set, row), "stratum": stratum_of(data_set, row)}
            is_squashed = data_set.folder.startswith("xray/") and not data_set.has_native_size
            yield (
                {
                    "file": os.path.relpath(file, start),
                    "task": data_set.task,
                    "label": data_set.label(row),
                    "group": data_set.group(row),
                    "source": data_set.name,
                    "aspect": UNKNOWN if is_squashed else "",
                    **extra,
                },
                row.get("url") or "",
            )


def _merge_groups(rows: list[tuple[Row, str]]) -> list[Row]:
    """Returns the rows with one group for all that share a recording of Freesound, within and across sets."""
    merged: dict[str, str] = {}

    def root(group: str) -> str:
        while group in merged:
            group = merged[group]
        return group

    first: dict[str, str] = {}
    for row, url in rows:
        if found := re.search(r"freesound\.org/(?:people/[^/]+/sounds|s)/(\d+)", url):
            older, group = root(first.setdefault(found[1], row["group"])), root(row["group"])
            if older != group:
                merged[group] = older
    return [row | {"group": root(row["group"])} for row, _ in rows]


def write_table(data: list[Path], table: Path, commercial: bool = False, keep_copies: bool = False) -> None:
    """Writes the table of all cases in the folders `data`. Raises UsageError as find_sets does.

    keep_copies: whether files that look or sound like one of another group are cases too.
    """
    sets, start = find_sets([root.resolve() for root in data]), table.parent.resolve()
    rows = _merge_groups([row for each, folder in sets for row in read_set(each, folder, start, commercial)])
    rows = rows if keep_copies else without_copies(rows, start)
    with atomic_write(table) as partial, partial.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    if missing := [each.folder for each in SETS if each not in dict(sets)]:
        print(f"Data sets that were not found: {', '.join(missing)}.", file=sys.stderr)


def main() -> None:
    """Runs the command that the module's docstring shows."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("data", type=Path, nargs="+", help="folder with data sets in its folders cough and xray")
    flags.add_argument("table", type=Path, help="the CSV file to write")
    flags.add_argument(
        "--commercial", action="store_true", help="leave out files whose licence forbids commercial use, or is unknown"
    )
    flags.add_argument(
        "--keep_copies", action="store_true", help="keep files that look or sound like one of another group"
    )
    arguments = flags.parse_args()
    try:
        write_table(arguments.data, arguments.table, arguments.commercial, arguments.keep_copies)
    except UsageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
