"""Last-layer retraining: fit the last layers anew to a trunk that no longer changes.

Fine-tuning leaves them as its last batches did: of pictures that were all changed, with smoothed labels and a part of
each bottleneck dropped. Another last layer fits the finished trunk better, most of all where the classes differ in more
than the disease (Kirichenko et al., "Last Layer Re-Training is Sufficient for Robustness to Spurious Correlations",
ICLR 2023).
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tosa.errors import UsageError
from tosa.training.data.augmentation import Augmentation
from tosa.training.data.dataset import Case, SkippedFiles, in_split
from tosa.training.data.kinds import Kind
from tosa.training.features.bottlenecks import Drawing, FeatureExtractor
from tosa.training.head.examples import Examples
from tosa.training.head.head import Head, softmax
from tosa.training.head.train_head import cross_entropies, temperature

DECAYS = (10, 1, 0.1, 0.01, 0.001, 0.0001)  # weight decay, the largest first
STEPS = 500  # of L-BFGS at most


def check_training_labels(heads: Sequence[Head], cases: Sequence[Case]) -> None:
    """Raises UsageError where a label of a head has no training case."""
    trained = {(case.task, case.label) for case in in_split(cases, "training")}
    for head in heads:
        if missing := [label for label in head.labels if (head.task, label) not in trained]:
            raise UsageError(
                f"The graph's task {head.task} has the label '{missing[0]}', but no training case has it. Add cases."
            )


def refit_head(
    head: Head,
    cases: Sequence[Case],
    augmentation: Augmentation,
    extractor: FeatureExtractor,
    skipped: SkippedFiles,
) -> tuple[Head, dict[str, Any] | None]:
    """Returns the head with the last layer that fits the training cases of its task, and what the graph says of it.

    It learns from each case as it is and changed once as in fine-tuning, with labels weighted as there. Of the weight
    decays it takes the largest whose cross entropy on validation cases, unchanged and changed, is within one standard
    error of the lowest (Breiman et al., Classification and Regression Trees, 1984): small weights make less of small
    differences. If the head as it was is no worse than that one, or there are no validation cases, it is returned with
    None.
    """
    if not in_split(cases, "validation"):
        print(f"{head.task}: last layer left as it was, since there are no validation cases to choose by.")
        return head, None
    training, validation = (
        _examples(head, in_split(cases, split), augmentation, extractor, skipped)
        for split in ("training", "validation")
    )
    return _chosen(head, training, validation)


def _examples(
    head: Head,
    cases: Sequence[Case],
    augmentation: Augmentation,
    extractor: FeatureExtractor,
    skipped: SkippedFiles,
) -> Examples:
    """What the last layer sees of cases, unchanged and changed; pictures of sounds are only taken unchanged."""
    drawings = [Drawing(case) for case in cases]
    drawings += [Drawing(case, augmentation) for case in cases if case.kind is not Kind.SPECTROGRAM]
    made = extractor.bottlenecks(drawings, skipped)
    targets = [head.labels.index(drawing.case.label) for drawing in made.drawings]
    return Examples(made.values, np.array(targets, dtype=np.int64))


def _chosen(head: Head, training: Examples, validation: Examples) -> tuple[Head, dict[str, Any] | None]:
    weights = 1 / np.sqrt(np.bincount(training.targets))[training.targets]
    with threadpool_limits(1, "blas"):  # the same graph on any number of cores
        heads = {decay: _with_decay(head, training, weights, decay) for decay in DECAYS}
        losses = {decay: _losses(fitted, validation) for decay, fitted in heads.items()}
        loss_before = float(_losses(head, validation).mean())
    means = {decay: float(loss.mean()) for decay, loss in losses.items()}
    lowest = min(means, key=lambda decay: means[decay])
    above = {decay: losses[decay] - losses[lowest] for decay in DECAYS}
    chosen = next(decay for decay in DECAYS if above[decay].mean() <= above[decay].std() / len(above[decay]) ** 0.5)
    if loss_before <= means[chosen]:  # as it is when the head was fitted to the same cases before
        print(f"{head.task}: last layer left as it was, validation cross entropy {loss_before:.3f}.")
        return head, None
    print(
        f"{head.task}: last layer fitted anew with weight decay {chosen:g}, validation cross entropy "
        f"{loss_before:.3f} -> {means[chosen]:.3f}."
    )
    return heads[chosen], {
        "decay": chosen,
        "bottlenecks": len(training.targets),
        "validation_bottlenecks": len(validation.targets),
        "cross_entropy": [round(loss_before, 4), round(means[chosen], 4)],
    }


def _with_decay(head: Head, training: Examples, weights: np.ndarray, decay: float) -> Head:
    strength = 1 / (decay * len(training.targets))  # scikit-learn sums losses; others take their mean
    model = LogisticRegression(C=strength, max_iter=STEPS)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # validation judges the result
        model.fit(head.features(training.bottlenecks), training.targets, sample_weight=weights / weights.mean())
    columns, biases = model.coef_.T, model.intercept_
    if len(head.labels) == 2:  # scikit-learn has only the second label's logit
        columns, biases = np.hstack([-columns, columns]) / 2, np.array([-biases[0], biases[0]]) / 2
    return replace(head, weights=columns.astype(np.float32), biases=biases.astype(np.float32), temperature=1.0)


def _losses(head: Head, examples: Examples) -> np.ndarray:
    """Cross entropy (n,) of each example, at the temperature that calibration would give."""
    logits = head.logits(examples.bottlenecks)
    scores = softmax(logits / np.float32(temperature(logits, examples.targets)))
    return cross_entropies(scores, examples.targets)
