"""Calibration: temperature and biases by validation cases, the decision, the bound, and the error that is left."""

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from tosa.model.calibration import Calibration
from tosa.model.metadata import TaskMetadata
from tosa.model.text import Text, in_language
from tosa.training.head.bound import largest_score, score_floor
from tosa.training.head.decision import FEWEST, fit_shift, operating_point
from tosa.training.head.head import Head, softmax
from tosa.training.head.train_head import PRIOR_DEVIATION, cross_entropies, temperature
from tosa.training.head.views import Views
from tosa.training.metrics import Answers, calibration


def with_temperature(head: Head, views: Views, prior: np.ndarray) -> Head:
    """Returns the head with the temperature that fits the views, labels weighted to the shares `prior` (labels,)."""
    logits = head.logits(views.bottlenecks)
    return replace(head, temperature=temperature(logits, views.targets, views.weights(prior)))


def with_biases(head: Head, views: Views, prior: np.ndarray) -> Head:
    """Returns the head with the biases, and the temperature, that fit the views.

    That takes out the shares that labels had in the batches of the training, and whatever else moves all cases alike
    under handling. The weights stay. views: of all labels.
    """
    logits, weights = head.logits(views.bottlenecks).astype(np.float64), views.weights(prior)
    rows = np.arange(len(logits))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, biases = np.exp(-parameters[0]), parameters[1:]
        scaled = (logits + biases) * scale
        scores = softmax(scaled)
        slope = scores * weights[:, None]  # of the loss by the scaled logits
        slope[rows, views.targets] -= weights
        value = weights @ cross_entropies(scores, views.targets) + (parameters[0] / PRIOR_DEVIATION) ** 2 / 2
        by_temperature = -(slope * scaled).sum() + parameters[0] / PRIOR_DEVIATION**2
        return float(value), np.r_[by_temperature, slope.sum(axis=0) * scale]

    with threadpool_limits(1, "blas"):  # the same bytes on any number of cores
        found = minimize(loss, np.r_[np.log(head.temperature), np.zeros(logits.shape[1])], jac=True, method="BFGS").x
    biases = head.biases + (found[1:] - found[1:].mean())
    return with_temperature(replace(head, biases=biases.astype(np.float32)), views, prior)


def finish_head(
    head: Head,
    task: TaskMetadata,
    views: Views,
    prior: np.ndarray,
    negative: str | None = None,
    sensitivity: float | None = None,
) -> tuple[Head, TaskMetadata]:
    """Returns a head, whose temperature is fitted, with its decision and its bound, and the metadata that says so.

    prior: the share of each label, (labels,), that the scores assume before the shift of the decision; negative: the
    label that stands for health; sensitivity: that the decision must reach on the views.
    """
    groups = views.fewest_groups(len(head.labels))
    head = fit_shift(replace(head, floor=0.0), views, negative, sensitivity)
    head = replace(head, floor=score_floor(groups, len(head.labels)))
    reason = reason_not_calibrated(head, views)
    if reason:
        print(f"{head.task}: {in_language(reason)}")
    return head, replace(
        task,
        calibration=measure_calibration(head, views, prior),
        operating_point=operating_point(head, views, negative),
        calibrated=reason is None,
        uncalibrated_reason=reason,
    )


def measure_calibration(head: Head, views: Views, prior: np.ndarray) -> Calibration | None:
    """Returns the expected calibration error of a head over all views, and what its scores assume; None for no views.

    prior: the share of each label, (labels,), before the head's shift.
    """
    if not len(views.targets):
        return None
    scores = head.scores_of(views.logits_of(head))
    answers = Answers(head.task, head.labels, views.targets, scores, views.groups.tolist())
    shifted = prior * np.exp(0 if head.shift is None else head.shift)
    shares = (shifted / shifted.sum()).tolist()
    return Calibration(
        ece=round(calibration(answers)["ece"], 4),
        n=views.case_count,
        groups=views.group_count(),
        views=len(np.unique(views.names)),
        bound=round(largest_score(views.fewest_groups(len(head.labels))), 4),
        prior={label: round(share, 4) for label, share in zip(head.labels, shares, strict=True)},
        training_cases=views.training_case_count,
    )


def reason_not_calibrated(head: Head, views: Views) -> Text | None:
    """Returns why a head's scores are not calibrated, None if they are: each label needs FEWEST groups."""
    counts = [views.group_count(views.targets == column) for column in range(len(head.labels))]
    fewest = min(counts)
    if fewest >= FEWEST:
        return None
    label = head.labels[counts.index(fewest)]
    return {
        "en": f"The scores were calibrated on too few cases: those of “{label}” come from {fewest} "
        f"group{'s' * (fewest != 1)} (patients or sources), and at least {FEWEST} are needed.",
        "es": f"Las puntuaciones se calibraron con muy pocos casos: los de «{label}» vienen de {fewest} "
        f"grupo{'s' * (fewest != 1)} (pacientes o fuentes), y hacen falta al menos {FEWEST}.",
        "fr": f"Les scores ont été calibrés sur trop peu de cas\u00a0: ceux de «\u00a0{label}\u00a0» viennent de "
        f"{fewest} groupe{'s' * (fewest > 1)} (patients ou sources), et il en faut au moins {FEWEST}.",
    }
