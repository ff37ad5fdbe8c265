"""Fit the last layers anew to a trunk that no longer changes.

Fine-tuning leaves them as its last batches did: of pictures that were all changed, with smoothed labels and a part of
each bottleneck hidden. What fits the finished trunk is another last layer, and a better one, most of all where the
classes differ in more than the disease (Kirichenko et al., "Last Layer Re-Training is Sufficient for Robustness to
Spurious Correlations", ICLR 2023).
"""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from ..errors import UsageError
from .augment import Augmentation
from .bottlenecks import Drawing, bottlenecks
from .dataset import Case, Problems, in_split
from .export import Head
from .head import Examples, measure, temperature

DECAYS = (0.1, 0.01, 0.001, 0.0001)  # of the weights, tried in turn
STEPS = 500  # of L-BFGS at most


def fitted(
    head: Head, cases: list[Case], network, trunk_name: str, folder: Path, problems: Problems
) -> tuple[Head, dict]:
    """The last layer that fits the training cases of its task, and what the graph says of it.

    It learns from each case as it came and changed once as in fine-tuning, labels weighted as there. Of several weight
    decays and the head as it was, the one with the least cross entropy is taken on validation cases, as they came and
    changed. Without such cases it is the head as it was. Raises UsageError where a label has no training case.
    """
    changed = Augmentation(in_split(cases, "training"))
    training, validation = (
        _examples(head, in_split(cases, split), changed, network, trunk_name, folder, problems)
        for split in ("training", "validation")
    )
    counts = np.bincount(training.targets, minlength=len(head.labels))
    if missing := [label for label, count in zip(head.labels, counts) if not count]:
        raise UsageError(f"No case of {head.task}: '{missing[0]}' is there to train on; the graph has that label.")
    weights = 1 / np.sqrt(counts)[training.targets]
    found = {None: head} | {decay: _with_decay(head, training, weights, decay) for decay in DECAYS}
    losses = {decay: _loss(candidate, validation) for decay, candidate in found.items()}
    best = min(losses, key=losses.get)
    how = "left as it was" if best is None else f"fitted anew with weight decay {best:g}"
    print(f"{head.task}: last layer {how}, validation cross entropy {losses[None]:.3f} -> {losses[best]:.3f}.")
    known = {"decay": best, "cross_entropy": [round(losses[None], 4), round(losses[best], 4)]}
    return found[best], known | {"cases": len(training.targets), "validation_cases": len(validation.targets)}


def _examples(head: Head, cases: list[Case], changed: Augmentation, *where) -> Examples:
    """What the last layer sees of cases, as they came and changed."""
    drawings = [Drawing(case, change) for change in (None, changed) for case in cases]
    made = bottlenecks(drawings, *where)
    targets = [head.labels.index(drawing.case.label) for drawing in made.drawings]
    return Examples(made.values, np.array(targets, dtype=np.int64))


def _with_decay(head: Head, training: Examples, weights: np.ndarray, decay: float) -> Head:
    strength = 1 / (decay * len(training.targets))  # scikit-learn adds losses up where others take their mean
    model = LogisticRegression(C=strength, max_iter=STEPS)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # validation tells what it is worth
        model.fit(head.features(training.bottlenecks), training.targets, sample_weight=weights / weights.mean())
    columns, biases = model.coef_.T, model.intercept_
    if len(head.labels) == 2:  # for which it has the second label's logit alone
        columns, biases = np.hstack([-columns, columns]) / 2, np.array([-biases[0], biases[0]]) / 2
    return replace(head, weights=columns.astype(np.float32), biases=biases.astype(np.float32), temperature=1.0)


def _loss(head: Head, examples: Examples) -> float:
    """Cross entropy at the temperature that fits best; 0 for no cases."""
    logits = head.logits(examples.bottlenecks)
    scale = np.float32(temperature(logits, examples.targets))
    calibrated = replace(head, weights=head.weights / scale, biases=head.biases / scale)
    return measure(calibrated, examples.bottlenecks, examples.targets)[1]
