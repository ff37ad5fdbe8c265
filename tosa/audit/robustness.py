"""Whether an answer depends on how the file was handled: the same cases cropped, compressed, quieter, in noise...

    python -m tosa.audit.robustness cases.csv [--split validation] [--cases 150] [--graph GRAPH --labels LABELS]

Each change has a bound, and a row of the table says whether it misses it.
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from tosa.errors import RequestError, TosaError, UsageError
from tosa.inputs import audio, xray
from tosa.model.engine import native_precision
from tosa.model.network import Network
from tosa.scale.executor import prefetch
from tosa.settings import Settings
from tosa.training.data import dataset
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import decode, draw_sound
from tosa.training.data.kinds import Kind
from tosa.training.data.picture_changes import PICTURE_CHANGES, PictureChange
from tosa.training.data.sound_changes import sound_changes
from tosa.training.data.table import from_csv
from tosa.training.features.bottlenecks import BATCH
from tosa.training.files import progress
from tosa.training.packages import end_without_packages

with end_without_packages(__name__):
    from tosa.audit.robustness_rows import REFUSED, Answered, Bound, Row, Truth, changed_row, rates_row
    from tosa.training.data.handling import OTHER_SOUNDS, UNCHANGED
    from tosa.training.metrics import negative_of

CASES = 150  # of each task, the first by the hash of their names

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Draw = Callable[[np.ndarray], np.ndarray]  # what was decoded -> picture; raises RequestError if it is refused

OF_PICTURES = Bound(kept=0.97, moves=0.04)
OF_SOUNDS = Bound(kept=0.95)


def measure_robustness(network: Network, task: str, cases: list[Case]) -> dict[str, Row]:
    """Returns rates for UNCHANGED and for each change; of a change also how far they move, its bound and its misses.

    cases: of one task, all sounds or all X-rays. `kept` is the share that stays normal or stays ill; in a task without
    a label for health, the share with the same diagnosis, as `same` is. A refused case is neither kept nor right.
    """
    is_sound = cases[0].is_sound
    decoded = [decode(case) for case in cases]
    draw, bound = (_sound_drawer(network), OF_SOUNDS) if is_sound else (_picture_drawer(network), OF_PICTURES)
    truth = Truth.of(cases, network.tasks[task].labels)
    plain = _answers(network, task, decoded, draw, _unchanged)
    rows = {UNCHANGED: rates_row(truth, plain)}
    changes = _changes_of_sounds(cases, decoded) if is_sound else _changes_of_pictures()
    for name, change in progress(changes.items(), desc=f"{task}: handling", unit="change"):
        rows[name] = changed_row(truth, plain, _answers(network, task, decoded, draw, change), bound)
    return rows


def cases_to_handle(cases: list[Case], task: str, most: int = CASES) -> list[Case]:
    """Returns the cases of a task to measure, at most so many, the first by the hash of their names.

    Spectrogram pictures are left out, since no one crops or turns those. Raises UsageError where no case is left.
    """
    chosen = [case for case in cases if case.task == task and case.kind is not Kind.SPECTROGRAM]
    if not chosen:
        raise UsageError(f"Task {task} has no sound or X-ray to measure in these cases.")
    return dataset.in_order(chosen)[:most]


def missed_bounds(rows: dict[str, Row]) -> list[str]:
    """Returns a line for each reason why a row of measure_robustness misses its bound."""
    return [f"{name}: {reason}" for name, row in rows.items() for reason in row.get("misses", ())]


def _unchanged(decoded: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    return decoded


def _changes_of_pictures() -> dict[str, Change]:
    return {name: _without_randomness(change) for name, change in PICTURE_CHANGES.items()}


def _without_randomness(change: PictureChange) -> Change:
    return lambda pixels, _rng: change(pixels)


def _changes_of_sounds(cases: list[Case], decoded: list[np.ndarray]) -> dict[str, Change]:
    """Returns the changes of sounds. Mixed in is what has the label for health, so that no label becomes wrong."""
    labels = tuple(sorted({case.label for case in cases}))
    healthy = negative_of(labels)
    is_healthy = [healthy is not None and case.label == labels[healthy] for case in cases]
    others = [samples for samples, usable in zip(decoded, is_healthy, strict=True) if usable]
    return sound_changes(others[:OTHER_SOUNDS])


def _sound_drawer(network: Network) -> Draw:
    preprocessing = network.metadata.preprocessing

    def draw(samples: np.ndarray) -> np.ndarray:
        samples = soxr.resample(samples.astype(np.float32), audio.SAMPLE_RATE, preprocessing.sample_rate)
        audio.check_sound(samples, preprocessing.sample_rate)
        return draw_sound(samples, preprocessing)

    return draw


def _picture_drawer(network: Network) -> Draw:
    def draw(pixels: np.ndarray) -> np.ndarray:
        pixels = np.ascontiguousarray(pixels)
        xray.check(pixels)
        return xray.fit(pixels, network.metadata.preprocessing)

    return draw


def _answers(
    network: Network,
    task: str,
    decoded: list[np.ndarray],
    draw: Draw,
    change: Change,
) -> Answered:
    """Returns the answers to what was decoded, changed and drawn; the change's randomness depends on the case alone."""

    def drawn(number: int) -> tuple[int, np.ndarray] | None:
        try:
            return number, draw(change(decoded[number], np.random.default_rng(number)))
        except RequestError:
            return None

    columns = network.tasks[task].columns
    scores = np.zeros((len(decoded), len(network.tasks[task].labels)), np.float32)
    predicted = np.full(len(decoded), REFUSED)
    with ThreadPoolExecutor() as pool:
        pictures = filter(None, prefetch(pool, drawn, range(len(decoded))))
        while batch := list(islice(pictures, BATCH)):
            numbers = [number for number, _ in batch]
            scores[numbers] = network.run(np.stack([pixels for _, pixels in batch])).scores[:, columns]
            predicted[numbers] = scores[numbers].argmax(axis=1)
    return Answered(scores, predicted)


def print_table(task: str, rows: dict[str, Row]) -> None:
    """Prints a line for each row, and the rows that miss their bound."""
    print(f"== {task}, N={rows[UNCHANGED]['n']}")
    print(f"{'':42}{'stays':>8}{'same':>8}{'accuracy':>10}{'sensitivity':>13}{'specificity':>13}{'refused':>9}")
    for name, row in rows.items():
        cells = [_percent(row.get(key)) for key in ("kept", "same", "accuracy", "sensitivity", "specificity")]
        widths = (8, 8, 10, 13, 13)
        line = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        print(f"{name:42}{line}{row['refused']:>9}{'  misses its bound' * bool(row.get('misses'))}")
    for line in missed_bounds(rows):
        print(f"MISSED {task}, {line}")


def _percent(found: dict[str, Any] | None) -> str:
    return "" if found is None or found["value"] is None else f"{found['value']:.1%}"


def main() -> None:
    """Runs the command that the module's docstring shows."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("table", type=Path)
    flags.add_argument("--split", default="testing", choices=dataset.SPLITS)
    flags.add_argument("--cases", type=int, default=CASES, help=f"cases of each task, at most (default: {CASES})")
    flags.add_argument("--task", help="only this task (default: all of the table)")
    flags.add_argument("--graph", type=Path, help="graph file (default: the served one)")
    flags.add_argument("--labels", type=Path, help="its label file, for a graph that does not carry its labels")
    arguments, settings = flags.parse_args(), Settings()
    try:
        labels = arguments.labels if arguments.graph else settings.labels
        network = Network.load(arguments.graph or settings.graph, labels, precision=native_precision())
        cases = from_csv(arguments.table, "cough", dataset.Percentages())
        for task in dataset.labels_by_task(cases):
            if arguments.task in (None, task):
                chosen = cases_to_handle(dataset.in_split(cases, arguments.split), task, arguments.cases)
                print_table(task, measure_robustness(network, task, chosen))
    except TosaError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
