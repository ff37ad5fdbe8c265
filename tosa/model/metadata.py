"""What a graph says of itself: read once from the JSON that it carries, and written back from the same classes.

The JSON is the graph's constant `tosa/metadata`. Fields that this Tosa does not know are kept in `extra` and written
again, so that a graph survives a training by an older Tosa.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

from tosa.model.calibration import Calibration, OperatingPoint
from tosa.model.json_fields import JsonFields, present
from tosa.model.text import Text
from tosa.preprocessing import Preprocessing

Input = Literal["sound", "picture"]
INPUTS: tuple[str, ...] = get_args(Input)
Counts = Mapping[str, Mapping[str, int]]  # by label, the numbers of `cases` and of `groups`
FIRST_TASK = "cough"  # the task of label lines that name none; it takes sounds unless the graph says otherwise
FIRST_LABELS = frozenset({"not sick", "sick"})
UNNAMED_TASK = "sound"  # the task of a training that names none, on other labels than those of FIRST_TASK


def default_input(task: str) -> Input:
    """Returns the kind of input of a task whose graph does not say it."""
    return "sound" if task in (FIRST_TASK, UNNAMED_TASK) else "picture"


@dataclass(frozen=True)
class TaskMetadata:
    """What a graph says of one task. `input` is the one place that tells whether a task takes sounds or pictures."""

    name: str
    input: Input
    labels: tuple[str, ...] = ()  # in the order of the task's scores; () where only the label file has them
    gate: bool = False  # whether the graph's out-of-distribution gate may refuse a picture for this task
    calibration: Calibration | None = None
    operating_point: OperatingPoint | None = None
    calibrated: bool | None = None  # False: its scores are not frequencies; None: unknown, as in older graphs
    uncalibrated_reason: Text | None = None  # why `calibrated` is False
    margin: float | None = None  # scores closer than this to a decision at int8 are computed again in more precision
    title: Text | None = None  # what people call the task
    names: Mapping[str, Text] = field(default_factory=dict)  # what people call each label, by label
    headlines: Mapping[str, Text] = field(default_factory=dict)  # each answer as one sentence, by label
    descriptions: Mapping[str, Text] = field(default_factory=dict)  # what each label means, by label
    limits: Text | None = None  # one or two sentences on what the task must not be used for, or where it fails
    demonstration: bool = False
    note: Text | None = None  # a sentence that each finding of the task carries
    population: str | None = None  # whom the task was learnt from: "children", "adults", or None where nothing is known
    counts: Mapping[str, Counts] = field(default_factory=dict)  # of its cases, by split
    training: Mapping[str, Any] | None = None  # the recipe of its last layer
    refit: Mapping[str, Any] | None = None  # how its last layer was refitted
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, name: str, values: Mapping[str, Any]) -> Self:
        """Returns the task that `to_dict` described. Raises ValueError, which names the field, on a wrong type."""
        held = JsonFields(f"tasks.{name}", values)
        return cls(
            name=name,
            input=_input(held, name),
            labels=held.take_words("labels"),
            gate=bool(held.take("gate", bool)),
            calibration=Calibration.read(held.object("calibration")),
            operating_point=OperatingPoint.read(held.object("operating_point")),
            calibrated=held.take("calibrated", bool),
            uncalibrated_reason=held.take_text("uncalibrated_reason"),
            margin=_margin(held),
            title=held.take_text("title"),
            names=held.take_texts("names"),
            headlines=held.take_texts("headlines"),
            descriptions=held.take_texts("descriptions"),
            limits=held.take_text("limits"),
            demonstration=bool(held.take("demonstration", bool)),
            note=held.take_text("note"),
            population=held.take("population", str),
            counts=_counts(held),
            training=held.take("training", dict),
            refit=held.take("refit", dict),
            extra=held.rest,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the task for JSON; a field that is not set is left out."""
        values = {
            "from": self.input,
            "labels": list(self.labels),
            "gate": self.gate or None,
            "calibration": self.calibration and self.calibration.to_dict(),
            "operating_point": self.operating_point and self.operating_point.to_dict(),
            "calibrated": self.calibrated,
            "uncalibrated_reason": self.uncalibrated_reason,
            "margin": self.margin,
            "title": self.title,
            "names": self.names,
            "headlines": self.headlines,
            "descriptions": self.descriptions,
            "limits": self.limits,
            "demonstration": self.demonstration or None,
            "note": self.note,
            "population": self.population,
            "counts": self.counts,
            "training": self.training,
            "refit": self.refit,
        }
        return {**self.extra, **present(values)}


@dataclass(frozen=True)
class GraphMetadata:
    """What a graph says of itself. `GraphMetadata()` is that of a graph without metadata."""

    name: str | None = None
    title: Text | None = None  # a short name for people
    description: Text | None = None  # one or two sentences
    licence: Text | None = None  # of the weights
    command: str | None = None  # that made it: the flags that decide the result, without paths and dates
    tasks: Mapping[str, TaskMetadata] = field(default_factory=dict)  # by name
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    recipe: Mapping[str, Any] | None = None  # of the last fine-tuning of the trunk
    weights_sha256: str | None = None  # of the file that this fine-tuning started from, hexadecimal
    files: Mapping[str, int] | None = None  # cases of this fine-tuning by split
    before: tuple[Mapping[str, Any], ...] = ()  # recipe, weights_sha256 and files of earlier ones, the oldest first
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Returns what `to_json` wrote, or what an older Tosa wrote.

        Raises ValueError, as the end of a sentence that starts with the graph, if the text is not a JSON object, a
        field has a wrong type or the preprocessing is not one that this Tosa can draw.
        """
        try:
            parsed = json.loads(text)
        except (ValueError, TypeError) as error:
            raise ValueError("holds damaged JSON") from error
        if not isinstance(parsed, dict):
            raise ValueError("holds no JSON object")
        values = JsonFields("", parsed)
        return cls(
            name=values.take("name", str),
            title=values.take_text("title"),
            description=values.take_text("description"),
            licence=values.take_text("licence"),
            command=values.take("command", str),
            tasks={name: TaskMetadata.from_dict(name, task) for name, task in _tasks(values).items()},
            preprocessing=_preprocessing(values),
            recipe=values.take("recipe", dict),
            weights_sha256=values.take("weights_sha256", str),
            files=values.take("files", dict),
            before=tuple(values.take("before", list) or ()),
            extra=values.rest,
        )

    def to_json(self) -> str:
        """Returns the JSON text, the same for the same content; a field that is not set is left out."""
        values = {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "licence": self.licence,
            "command": self.command,
            "tasks": {name: task.to_dict() for name, task in self.tasks.items()},
            "preprocessing": self.preprocessing.to_dict(),
            "recipe": self.recipe,
            "weights_sha256": self.weights_sha256,
            "files": self.files,
            "before": list(self.before),
        }
        written = {**self.extra, **present(values)}
        return json.dumps(written, ensure_ascii=False, sort_keys=True)

    def task(self, name: str) -> TaskMetadata:
        """Returns the metadata of a task; without any, a task that takes its default kind of input."""
        return self.tasks.get(name) or TaskMetadata(name, default_input(name))

    def with_task(self, task: TaskMetadata) -> Self:
        """Returns a copy that has this task, in the place of one of the same name."""
        return replace(self, tasks={**self.tasks, task.name: task})

    def without_task(self, name: str) -> Self:
        """Returns a copy that does not have the task of this name."""
        return replace(self, tasks={other: task for other, task in self.tasks.items() if other != name})


def _tasks(values: JsonFields) -> Mapping[str, Any]:
    return values.take("tasks", dict) or {}


def _preprocessing(values: JsonFields) -> Preprocessing:
    try:
        return Preprocessing.from_dict(values.take("preprocessing", dict) or {})
    except ValueError as error:
        raise ValueError(f"asks for preprocessing that this Tosa cannot do: {error}") from error


def _input(values: JsonFields, name: str) -> Input:
    value = values.take("from", str) or default_input(name)
    if value not in INPUTS:
        raise values.error("from", value)
    return value


def _margin(task: JsonFields) -> float | None:
    margin = task.take("margin", int, float)
    if margin is not None and not 0 <= margin <= 1:
        raise task.error("margin", margin)
    return margin


def _counts(task: JsonFields) -> dict[str, Counts]:
    """The numbers of cases and groups, by split and label."""
    counts: dict[str, Counts] = {}
    if splits := task.object("counts"):
        for split in list(splits.rest):
            labels = JsonFields(splits.place(split), splits.need(split, dict))
            counts[split] = {label: _numbers(labels, label) for label in list(labels.rest)}
    return counts


def _numbers(labels: JsonFields, label: str) -> dict[str, int]:
    numbers = JsonFields(labels.place(label), labels.need(label, dict))
    return {name: numbers.need(name, int) for name in list(numbers.rest)}
