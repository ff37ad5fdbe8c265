"""What a server is, for clients and health checks: GET / with `Accept: application/json`."""

from typing import Any

from tosa import __version__, settings
from tosa.errors import PICTURE_FORMATS, SOUND_FORMATS
from tosa.model.network import Network, Task
from tosa.model.text import in_language
from tosa.screening import DISCLAIMER, MODEL_CARD

LICENCE = "Apache-2.0"


def describe(network: Network) -> dict[str, Any]:
    """Returns name, version, model, tasks, formats and limits of a server, ready for JSON."""
    model = {"sha256": network.sha256, "name": network.metadata.name, "card": MODEL_CARD}
    return {
        "name": "Tosa",
        "version": __version__,
        "licence": LICENCE,
        "model": {key: value for key, value in model.items() if value},
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
        "calibrated": metadata.calibration is not None,
        "demonstration": metadata.demonstration or None,
        "note": in_language(metadata.note) or None,
        "population": metadata.population,
    }
    return {key: value for key, value in known.items() if value is not None}
