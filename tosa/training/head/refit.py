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
from threadpoolctl import threadpool_limits

from tosa.errors import UsageError
from tosa.training.data.augmentation import Augmentation
from tosa.training.data.dataset import Case, SkippedFiles, in_split
from tosa.training.features.bottlenecks import Drawing, bottlenecks
from tosa.training.head.head import Head, softmax
from tosa.training.head.train_head import Examples, cross_entropies, temperature

DECAYS = (10, 1, 0.1, 0.01, 0.001, 0.0001)  # of the weights, the strongest first
STEPS = 500  # of L-BFGS at most


def check(heads: list[Head], cases: list[Case]) -> None:
    """Raises UsageError where a label of a head has no training case."""
    there = {(case.task, case.label) for case in in_split(cases, "training")}
    for head in heads:
        if missing := [label for label in head.labels if (head.task, label) not in there]:
            raise UsageError(f"No case of {head.task}: '{missing[0]}' is there to train on; the graph has that label.")


def fitted(
    head: Head, cases: list[Case], changed: Augmentation, network, trunk_name: str, folder: Path, problems: SkippedFiles
) -> tuple[Head, dict | None]:
    """The last layer that fits the training cases of its task, and what the graph says of it.

    It learns from each case as it came and changed once as in fine-tuning, labels weighted as there. Of the weight
    decays the strongest is taken whose cross entropy on validation cases, as they came and changed, is no more than a
    standard error above the least (the rule of Breiman et al., Classification and Regression Trees, 1984): small
    weights make less of small differences. Where the head as it was has the least, or no such case is there to tell, it
    stays, and nothing is said of it.
    """
    if not in_split(cases, "validation"):
        print(f"{head.task}: last layer left as it was, since no validation case is there to choose by.")
        return head, None
    training, validation = (
        _examples(head, in_split(cases, split), changed, network, trunk_name, folder, problems)
        for split in ("training", "validation")
    )
    return _chosen(head, training, validation)


def _examples(head: Head, cases: list[Case], changed: Augmentation, *where) -> Examples:
    """What the last layer sees of cases, as they came and changed; pictures of sounds as they came alone."""
    drawings = [Drawing(case) for case in cases]
    drawings += [Drawing(case, changed) for case in cases if not case.is_drawn]
    made = bottlenecks(drawings, *where)
    targets = [head.labels.index(drawing.case.label) for drawing in made.drawings]
    return Examples(made.values, np.array(targets, dtype=np.int64))


def _chosen(head: Head, training: Examples, validation: Examples) -> tuple[Head, dict | None]:
    weights = 1 / np.sqrt(np.bincount(training.targets))[training.targets]
    with threadpool_limits(1, "blas"):  # the same graph on any number of cores
        found = {None: head} | {decay: _with_decay(head, training, weights, decay) for decay in DECAYS}
        losses = {decay: _losses(candidate, validation) for decay, candidate in found.items()}
    means = {decay: loss.mean() for decay, loss in losses.items()}
    best = min(means, key=means.get)
    if best is not None:
        above = {decay: losses[decay] - losses[best] for decay in DECAYS}
        best = next(decay for decay in DECAYS if above[decay].mean() <= above[decay].std() / len(above[decay]) ** 0.5)
    how = "left as it was" if best is None else f"fitted anew with weight decay {best:g}"
    print(f"{head.task}: last layer {how}, validation cross entropy {means[None]:.3f} -> {means[best]:.3f}.")
    if best is None:
        return head, None
    return found[best], {
        "decay": best,
        "bottlenecks": len(training.targets),
        "validation_bottlenecks": len(validation.targets),
        "cross_entropy": [round(float(means[None]), 4), round(float(means[best]), 4)],
    }


def _with_decay(head: Head, training: Examples, weights: np.ndarray, decay: float) -> Head:
    strength = 1 / (decay * len(training.targets))  # scikit-learn adds losses up where others take their mean
    model = LogisticRegression(C=strength, max_iter=STEPS)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # validation tells what it is worth
        model.fit(head.features(training.bottlenecks), training.targets, sample_weight=weights / weights.mean())
    columns, biases = model.coef_.T, model.intercept_
    if len(head.labels) == 2:  # for which it has the second label's logit alone
        columns, biases = np.hstack([-columns, columns]) / 2, np.array([-biases[0], biases[0]]) / 2
    return replace(head, weights=columns.astype(np.float32), biases=biases.astype(np.float32), temperature=1.0)


def _losses(head: Head, examples: Examples) -> np.ndarray:
    """Cross entropy (n,) of each example, at the temperature that calibration would give."""
    logits = head.logits(examples.bottlenecks)
    scores = softmax(logits / np.float32(temperature(logits, examples.targets)))
    return cross_entropies(scores, examples.targets)
