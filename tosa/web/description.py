"""What a server is, for clients and health checks: GET / with `Accept: application/json`."""

from typing import Any

from tosa import __version__, settings
from tosa.errors import PICTURE_FORMATS, SOUND_FORMATS
from tosa.model.json_fields import present
from tosa.model.model import Task
from tosa.model.network import Network
from tosa.model.text import in_language
from tosa.screening import DISCLAIMER, MODEL_CARD

LICENCE = "Apache-2.0"  # of Tosa's code; the graph says that of its weights
NO_DESCRIPTION = "This model comes without a description."
NO_LIMITS = "This model does not say where it fails."


def describe(network: Network) -> dict[str, Any]:
    """Returns name, version, model, tasks, formats and limits of a server, ready for JSON; its texts are in English."""
    metadata = network.metadata
    model = {
        "sha256": network.sha256,
        "name": metadata.name,
        "title": in_language(metadata.title),
        "description": in_language(metadata.description) or NO_DESCRIPTION,
        "licence": in_language(metadata.licence),
        "command": metadata.command,
        "card": MODEL_CARD,
    }
    return {
        "name": "Tosa",
        "version": __version__,
        "licence": LICENCE,
        "model": present(model),
        "tasks": [_describe_task(network, task) for task in network.tasks.values()],
        "formats": {"sound": list(SOUND_FORMATS), "picture": list(PICTURE_FORMATS)},
        "limits": {
            "request": {"bytes": settings.MAX_BODY_BYTES},
            "sound": {
                "bytes": settings.MAX_SOUND_BYTES,
                "seconds": [settings.MIN_SOUND_SECONDS, settings.MAX_SOUND_SECONDS],
            },
            "picture": {"bytes": settings.MAX_PICTURE_BYTES, "pixels": settings.MAX_PICTURE_PIXELS},
        },
        "disclaimer": DISCLAIMER,
    }


def _describe_task(network: Network, task: Task) -> dict[str, Any]:
    metadata = network.metadata.task(task.name)
    known = {
        "task": task.name,
        "from": task.input,
        "labels": list(task.labels),
        "descriptions": {label: in_language(text) for label, text in metadata.descriptions.items()},
        "limits": in_language(metadata.limits) or NO_LIMITS,
        "calibrated": metadata.calibration is not None if metadata.calibrated is None else metadata.calibrated,
        "uncalibrated_reason": in_language(metadata.uncalibrated_reason),
        "demonstration": metadata.demonstration or None,
        "note": in_language(metadata.note),
        "population": metadata.population,
        "counts": metadata.counts,
    }
    return present(known)
