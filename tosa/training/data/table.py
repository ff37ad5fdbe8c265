"""Cases from a CSV table."""

import csv
import unicodedata
from pathlib import Path

from tosa.errors import UsageError
from tosa.training.data.aspects import COLUMN as ASPECT
from tosa.training.data.aspects import is_aspect
from tosa.training.data.dataset import SPLITS, Case, Percentages, group_of

COLUMNS = ("file", "label", "task", "group", "split", "source")  # the first two are required


def from_csv(
    table: Path, task: str, percentages: Percentages, group_regex: str | None = None, only: bool = False
) -> list[Case]:
    """Returns the cases of a CSV table with the columns file and label, and optionally task, group, split and source.

    Files are looked up from the table's folder. A row without a group has that of its file's name, as in from_folders;
    one without a split that of its group's name; one without a task is of `task`. Other columns are in each case's
    `extra`. only: leave out the rows of other tasks. Raises UsageError, which names the table, on missing columns or
    files, an unknown split or aspect ratio, a file that is twice in a task, and where no row is left.
    """
    cases: list[Case] = []
    lines: dict[tuple[str, Path], int] = {}  # of each file in a task
    tasks: dict[str, None] = {}  # in the order of the rows
    for line, row in _rows(table):
        fields = {column: unicodedata.normalize("NFC", row.get(column) or "").strip() for column in COLUMNS}
        row_task = fields["task"] or task
        tasks[row_task] = None
        if only and row_task != task:
            continue
        file = table.parent / (row["file"] or "").strip()  # as written, since file systems do not compose letters
        _check_row(table, fields, file)
        if (first := lines.setdefault((row_task, file), line)) != line:
            raise UsageError(f"'{table}' has '{fields['file']}' twice in task {row_task}: in lines {first} and {line}.")
        group = fields["group"] or group_of(Path(fields["file"]), group_regex)
        split = fields["split"] or percentages.split_of(group)
        extra = {column: (value or "").strip() for column, value in row.items() if column and column not in COLUMNS}
        split_given = bool(fields["split"])
        if not is_aspect(told := extra.get(ASPECT, "")):
            raise UsageError(
                f"'{table}': the aspect of '{fields['file']}' must be empty, 'unknown' or its width divided by its "
                f"height, such as 1.25; it is '{told}'."
            )
        cases.append(Case(file, row_task, fields["label"], group, split, fields["source"], split_given, extra))
    if not cases:
        raise UsageError(f"'{table}' has no task '{task}'; it has {', '.join(tasks)}.")
    return cases


def _check_row(table: Path, fields: dict[str, str], file: Path) -> None:
    name, split = fields["file"], fields["split"]
    if not name:
        raise UsageError(f"'{table}' has a row without a file name.")
    if not fields["label"]:
        raise UsageError(f"'{table}' has no label for '{name}'.")
    if not file.is_file():
        raise UsageError(f"'{table}' names the file '{name}', which does not exist.")
    if split and split not in SPLITS:
        raise UsageError(f"'{table}': the split of '{name}' must be one of {', '.join(SPLITS)}; it is split '{split}'.")


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Each row with the number of its line."""
    try:
        lines = table.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"Cannot read the table '{table}': {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The table '{table}' is not UTF-8 text. Save it as UTF-8.") from error
    semicolons = bool(lines) and ";" in lines[0] and "," not in lines[0]  # as spreadsheets write it in half of Europe
    reader = csv.DictReader(lines, delimiter=";" if semicolons else ",", skipinitialspace=True)
    reader.fieldnames = [column.strip() for column in reader.fieldnames or []]
    rows = [(reader.line_num, row) for row in reader]
    if not rows or not {"file", "label"} <= rows[0][1].keys():
        raise UsageError(f"The table '{table}' needs a header with at least the columns file and label.")
    return rows
