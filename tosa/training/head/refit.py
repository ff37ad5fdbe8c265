"""The last layer after training: unchanged, with new biases, or refitted to the finished trunk.

Fine-tuning leaves it as its last batches did, of pictures that were all changed, with the shares that labels had there.
Another layer may fit the finished trunk better (Kirichenko et al., "Last Layer Re-Training is Sufficient for Robustness
to Spurious Correlations", ICLR 2023), but one that is chosen on clean cases of the same sources brings back what the
training took out: the shape of a picture, the microphone of a recording. So candidates are compared where they are
worst: under the worst handling, and on a source that was left out.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tosa.errors import UsageError
from tosa.training.data.dataset import Case, in_split
from tosa.training.data.handling import UNCHANGED
from tosa.training.head.calibration import with_biases, with_temperature
from tosa.training.head.decision import FEWEST
from tosa.training.head.head import Head
from tosa.training.head.train_head import cross_entropies
from tosa.training.head.views import Views, healthy_column

DECAYS = (10, 1, 0.1, 0.01, 0.001)  # weight decay, the largest first
STEPS = 200  # of L-BFGS at most
LARGEST_SOURCES = 4  # that are left out in turn, at most
MIN_SOURCE = 10  # cases of a source that is left out, at least
SAME = 1e-3  # nats; a smaller gain is no reason to change a layer
KEPT, BIASES = "unchanged layer", "biases fitted"

Fit = Callable[[Views, Views | None], Head]  # (validation views, training views if it needs them) -> the fitted head


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A last layer, and its losses."""

    name: str
    head: Head
    by_view: np.ndarray  # loss of each view of the validation cases, (m,)
    handling: dict[str, float]  # mean loss by how the cases were handled
    left_out: dict[str, float]  # mean loss on each source, if the fit does not know it

    @property
    def worst_handling(self) -> str:
        return max(self.handling, key=lambda name: self.handling[name])

    @property
    def worst(self) -> float:
        """The mean of the worst handling and, if one can be left out, of the worst source."""
        worst = [max(losses.values()) for losses in (self.handling, self.left_out) if losses]
        return sum(worst) / len(worst)


def check_training_labels(heads: Sequence[Head], cases: Sequence[Case]) -> None:
    """Raises UsageError where a label of a head has no training case."""
    trained = {(case.task, case.label) for case in in_split(cases, "training")}
    for head in heads:
        if missing := [label for label in head.labels if (head.task, label) not in trained]:
            raise UsageError(
                f"The graph's task {head.task} has the label '{missing[0]}', but no training case has it. Add cases."
            )


def choose_last_layer(
    head: Head, prior: np.ndarray, validation: Views, training: Views | None, negative: str | None = None
) -> tuple[Head, dict[str, Any] | None]:
    """Returns the head with the best last layer and a fitted temperature, and what the graph says of it; prints both.

    Candidates: the unchanged layer; with biases fitted, if each label has FEWEST groups; and, if there are training
    views, layers fitted to them with several weight decays. Fitted biases replace the unchanged layer if they lower the
    mean loss, since only with them the scores assume the shares that the graph states. A layer that is refitted is
    taken if its worst loss is lower than that by more than a standard error.

    The loss is the cross entropy of the labels and, with more than two, of ill or healthy, labels weighted to `prior`
    (labels,). What is said of the layer is None if it is unchanged.
    """
    if validation.fewest_groups(len(head.labels)) == 0:
        print(f"{head.task}: last layer unchanged, since validation does not have cases of all its labels.")
        return with_temperature(head, validation, prior), None
    judge = _Judge(head, prior, validation, training, healthy_column(head.labels, negative))
    chosen = before = judge.candidate(KEPT, lambda known, _: with_temperature(head, known, prior))
    table = [before]
    if validation.fewest_groups(len(head.labels)) >= FEWEST:
        fitted = judge.candidate(BIASES, lambda known, _: with_biases(head, known, prior))
        table.append(fitted)
        chosen = fitted if judge.mean(before.by_view - fitted.by_view) > SAME else before
    if training is not None:
        refits = [judge.refit(decay) for decay in DECAYS]
        table += refits
        best = min(refits, key=lambda each: each.worst)
        chosen = best if chosen.worst - best.worst > max(judge.standard_error(chosen, best), SAME) else chosen
    _print_table(head.task, table, chosen)
    return chosen.head, None if chosen is before else judge.record(before, chosen)


@dataclass(frozen=True, eq=False)
class _Judge:
    """Fits and measures the candidates of one head."""

    head: Head
    prior: np.ndarray
    validation: Views
    training: Views | None
    healthy: int | None

    def candidate(self, name: str, fit: Fit) -> _Candidate:
        """Returns the head that `fit` makes of all views, with its losses."""
        head = fit(self.validation, self.training)
        by_view, weights = self._losses(head, self.validation), self.validation.weights(self.prior)
        handling = {
            str(way): float(np.average(by_view[rows], weights=weights[rows]))
            for way in np.unique(self.validation.names)
            for rows in [self.validation.names == way]
        }
        left_out = {}
        for source in self._sources():
            training = self.training and self.training.without(source)
            of_source = self.validation.take(self.validation.sources == source)
            losses = self._losses(fit(self.validation.without(source), training), of_source)
            left_out[source] = float(np.average(losses, weights=of_source.weights(self.prior)))
        return _Candidate(name, head, by_view, handling, left_out)

    def refit(self, decay: float) -> _Candidate:
        """Returns the candidate that is fitted to the training views with this weight decay."""

        def fit(validation: Views, training: Views | None) -> Head:
            if training is None:
                raise ValueError("a last layer is fitted to training views")
            fitted = with_decay(self.head, training, training.weights(self.prior), decay)
            enough = validation.fewest_groups(len(self.head.labels)) >= FEWEST
            return (with_biases if enough else with_temperature)(fitted, validation, self.prior)

        return self.candidate(f"weight decay {decay:g}", fit)

    def _losses(self, head: Head, views: Views) -> np.ndarray:
        """Loss (m,) of each view: cross entropy of its label and, among more than two, of whether it is ill."""
        scores = head.scores(views.bottlenecks)
        losses = cross_entropies(scores, views.targets)
        if self.healthy is None or len(head.labels) == 2:
            return losses
        healthy = scores[:, self.healthy]
        of_side = np.where(views.targets == self.healthy, healthy, 1 - healthy)
        return losses - np.log(np.maximum(of_side, 1e-12))

    def _sources(self) -> list[str]:
        """The largest sources of several labels without which there are still cases of all labels to fit to."""
        labels, usable = len(self.head.labels), {}
        for source in np.unique(self.validation.sources):
            own = self.validation.take(self.validation.sources == source)
            rest = [views.without(source) for views in (self.validation, self.training) if views is not None]
            has_all = min(views.fewest_groups(labels) for views in rest) >= FEWEST
            if has_all and len(np.unique(own.targets)) > 1 and own.case_count >= MIN_SOURCE:
                usable[str(source)] = own.case_count
        return sorted(usable, key=lambda name: -usable[name])[:LARGEST_SOURCES]

    def mean(self, by_view: np.ndarray) -> float:
        """Returns the weighted mean of a value of each view, (m,)."""
        return float(np.average(by_view, weights=self.validation.weights(self.prior)))

    def standard_error(self, one: _Candidate, other: _Candidate) -> float:
        """Of the difference of two losses under their worst handlings; a case counts once, with its mean difference."""
        weights, files = self.validation.weights(self.prior), self.validation.files
        _, case = np.unique(files, return_inverse=True)
        losses = []
        for each in (one, other):
            rows = self.validation.names == each.worst_handling
            total = np.bincount(case[rows], weights[rows], case.max() + 1)
            losses.append(
                np.bincount(case[rows], (weights * each.by_view)[rows], case.max() + 1) / np.maximum(total, 1e-12)
            )
        per_case = np.bincount(case, weights)
        difference = losses[0] - losses[1]
        spread = np.average(np.square(difference - np.average(difference, weights=per_case)), weights=per_case)
        return float(np.sqrt(spread / weights.sum()))

    def record(self, before: _Candidate, chosen: _Candidate) -> dict[str, Any]:
        """Returns what a graph says of a fitted last layer."""
        decay = chosen.name.removeprefix("weight decay ") if chosen.name != BIASES else None
        return {
            "layer": chosen.name,
            **({"decay": float(decay)} if decay else {}),
            "bottlenecks": 0 if self.training is None or not decay else len(self.training.targets),
            "validation_bottlenecks": len(self.validation.targets),
            "worst_handling": [before.worst_handling, chosen.worst_handling],
            "cross_entropy": [round(each.handling[each.worst_handling], 4) for each in (before, chosen)],
        }


def with_decay(head: Head, training: Views, weights: np.ndarray, decay: float) -> Head:
    """Returns the head with a last layer fitted to weighted training views by logistic regression."""
    strength = 1 / (decay * len(training.targets))  # scikit-learn sums losses; others take their mean
    model = LogisticRegression(C=strength, max_iter=STEPS)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning), threadpool_limits(1, "blas"):
        model.fit(head.features(training.bottlenecks), training.targets, sample_weight=weights / weights.mean())
    columns, biases = model.coef_.T, model.intercept_
    if len(head.labels) == 2:  # scikit-learn has only the second label's logit
        columns, biases = np.hstack([-columns, columns]) / 2, np.array([-biases[0], biases[0]]) / 2
    return replace(head, weights=columns.astype(np.float32), biases=biases.astype(np.float32), temperature=1.0)


def _print_table(task: str, table: Sequence[_Candidate], chosen: _Candidate) -> None:
    print(f"{task}: last layer by cross entropy on validation cases under handling")
    print(f"  {'':22}{UNCHANGED:>12}{'mean':>8}{'worst':>8}  worst handling{'left out':>30}  worst source left out")
    for each in table:
        mean = sum(each.handling.values()) / len(each.handling)
        source = max(each.left_out, key=lambda name: each.left_out[name], default="")
        loss = f"{each.left_out[source]:.3f}" if source else "-"
        line = f"  {each.name:22}{each.handling[UNCHANGED]:>12.3f}{mean:>8.3f}{max(each.handling.values()):>8.3f}  "
        print(f"{line}{each.worst_handling:34}{loss:>10}  {source}{'   <- taken' * (each is chosen)}")
    verb = "unchanged" if chosen is table[0] else f"refitted: {chosen.name}"
    print(f"{task}: last layer {verb}.")
