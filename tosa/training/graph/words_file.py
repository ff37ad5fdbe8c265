"""A file of words for a finished graph: titles, what labels mean, limits and notes, in one or several languages.

{"title": "...", "tasks": {"cough": {"descriptions": {"sick": {"en": "...", "es": "...", "fr": "..."}}}}}
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.errors import UsageError
from tosa.model.graph import SEAL, constant_node, seal
from tosa.model.labels import Labels
from tosa.model.metadata import GraphMetadata

GRAPH_WORDS = {"title", "description", "licence"}
LABEL_WORDS = {"names", "headlines", "descriptions"}  # a text for each label
TASK_WORDS = {"title", "limits", "note", "demonstration", "population"} | LABEL_WORDS
IN_CARD = "card"  # of a task: words about its data, which belong to the model card; so do the `sources` of all tasks


def read_words(file: Path) -> dict[str, Any]:
    """Returns the words of a file. Raises UsageError unless it holds a JSON object."""
    try:
        words = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The words in '{file}' cannot be read as JSON: {error}.") from error
    if not isinstance(words, dict) or not isinstance(words.get("tasks", {}), dict):
        raise UsageError(f"'{file}' must hold a JSON object, and its `tasks` another one.")
    return words


def with_words(metadata: GraphMetadata, labels: Labels, words: Mapping[str, Any]) -> GraphMetadata:
    """Returns metadata in which the fields that words have replace those of the graph; all other fields stay.

    labels: the graph's, by task, which the metadata then carry. Raises UsageError on tasks, labels and fields that the
    graph or this Tosa does not have, and on texts that are not texts.
    """
    _check_names("the top level", words, GRAPH_WORDS | {"tasks", "sources"})
    of_tasks = words.get("tasks", {})
    _check_names("`tasks`", of_tasks, labels)
    values = json.loads(metadata.to_json()) | {name: words[name] for name in GRAPH_WORDS if name in words}
    tasks = {}
    for task, names in labels.items():
        new = of_tasks.get(task, {})
        _check_task(task, names, new)
        known = metadata.task(task).to_dict() | {"labels": list(names)}
        tasks[task] = known | {name: new[name] for name in TASK_WORDS if name in new}
    try:
        return GraphMetadata.from_json(json.dumps(values | {"tasks": tasks}))
    except ValueError as error:
        raise UsageError(f"The file of words {error}.") from error


def _check_task(task: str, labels: Collection[str], words: Any) -> None:
    _check_names(f"the task {task}", words, TASK_WORDS | {IN_CARD})
    for field in LABEL_WORDS & words.keys():
        _check_names(f"{task}.{field}", words[field], labels)


def _check_names(place: str, values: Any, known: Collection[str]) -> None:
    """Raises UsageError unless values is a JSON object with no other names than the known ones."""
    if not isinstance(values, dict):
        raise UsageError(f"In the file of words, {place} must be a JSON object.")
    if unknown := [name for name in values if name not in known]:
        raise UsageError(
            f"In the file of words, {place} has {', '.join(unknown)}, which is not one of {', '.join(sorted(known))}."
        )


def replace_constants(data: bytes, constants: Mapping[str, np.ndarray]) -> bytes:
    """Returns a serialised and sealed graph that has these constants in the place of its own ones of the same names."""
    graph = GraphDef.FromString(data)
    replaced = GraphDef(versions=graph.versions)
    replaced.node.extend(node for node in graph.node if node.name not in (SEAL, *constants))
    replaced.node.extend(constant_node(name, value) for name, value in constants.items())
    return seal(replaced.SerializeToString(deterministic=True))
