"""What the gate refuses: real X-rays, as they came and cropped, those of an unseen data set, and other pictures."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tosa.errors import NotAChestXray, RequestError, UsageError
from tosa.inputs import xray
from tosa.model.out_of_distribution import OutOfDistributionGate
from tosa.preprocessing import Preprocessing
from tosa.scale.executor import prefetch
from tosa.training.data.dataset import Case, SkippedFiles, in_order, in_split, labels_by_task
from tosa.training.data.kinds import Kind
from tosa.training.data.picture_changes import SIDES, PictureChange, crop
from tosa.training.files import progress
from tosa.training.gate import fit_gate, synthetic_negatives
from tosa.training.metrics import rate

UNSEEN_CASES = 400  # X-rays of a data set left out, at most, the first by the hash of their names
CROPPED_CASES = 400  # X-rays that are cropped, at most
MADE_CASES = 200  # X-rays of which each kind of synthetic negative is made, at most
LYING = "chest X-rays on their side or upside down"

DEFAULT = Preprocessing()

Pictures = list[np.ndarray | None]  # uint8 (size, size, 3); None where refused for size, color or contrast


def evaluate_gate(
    gate: OutOfDistributionGate, cases: list[Case], others: Path, preprocessing: Preprocessing = DEFAULT
) -> dict[str, Any]:
    """Returns the rates of refusal by kind of picture.

    cases: of all splits; others: a folder that holds a folder for each kind of picture that is not a chest X-ray.
    """
    testing = in_order(in_split([case for case in cases if case.kind is Kind.XRAY], "testing"))
    upright = {source: _pictures(files, preprocessing) for source, files in _by_source(testing).items()}
    judged = [pixels for pictures in upright.values() for pixels in pictures if pixels is not None]
    rng = np.random.default_rng(0)
    lying = [synthetic_negatives.turned(pixels, rng) for pixels in judged]
    kinds = {kind.name: sorted(kind.iterdir()) for kind in sorted(others.iterdir()) if kind.is_dir()}
    of_kinds = {kind: _refused(gate, _pictures(files, preprocessing)) for kind, files in kinds.items()}
    return {
        "chest X-rays": {source: _refused(gate, pictures) for source, pictures in upright.items()},
        "cropped": of_cropped(gate, [case.file for case in testing[:CROPPED_CASES]], preprocessing),
        "of an unseen source": of_unseen_sources(cases, preprocessing),
        "others": of_kinds | {LYING: _refused(gate, lying)},
        "made of chest X-rays": of_synthetic_negatives(gate, judged[:MADE_CASES]),
    }


def of_cropped(
    gate: OutOfDistributionGate, files: list[Path], preprocessing: Preprocessing = DEFAULT
) -> dict[str, dict[str, Any]]:
    """Returns the rate at which X-rays are refused of which 12 % are cut off, by where."""
    changes = {f"12 % cut off {name}": crop(*(0.12 * side for side in sides)) for name, sides in SIDES.items()}
    return {name: _refused(gate, _pictures(files, preprocessing, change)) for name, change in changes.items()}


def of_synthetic_negatives(gate: OutOfDistributionGate, xrays: list[np.ndarray]) -> dict[str, dict[str, Any]]:
    """Returns the rate at which each kind of synthetic negative is refused; they are made from testing X-rays."""
    ways = {way.__name__.replace("_", " "): way for way in synthetic_negatives.WAYS}
    rng = np.random.default_rng(1)
    return {name: _refused(gate, [way(pixels, rng) for pixels in xrays]) for name, way in ways.items()}


def of_unseen_sources(cases: list[Case], preprocessing: Preprocessing = DEFAULT) -> dict[str, dict[str, Any]]:
    """Returns the rate at which X-rays of each data set are refused by a gate that was fitted to the others alone."""
    xrays = [case for case in cases if case.kind is Kind.XRAY]
    tasks, training = list(labels_by_task(xrays)), in_split(cases, "training")
    training_data = fit_gate.gate_training_data(training, tasks, SkippedFiles(), preprocessing)
    refused = {}
    for source, files in _by_source(in_order(xrays)).items():
        gate = fit_gate.fit_gate(training_data.without(source))
        refused[source] = _refused(gate, _pictures(files[:UNSEEN_CASES], preprocessing))
    return refused


def _by_source(cases: list[Case]) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for case in cases:
        files.setdefault(case.source, []).append(case.file)
    return files


def _pictures(files: list[Path], preprocessing: Preprocessing, change: PictureChange | None = None) -> Pictures:
    """Returns each file's picture as serving has it, with its pixels changed before where a change is given."""

    def picture(file: Path) -> np.ndarray | None:
        try:
            if not change:
                return xray.picture(file.read_bytes(), preprocessing)
            pixels = np.ascontiguousarray(change(xray.decode(file.read_bytes())))
            xray.check(pixels)
        except NotAChestXray:
            return None
        except RequestError as error:
            raise UsageError(f"'{file}': {error}") from error
        return xray.fit(xray.gray(pixels), preprocessing)

    with ThreadPoolExecutor() as pool:
        return list(progress(prefetch(pool, picture, files), desc="gate", unit="picture", total=len(files)))


def _refused(gate: OutOfDistributionGate, pictures: Iterable[np.ndarray | None]) -> dict[str, Any]:
    called = np.array([pixels is None or not gate.is_in_distribution(pixels) for pixels in pictures], bool)
    return rate(called, [str(number) for number in range(len(called))])
