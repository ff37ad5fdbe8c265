"""The mean of the weights of several fine-tunings (a model soup, Wortsman et al., ICML 2022)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tosa.errors import UsageError
from tosa.training.trunk.fine_tuned import FineTuned


def read_average(files: Sequence[Path]) -> FineTuned:
    """Returns the mean of the weights in files of --output_weights; a file that is given twice counts twice.

    The recipe is that of the first one, with the recipes of the others as `averaged_with`. Raises UsageError where a
    file cannot be read, or is of another network, other cases, labels or preprocessing than the first one.
    """
    all_tuned = [FineTuned.read(file) for file in files]
    first = all_tuned[0]
    for file, other in zip(files[1:], all_tuned[1:], strict=True):
        if difference := _difference(first, other):
            raise UsageError(f"'{files[0]}' and '{file}' cannot be averaged, since they have {difference}.")
    if len(files) == 1:
        return first
    seen = first.seen
    for other in all_tuned[1:]:
        seen = seen.merged(other.seen)
    recipe = {**(first.metadata.recipe or {}), "averaged_with": [other.metadata.recipe for other in all_tuned[1:]]}
    return replace(
        first,
        trunk={name: _mean([tuned.trunk[name] for tuned in all_tuned]) for name in first.trunk},
        weights=_mean([tuned.weights for tuned in all_tuned]),
        biases=_mean([tuned.biases for tuned in all_tuned]),
        metadata=replace(first.metadata, recipe=recipe),
        seen=seen,
    )


def _difference(one: FineTuned, other: FineTuned) -> str | None:
    """What keeps two fine-tunings from being averaged, None if nothing does."""
    if one.columns != other.columns:
        return "other tasks or labels"
    shapes = [{name: array.shape for name, array in tuned.trunk.items()} for tuned in (one, other)]
    if shapes[0] != shapes[1]:
        return "different networks"
    if one.metadata.preprocessing != other.metadata.preprocessing:
        return "a different preprocessing, such as --geometry"
    if one.cases_sha256 != other.cases_sha256:
        return "different cases, or the same ones in other splits"
    return None


def _mean(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The mean, computed in float32, of the first array's type."""
    return np.mean([array.astype(np.float32) for array in arrays], axis=0).astype(arrays[0].dtype)
