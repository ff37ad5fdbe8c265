"""Fit the gate for pictures to the training X-rays, so that nearly all validation X-rays pass."""

from dataclasses import asdict, dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ..familiarity import PREFIX, Familiarity
from ..graph import Graph

DIRECTIONS = 128  # of the bottleneck, at most
THUMBNAIL_DIRECTIONS = 16
CASES = 1000  # to train on of each task, at most: adults then count beside ten times as many children
CASES_A_DIRECTION = 8  # at least; with fewer the deviations are made up
TURNED = 500  # X-rays of each task, about
PENALTY = 100.0  # on the squared weights that tell them; bottlenecks have more numbers than there are cases
PASSING = 0.97  # of each task's X-rays at least; in that with the strangest, so of the others nearly all


@dataclass(frozen=True)
class Seen:
    """Bottlenecks float32 (n, d) and thumbnails float32 (n, p) of the pictures of one task in one split."""

    bottlenecks: np.ndarray
    thumbnails: np.ndarray


def fit(training: list[Seen], validation: list[Seen], turned: np.ndarray) -> dict[str, np.ndarray]:
    """The gate's constants by their names in the graph.

    training, validation: one Seen a task, CASES at most; turned: bottlenecks, float32 (n, d), of training X-rays that do
    not stand upright.
    """
    bottlenecks = np.concatenate([seen.bottlenecks for seen in training])
    thumbnails = np.concatenate([seen.thumbnails for seen in training])
    mean, basis, deviations = _main_directions(bottlenecks, DIRECTIONS)
    thumbnail_mean, thumbnail_basis, _ = _main_directions(thumbnails, THUMBNAIL_DIRECTIONS)
    nothing, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    known = (mean, basis, deviations, thumbnail_mean, thumbnail_basis)
    gate = Familiarity(*known, nothing, one, np.float32(0), *_told_apart(bottlenecks, turned))
    logs = gate.log_distances(bottlenecks, thumbnails)
    gate = Familiarity(**{**asdict(gate), "centre": logs.mean(axis=0), "scale": logs.std(axis=0)})
    strange = [gate.strangeness(seen.bottlenecks, seen.thumbnails) for seen in validation if len(seen.bottlenecks)]
    limit = max(np.quantile(each, PASSING) for each in strange or [gate.strangeness(bottlenecks, thumbnails)])
    stored = {name: np.asarray(value, np.float32) for name, value in {**asdict(gate), "limit": limit}.items()}
    stored |= {name: stored[name].astype(np.float16) for name in ("basis", "thumbnail_basis")}  # half the size
    return {PREFIX + name: value for name, value in stored.items()}


def _told_apart(upright: np.ndarray, turned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d,) and bias () of the log odds of being turned, by logistic regression; both kinds weigh alike."""
    scaler = StandardScaler().fit(np.concatenate([upright, turned]))
    values = scaler.transform(np.concatenate([upright, turned]))
    model = LogisticRegression(C=1 / PENALTY, class_weight="balanced", max_iter=1000)
    with threadpool_limits(1, "blas"):  # the same bytes on any number of cores
        model.fit(values, np.repeat([0, 1], [len(upright), len(turned)]))
    weights = model.coef_[0] / scaler.scale_
    return weights, model.intercept_[0] - weights @ scaler.mean_


def constants(graph: Graph) -> dict[str, np.ndarray]:
    """The gate of a graph by the names of its constants, none without one."""
    return {name: value for name, value in graph.extras().items() if name.startswith(PREFIX)}


def _main_directions(values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (d,), the first principal directions (k, d) and the deviations along them (k,) of values (n, d)."""
    mean = values.mean(axis=0)
    _, lengths, directions = np.linalg.svd(values - mean, full_matrices=False)
    kept = min(most, max(len(values) // CASES_A_DIRECTION, 1), int((lengths > lengths[0] * 1e-5).sum()))
    return mean, directions[:kept], np.maximum(lengths[:kept] / np.sqrt(len(values)), 1e-6)
