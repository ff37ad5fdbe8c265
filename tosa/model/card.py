"""The model card that a graph carries in its constant `tosa/card`: what was measured of it, as data without layout.

It holds no hash of the graph, which is known only when the graph is whole, no date and no path of a file, so that the
same training gives the same bytes. tosa.training.report.card makes it, tosa.web.card_page shows it.
"""

import json
import math
from types import UnionType
from typing import Any, NotRequired, TypedDict, cast, get_args, get_origin, get_type_hints, is_typeddict

from tosa.model.text import Text, is_text

DIGITS = 6  # of each share and each limit of an interval: rounded again when shown, to three


class Rate(TypedDict):
    """A share or an area under the curve in [0, 1], with its 95 % interval; `value` is None where there is no case."""

    value: float | None
    low: float
    high: float
    n: int
    groups: NotRequired[int]  # where the interval is over groups
    prevalence: NotRequired[float]  # of a predictive value


class CalibrationError(TypedDict):
    """The expected calibration error, and that of perfectly calibrated scores on as many cases."""

    ece: float
    by_chance: float
    n: int


class LabelRates(TypedDict):
    """The cases of one label, and how the answers tell it from the others."""

    cases: int
    sensitivity: Rate
    specificity: Rate


class Tested(TypedDict):
    """Metrics on the testing cases."""

    labels: list[str]
    cases: int
    groups: int
    accuracy: Rate
    by_label: dict[str, LabelRates]
    confusion: list[list[int]]  # (labels, labels), rows are the truth
    calibration: CalibrationError
    negative: NotRequired[str]  # the label for health, which the next four are against
    sensitivity: NotRequired[Rate]
    specificity: NotRequired[Rate]
    ppv: NotRequired[Rate]
    auc: NotRequired[Rate | None]  # None unless both kinds of cases were tested


class FileCounts(TypedDict):
    """The files of one label from one source in each split, and of how many groups they are: [files, groups]."""

    label: str
    source: str  # '' where the data name none
    training: list[int]
    validation: list[int]
    testing: list[int]


class Shortcut(TypedDict):
    """How far features without the illness go on the same split."""

    accuracy: Rate
    auc: Rate | None
    where_wrong: Rate | None  # the network's accuracy on the cases that the shortcut misses


class SourcesTold(TypedDict):
    """How well the bottleneck tells from which source a case of one label comes."""

    balanced_accuracy: float
    guessing: float
    n: int
    sources: list[str]


class Handled(TypedDict):
    """The testing cases after a change of the file, such as a crop: how many are judged as before."""

    n: int
    refused: int
    kept: NotRequired[Rate]  # on their side, healthy or ill
    same: NotRequired[Rate]  # with their diagnosis
    sensitivity: NotRequired[Rate | None]
    specificity: NotRequired[Rate | None]
    missed: NotRequired[bool]  # whether the row misses its bound


class TaskCard(TypedDict):
    """What was measured of one task."""

    files: list[FileCounts]
    tested: NotRequired[Tested]  # missing where no testing case was left
    truth: NotRequired[Text]  # what stands for the truth
    limitations: NotRequired[list[Text]]
    shortcuts: NotRequired[dict[str, Shortcut]]
    sources_told: NotRequired[dict[str, SourcesTold]]
    subgroups: NotRequired[dict[str, Rate]]
    handling: NotRequired[dict[str, Handled]]


class DataCard(TypedDict):
    """Doubts about the data of some tasks, as numbers of files or groups."""

    tasks: list[str]
    copies: int  # files with the content of another one
    copies_in_several_splits: int
    copies_with_several_labels: int
    groups_in_several_splits: int
    skipped: int  # files that could not be read
    alike_across_splits: NotRequired[int]  # testing files that look like one of another split
    seen_by_trunk: NotRequired[int]  # files that were in the training of the trunk
    seen_by_trunk_testing: NotRequired[int]  # of these, those for testing
    trunk_unknown: NotRequired[bool]  # whether the trunk carries no fingerprints to compare with
    ungrouped: NotRequired[int]  # files of tasks in which every file is a group of its own


class Refused(TypedDict):
    """How many pictures of a kind the out-of-distribution gate refuses."""

    kind: str  # a key of the audit's table `gate`
    name: str
    refused: Rate


class Licensed(TypedDict):
    """How many files of a source have a licence."""

    source: str
    licence: str
    files: int


class ModelCard(TypedDict):
    """The whole card."""

    tasks: dict[str, TaskCard]
    data: list[DataCard]
    gate: NotRequired[list[Refused]]
    licences: NotRequired[list[Licensed]]
    sources: NotRequired[dict[str, Text]]  # what each source is, with its licence


def card_from_json(text: str | bytes) -> ModelCard:
    """Returns the card that `card_to_json` wrote; fields that this Tosa does not know are ignored when it is shown.

    Raises ValueError, as the end of a sentence that starts with the graph, on damaged JSON and on wrong types.
    """
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise ValueError("holds a model card that is damaged JSON") from error
    _conform(parsed, ModelCard, "card")
    card = cast("ModelCard", parsed)
    for name, task in card["tasks"].items():
        _check_shapes(name, task)
    return card


def card_to_json(card: ModelCard) -> str:
    """Returns the card as compact JSON, the same text for the same content. Its shares have DIGITS digits."""
    return json.dumps(_rounded(card), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def _check_shapes(name: str, task: TaskCard) -> None:
    """Raises ValueError where counts are not a number of files and one of groups, or a matrix is not square."""
    if any(len(row[split]) != 2 for row in task["files"] for split in ("training", "validation", "testing")):
        raise ValueError(f"holds a model card with wrong counts for {name}")
    if tested := task.get("tested"):
        size = len(tested["labels"])
        if [len(row) for row in tested["confusion"]] != [size] * size:
            raise ValueError(f"holds a model card with a confusion matrix that does not fit the labels of {name}")


def _conform(value: Any, kind: Any, path: str) -> None:
    """Raises ValueError, which names the field, unless a value from JSON has the type `kind`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind == Text:
        if not is_text(value):
            raise _unreadable(value, path)
    elif isinstance(kind, UnionType):
        _conform_to_one(value, arguments, path)
    elif is_typeddict(kind):
        _conform_to_fields(value, kind, path)
    elif not isinstance(value, _plain_types(origin or kind)) or (isinstance(value, bool) and kind is not bool):
        raise _unreadable(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"holds a model card in which {path} is not a finite number")
    if origin is dict:
        for name, each in dict(value).items():
            _conform(each, arguments[1], f"{path}.{name}")
    if origin is list:
        for number, each in enumerate(list(value)):
            _conform(each, arguments[0], f"{path}[{number}]")


def _unreadable(value: Any, path: str) -> ValueError:
    return ValueError(f"holds a model card in which {path} is {str(value)[:60]!r}, which this Tosa cannot read")


def _plain_types(kind: Any) -> tuple[type, ...]:
    return (int, float) if kind is float else (kind,)


def _conform_to_one(value: Any, kinds: tuple[Any, ...], path: str) -> None:
    for kind in kinds[:-1]:
        try:
            return _conform(value, kind, path)
        except ValueError:
            continue
    return _conform(value, kinds[-1], path)


def _conform_to_fields(value: Any, kind: Any, path: str) -> None:
    _conform(value, dict, path)
    for name, of in get_type_hints(kind).items():
        if name in value:
            _conform(value[name], of, f"{path}.{name}")
        elif name in kind.__required_keys__:
            raise ValueError(f"holds a model card without {path}.{name}")
