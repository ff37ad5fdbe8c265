"""Counts and doubts about a data set, for the report and the audit."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tosa.scale.executor import prefetch
from tosa.training.data import dataset, duplicates
from tosa.training.data.contamination import Inspection
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.splits import crossing_groups
from tosa.training.files import progress


def summarize_data(
    cases: list[Case],
    skipped: SkippedFiles,
    contents: list[bytes] | None = None,
    inspection: Inspection | None = None,
) -> dict[str, Any]:
    """Returns the numbers of files and groups of each split, the sources, duplicates and skipped files, for JSON.

    contents: a hash of each case's file; without them the files are read.
    inspection: what is doubtful about the cases, which comes first.
    """
    if contents is None:
        contents = _hashes(cases)
    counts = {split: len(dataset.in_split(cases, split)) for split in dataset.SPLITS}
    sources = sorted({case.source for case in cases if case.source})
    return {
        **(inspection.findings if inspection else {}),
        "files": counts,
        "groups": {split: len({(c.task, c.group) for c in dataset.in_split(cases, split)}) for split in counts},
        "groups_in_several_splits": crossing_groups(cases),
        "sources": sources or "none named",
        **duplicates.find_duplicates(cases, contents),
        "skipped": skipped.sentences,
    }


def _hashes(cases: list[Case]) -> list[bytes]:
    """Returns the SHA-256 of each case's file."""
    with ThreadPoolExecutor() as pool:
        hashes = prefetch(pool, lambda case: hashlib.sha256(case.file.read_bytes()).digest(), cases)
        return list(progress(hashes, desc="duplicates", unit="file", total=len(cases)))
