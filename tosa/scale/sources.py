"""The files that a batch is asked to screen, and their content: on this machine, in S3 storage, in a DICOM archive."""

import csv
import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tosa.errors import UsageError
from tosa.scale import dicomweb, s3

STANDARD_INPUT = "-"
TABLES = {".csv": ",", ".tsv": "\t"}  # endings and their separators
COLUMN = "file"  # of a table: the path of a sound or picture, relative to the table's folder, or its address
ELSEWHERE = (s3.SCHEME, dicomweb.SCHEME)  # how addresses of files on other machines begin


class Item(NamedTuple):
    """One file to screen."""

    name: str  # as the user gave it; the results name the file so
    path: str  # where it is read from


def find_items(sources: list[str], lines: Iterable[str]) -> Iterator[Item]:
    """Yields the files of all sources in order, those of a folder sorted by name; a file named twice comes twice.

    sources: paths of files, folders and tables (CSV or TSV with a column `file`), patterns such as 'scans/**/*.dcm',
    `-` for names from `lines`, one a line, or addresses as s3.find_objects and dicomweb.find_instances take them.
    Hidden files and folders inside a folder are passed over.
    Raises UsageError for a table without that column, and for an address where nothing is found.
    """
    for source in sources:
        if source == STANDARD_INPUT:
            yield from (_named(line, line) for line in (line.rstrip("\r\n") for line in lines) if line)
        elif source.startswith(s3.SCHEME):
            yield from (Item(*found) for found in s3.find_objects(source))
        elif source.startswith(dicomweb.SCHEME):
            yield from (Item(address, address) for address in dicomweb.find_instances(source))
        elif Path(source).is_dir():
            yield from _in_folder(source)
        elif Path(source).suffix.lower() in TABLES and Path(source).is_file():
            yield from _in_table(Path(source))
        elif glob.has_magic(source) and not Path(source).exists():
            yield from _matching(source)
        else:
            yield Item(source, source)


def count_items(sources: list[str]) -> int | None:
    """Returns how many files the sources have, None where standard input or an address is among them.

    Raises as find_items does.
    """
    unknown = any(source == STANDARD_INPUT or source.startswith(ELSEWHERE) for source in sources)
    return None if unknown else sum(1 for _ in find_items(sources, ()))


def read_item(path: str, most: int) -> bytes:
    """Returns the first `most` bytes of an item's file. Raises OSError."""
    if path.startswith(s3.SCHEME):
        return s3.read_object(path, most)
    if path.startswith(dicomweb.SCHEME):
        return dicomweb.retrieve_instance(path, most)
    with open(path, "rb") as file:
        return file.read(most)


def _named(name: str, path: str) -> Item:
    """The item of a name that was given, without the keys that an address may hold."""
    return Item(s3.name_of(name) if name.startswith(s3.SCHEME) else name, path)


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
                    yield _named(name, name if name.startswith(ELSEWHERE) else str(table.parent / name))
    except UnicodeDecodeError as error:
        raise UsageError(f"The table '{table}' is not UTF-8 text. Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"The table '{table}' cannot be read: {error.strerror}.") from error
