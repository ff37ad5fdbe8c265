"""What the page needs of the served graph: what it judges, and its own words for tasks and labels."""

from typing import Any

from tosa.model.metadata import INPUTS
from tosa.model.model import Task
from tosa.model.network import Network


def page_words(network: Network) -> dict[str, Any]:
    """Returns the kinds of files that the graph judges, its title and description, and the words of each task.

    A text stays in all its languages, since the page chooses one; what the graph does not say is left out.
    """
    metadata = network.metadata
    known = {"title": metadata.title, "description": metadata.description}
    return {
        "kinds": [kind for kind in INPUTS if any(task.input == kind for task in network.tasks.values())],
        **{name: text for name, text in known.items() if text},
        "tasks": {task.name: _task_words(network, task) for task in network.tasks.values()},
    }


def _task_words(network: Network, task: Task) -> dict[str, Any]:
    metadata = network.metadata.task(task.name)
    known = {
        "title": metadata.title,
        "names": metadata.names,
        "headlines": metadata.headlines,
        "descriptions": metadata.descriptions,
        "limits": metadata.limits,
        "note": metadata.note,
        "uncalibrated_reason": metadata.uncalibrated_reason,
    }
    return {"labels": list(task.labels), **{name: text for name, text in known.items() if text}}
