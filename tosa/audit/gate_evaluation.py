"""What the gate refuses: real X-rays, those of a data set it never saw, those that lie down, and other pictures."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tosa.errors import NotAChestXray, RequestError, UsageError
from tosa.inputs import xray
from tosa.model.out_of_distribution import OutOfDistributionGate
from tosa.training.data.dataset import Case, SkippedFiles, in_order, in_split, labels_by_task
from tosa.training.data.prefetch import prefetch
from tosa.training.files import progress
from tosa.training.gate import fit_gate
from tosa.training.gate.synthetic_negatives import turned
from tosa.training.metrics import rate

UNSEEN = 400  # X-rays of a data set left out, at most, the first by the hash of their names
LYING = "chest X-rays on their side or upside down"


def evaluate_gate(gate: OutOfDistributionGate, cases: list[Case], others: Path) -> dict:
    """Rates of refusal by kind of picture. cases: of all splits; others: a folder of folders of other pictures."""
    xrays = [case for case in cases if not case.is_sound]
    testing = _by_source(in_split(xrays, "testing"))
    rng = np.random.default_rng(0)
    kinds = {kind.name: sorted(kind.iterdir()) for kind in sorted(others.iterdir()) if kind.is_dir()}
    upright = {source: _pictures(files) for source, files in testing.items()}
    lying = [turned(pixels, rng) for pictures in upright.values() for pixels in pictures if pixels is not None]
    return {
        "chest X-rays": {source: _rate(gate, pictures) for source, pictures in upright.items()},
        "of an unseen source": of_unseen_sources(cases),
        "others": {kind: _rate(gate, _pictures(files)) for kind, files in kinds.items()} | {LYING: _rate(gate, lying)},
    }


def of_unseen_sources(cases: list[Case]) -> dict[str, dict]:
    """The rate at which X-rays of each data set are refused by a gate that is fitted to the other data sets alone."""
    xrays = [case for case in cases if not case.is_sound]
    shown = fit_gate.gate_training_data(in_split(cases, "training"), list(labels_by_task(xrays)), SkippedFiles())
    found = {}
    for source, files in _by_source(in_order(xrays)).items():
        gate = fit_gate.fit_gate(shown.without(source))
        found[source] = _rate(gate, _pictures(files[:UNSEEN]))
    return found


def _by_source(cases: list[Case]) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for case in cases:
        files.setdefault(case.source, []).append(case.file)
    return files


def _pictures(files: list[Path]) -> list[np.ndarray | None]:
    """Each file's picture, uint8 (SIZE, SIZE, 3); None where it is refused for its size, colour or contrast."""
    with ThreadPoolExecutor() as pool:
        return list(progress(prefetch(pool, _picture, files), desc="gate", unit="picture", total=len(files)))


def _picture(file: Path) -> np.ndarray | None:
    try:
        return xray.picture(file.read_bytes())
    except NotAChestXray:
        return None
    except RequestError as error:
        raise UsageError(f"'{file}': {error}") from error


def _rate(gate: OutOfDistributionGate, pictures: Iterable[np.ndarray | None]) -> dict:
    called = np.array([pixels is None or not gate.is_in_distribution(pixels) for pixels in pictures])
    return rate(called, [str(number) for number in range(len(called))])
