"""The files that a batch is asked to screen: files, folders, patterns, tables, and names on standard input."""

import csv
import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tosa.errors import UsageError

STANDARD_INPUT = "-"
TABLES = {".csv": ",", ".tsv": "\t"}  # endings and their separators
COLUMN = "file"  # of a table: the path of a sound or picture, relative to the table's folder


class Item(NamedTuple):
    """One file to screen."""

    name: str  # as the user gave it; the results name the file so
    path: str  # where it is read from


def find_items(sources: list[str], lines: Iterable[str]) -> Iterator[Item]:
    """Yields the files of all sources in order, those of a folder sorted by name; a file named twice comes twice.

    sources: paths of files, folders and tables (CSV or TSV with a column `file`), patterns such as 'scans/**/*.dcm',
    or `-` for names from `lines`, one a line. Hidden files and folders inside a folder are passed over.
    Raises UsageError for a table without that column.
    """
    for source in sources:
        if source == STANDARD_INPUT:
            yield from (Item(line, line) for line in (line.rstrip("\r\n") for line in lines) if line)
        elif Path(source).is_dir():
            yield from _in_folder(source)
        elif Path(source).suffix.lower() in TABLES and Path(source).is_file():
            yield from _in_table(Path(source))
        elif glob.has_magic(source) and not Path(source).exists():
            yield from _matching(source)
        else:
            yield Item(source, source)


def count_items(sources: list[str]) -> int | None:
    """Returns how many files the sources have, None where standard input is among them. Raises as find_items does."""
    return None if STANDARD_INPUT in sources else sum(1 for _ in find_items(sources, ()))


def _in_folder(folder: str) -> Iterator[Item]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                path = os.path.join(parent, name)
                yield Item(path, path)


def _matching(pattern: str) -> Iterator[Item]:
    matches = [path for path in sorted(glob.glob(pattern, recursive=True)) if Path(path).is_file()]
    if not matches:
        raise UsageError(f"No file matches '{pattern}'.")
    yield from (Item(path, path) for path in matches)


def _in_table(table: Path) -> Iterator[Item]:
    try:
        with open(table, encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, delimiter=TABLES[table.suffix.lower()])
            if COLUMN not in (rows.fieldnames or ()):
                raise UsageError(f"The table '{table}' has no column '{COLUMN}' in its first line.")
            for row in rows:
                if name := (row[COLUMN] or "").strip():
                    yield Item(name, str(table.parent / name))
    except UnicodeDecodeError as error:
        raise UsageError(f"The table '{table}' is not UTF-8 text. Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"The table '{table}' cannot be read: {error.strerror}.") from error
