"""Copies of a file under other names in a table of cases."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tosa.training.data.dataset import Case, Percentages
from tosa.training.data.duplicates import copies_in_other_groups
from tosa.training.data.fingerprints import marks_of

Row = dict[str, str]


def without_copies(rows: Sequence[Row], start: Path) -> list[Row]:
    """Returns the rows without copies of files of other groups, and names those on stderr.

    start: the folder from which files are named.
    """
    splits = Percentages()
    cases = [
        Case(start / row["file"], row["task"], row["label"], row["group"], splits.split_of(row["group"]))
        for row in rows
    ]
    copies = copies_in_other_groups(cases, marks_of(cases))
    for number, other in sorted(copies.items()):
        copy, kept = rows[number], rows[other]
        labels = "" if copy["label"] == kept["label"] else f", as {copy['label']} and as {kept['label']}"
        print(f"Left out '{copy['file']}', a copy of '{kept['file']}' in another group{labels}.", file=sys.stderr)
    if copies:
        counts = Counter(rows[number]["source"] for number in copies)
        named = ", ".join(f"{count} of {source}" for source, count in counts.items())
        print(f"Copies that were left out: {named}.", file=sys.stderr)
    return [row for number, row in enumerate(rows) if number not in copies]
