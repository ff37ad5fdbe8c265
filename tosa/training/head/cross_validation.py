"""Logits of training cases by heads that do not know them: what small data is calibrated on beside its validation."""

import contextlib
import io
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from tosa.training.head.examples import Examples
from tosa.training.head.train_head import HeadRecipe, train_head

FOLDS = 5


def out_of_fold_logits(
    task: str, labels: Sequence[str], training: Examples, groups: Sequence[str], recipe: HeadRecipe
) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits float32 (n, labels) of training examples, and which n of them, bool (m,), have any.

    Each of FOLDS heads is trained with the same recipe without the groups that it then answers. There are no more folds
    than the label with the fewest groups has groups; with less than two there are no logits.
    """
    logits = np.zeros((len(training.targets), len(labels)), np.float32)
    answered = np.zeros(len(training.targets), bool)
    names = np.asarray(groups)
    fewest = min(len(np.unique(names[training.targets == column])) for column in range(len(labels)))
    if fewest < 2:
        return logits[:0], answered
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=0)
    nothing = Examples(training.bottlenecks[:0], training.targets[:0])
    for known, unknown in folds.split(training.bottlenecks, training.targets, names):
        if len(np.unique(training.targets[known])) < len(labels):
            continue
        examples = Examples(training.bottlenecks[known], training.targets[known])
        with contextlib.redirect_stdout(io.StringIO()):  # the classic's log is of the head that is kept
            head = train_head(task, labels, examples, nothing, recipe, lambda *_, **__: None)
        logits[unknown], answered[unknown] = head.logits(training.bottlenecks[unknown]), True
    return logits[answered], answered
