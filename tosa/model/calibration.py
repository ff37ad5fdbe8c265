"""How a task's scores were calibrated, and its operating point, as a graph states them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from tosa.model.json_fields import JsonFields, present


@dataclass(frozen=True)
class Calibration:
    """How far a task's scores are from frequencies, and what they assume. Older graphs have only the first two."""

    ece: float  # expected calibration error, in [0, 1]
    n: int  # cases that it was measured on
    groups: int | None = None  # patients or sources of these cases
    views: int | None = None  # pictures of each case: unchanged, and handled in several ways
    bound: float | None = None  # the largest score that so many cases support
    prior: Mapping[str, float] = field(default_factory=dict)  # share of each label that the scores assume, by label
    training_cases: int | None = None  # of the n, each answered by a last layer that was trained without its group

    @classmethod
    def read(cls, held: JsonFields | None) -> Self | None:
        """Returns what `to_dict` wrote, None for None. Raises ValueError, which names the field, on a wrong type."""
        if held is None:
            return None
        prior = held.take("prior", dict) or {}
        if not all(isinstance(share, float | int) for share in prior.values()):
            raise held.error("prior", prior)
        return cls(
            ece=float(held.need("ece", int, float)),
            n=held.need("n", int),
            groups=held.take("groups", int),
            views=held.take("views", int),
            bound=held.take("bound", float),
            prior=prior,
            training_cases=held.take("training_cases", int),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the calibration for JSON; a field that is not set is left out."""
        return present(asdict(self))


@dataclass(frozen=True)
class OperatingPoint:
    """The summed score of some labels from which a case counts as ill, and what that gave on calibration's cases."""

    labels: tuple[str, ...]  # whose scores are summed
    threshold: float
    sensitivity: float  # over all views of the cases
    specificity: float
    ill: int  # cases that the task was calibrated on
    healthy: int
    ill_groups: int | None = None  # patients or sources of these cases; None in older graphs
    healthy_groups: int | None = None

    @classmethod
    def read(cls, held: JsonFields | None) -> Self | None:
        """Returns what `to_dict` wrote, None for None. Raises ValueError, which names the field, on a wrong type."""
        if held is None:
            return None
        cases = JsonFields(held.place("cases"), held.need("cases", dict))
        groups = held.object("groups") or JsonFields(held.place("groups"), {})
        point = cls(
            labels=held.take_words("labels"),
            threshold=float(held.need("threshold", int, float)),
            sensitivity=float(held.need("sensitivity", int, float)),
            specificity=float(held.need("specificity", int, float)),
            ill=cases.need("ill", int),
            healthy=cases.need("healthy", int),
            ill_groups=groups.take("ill", int),
            healthy_groups=groups.take("healthy", int),
        )
        if not point.labels:
            raise held.error("labels", [])
        return point

    def to_dict(self) -> dict[str, Any]:
        """Returns the operating point for JSON."""
        values = asdict(self)
        groups = {name: values.pop(f"{name}_groups") for name in ("ill", "healthy")}
        cases = {name: values.pop(name) for name in ("ill", "healthy")}
        known = {"groups": groups} if None not in groups.values() else {}
        return values | {"labels": list(self.labels), "cases": cases} | known

    def score(self, scores: Mapping[str, float]) -> float:
        """Returns what is compared with the threshold: the summed scores of the labels, by label in `scores`."""
        return round(sum(scores[label] for label in self.labels), 6)


@dataclass(frozen=True)
class CalibrationCases:
    """What kind of cases a task was calibrated on, for people."""

    n: int
    training: int | None  # of the n: training cases, each answered by a last layer that was trained without its group
    views: int  # pictures of each case

    @classmethod
    def of(cls, calibration: Calibration | None, point: OperatingPoint | None = None) -> Self | None:
        """Returns the cases of a calibration, or those of an operating point of an old graph; None without both.

        `training` is None if the graph does not state it and it cannot be inferred. Older graphs state only `views`: if
        there are several, all cases were validation cases, since training cases were only ever used with one view.
        """
        if calibration is None:
            return None if point is None else cls(point.ill + point.healthy, 0, 1)
        training = calibration.training_cases
        if training is None and calibration.views != 1:
            training = 0
        return cls(calibration.n, training, calibration.views or 1)
