"""Logits of training cases by heads that do not know them: what small data is calibrated on beside its validation."""

import contextlib
import io
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from tosa.training.head.decision import FEWEST
from tosa.training.head.examples import Examples
from tosa.training.head.head import Head
from tosa.training.head.train_head import HeadRecipe, train_head
from tosa.training.head.views import Views

FOLDS = 5


def calibration_views(head: Head, validation: Views, training: Views, recipe: HeadRecipe) -> Views:
    """Returns what a head that was trained on `training` is calibrated on.

    These are the validation views if each label has FEWEST groups there. Else they are the training views too, with the
    logits of heads that do not know them, so that a handful of cases decides nothing.
    """
    labels = len(head.labels)
    if validation.fewest_groups(labels) >= FEWEST:
        return validation
    examples = Examples(training.bottlenecks, training.targets)
    logits, answered = out_of_fold_logits(head.task, head.labels, examples, training.groups.tolist(), recipe)
    if not answered.any():
        return validation
    print(
        f"{head.task}: validation has fewer than {FEWEST} groups of some label, too few to calibrate on. So training "
        f"cases are used too; {FOLDS} heads are trained, and each case is answered by one that did not see its group."
    )
    return validation.with_logits(head.logits(validation.bottlenecks), training.take(answered), logits)


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
