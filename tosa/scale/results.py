"""Tables of results: a journal's records as CSV, lines of JSON, or a folder of Parquet parts. One row a finding."""

import csv
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tosa.errors import UsageError

COLUMNS = (
    "file",  # as it was given
    "task",
    "diagnosis",
    "score",
    "scores",  # a JSON object: label to probability
    "above_operating_point",  # true, false, or empty where the task has none
    "calibrated",  # false where the graph says that the task's scores are not frequencies, else empty
    "demonstration",  # true or false
    "model_sha256",
    "error",  # the refusal's code; all columns between are then empty
)
EPISODE_COLUMNS = (  # empty in the rows of findings
    "start",  # seconds of the recording
    "end",
    "peak_time",
    "peaks",
)
OF_BOOLEANS = ("above_operating_point", "calibrated", "demonstration")
BOOLEANS = {True: "true", False: "false"}
PART_ROWS = 100_000  # of a Parquet part

Row = dict[str, Any]


def rows_of(record: dict[str, Any], sha256: str) -> Iterator[Row]:
    """Yields the rows of one file: one for each finding, then one for each episode; or one with the error."""
    same = dict.fromkeys(COLUMNS + EPISODE_COLUMNS) | {"file": record["file"], "model_sha256": sha256}
    if error := record.get("error"):
        yield same | {"error": error}
        return
    for finding in record["findings"]:
        yield same | {
            "task": finding["task"],
            "diagnosis": finding["diagnosis"],
            "score": finding["score"],
            "scores": finding["scores"],
            "above_operating_point": finding.get("operating_point", {}).get("above"),
            "calibrated": finding.get("calibrated"),
            "demonstration": finding.get("demonstration", False),
        }
    for episode in record.get("episodes", ()):
        found = {name: episode[name] for name in ("task", "diagnosis", *EPISODE_COLUMNS)}
        yield same | found | {"score": episode["peak_score"], "above_operating_point": True}


def writer_for(target: Path) -> Callable[[Path, Iterable[Row], Sequence[str]], None]:
    """Returns what writes rows to a path in the format that the target's ending names. Raises UsageError on others."""
    writers = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}
    if target.suffix not in writers:
        raise UsageError(f"--out must end in {', '.join(writers)}, not '{target.name}'.")
    if target.suffix == ".parquet":
        _pyarrow()
    return writers[target.suffix]


def write_results(target: Path, rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> None:
    """Writes the columns of rows beside the target and renames them to it: a kill leaves all of them or none."""
    write = writer_for(target)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        write(folder / target.name, rows, columns)
        (folder / target.name).replace(target)
    except OSError as error:
        raise UsageError(f"Cannot write '{target}': {error.strerror}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_csv(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            scores = row["scores"] and json.dumps(row["scores"], ensure_ascii=False)
            writer.writerow(row | {"scores": scores} | {name: BOOLEANS.get(row[name]) for name in OF_BOOLEANS})


def _write_jsonl(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps({name: row[name] for name in columns}) + "\n" for row in rows)


def _write_parquet(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    pyarrow, parquet = _pyarrow()
    text, scores = pyarrow.string(), pyarrow.map_(pyarrow.string(), pyarrow.float64())
    kinds = {"score": pyarrow.float64(), "scores": scores} | dict.fromkeys(OF_BOOLEANS, pyarrow.bool_())
    kinds |= dict.fromkeys(("start", "end", "peak_time"), pyarrow.float64()) | {"peaks": pyarrow.int64()}
    schema = pyarrow.schema([(name, kinds.get(name, text)) for name in columns])
    path.mkdir()
    parts, number = iter(rows), 0
    while (part := list(islice(parts, PART_ROWS))) or number == 0:  # a table without rows has one part too
        listed = [row | {"scores": row["scores"] and list(row["scores"].items())} for row in part]
        parquet.write_table(pyarrow.Table.from_pylist(listed, schema), path / f"part-{number:05}.parquet")
        number += 1


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow, which is not installed: pip install '.[parquet]'.") from error
    return pyarrow, pyarrow.parquet
