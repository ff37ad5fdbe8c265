"""From what was sent to the answer: kind by content, picture, network, finding."""

from weakref import WeakKeyDictionary

import numpy as np

from tosa.errors import NotAChestXray, NothingSent, TaskMissing, UnsupportedFormat
from tosa.inputs import audio, decoder_pool, xray
from tosa.model import heatmap
from tosa.model.network import FIRST_TASK, Network, Task
from tosa.model.out_of_distribution import OutOfDistributionGate

DISCLAIMER = (
    "For learning and research only. Tosa is not a medical device: it can be wrong, and no one should decide about "
    "health from it. See a doctor when you are unwell."
)
NO_MAP = "This task's last layer is not one linear layer, so no exact map of where the network looked can be drawn."
MODEL_CARD = "static/model-card.html"  # from the page's address on
PRIMARY = ("cough", "pneumonia")  # the tasks whose finding comes first, where the graph has them


def kind_of(data: bytes) -> str:
    """'sound' or 'picture', by the first bytes. Raises NothingSent for none, UnsupportedFormat for others."""
    if not data:
        raise NothingSent()
    if xray.recognises(data):
        return "picture"
    if audio.recognises(data):
        return "sound"
    raise UnsupportedFormat()


def screen(
    network: Network, sound: bytes | None, picture: bytes | None, with_explanation: bool = False, decode=decoder_pool.decode
) -> dict:
    """Answer for a sound file, a picture file or both, as the JSON of POST /.

    decode: decoding.decode, or a decoding.Pool that does the same in other processes.
    Raises a RequestError where one of them cannot be read or judged; nothing is answered for the other then.
    """
    sent = [(audio.draw(decode("sound", sound).array), True)] if sound is not None else []
    sent += [(decode("picture", picture).array, False)] if picture is not None else []
    if not sent:
        raise NothingSent()
    findings = [
        finding for pixels, is_sound in sent for finding in _findings(network, pixels, is_sound, with_explanation)
    ]
    return {
        "diagnosis": findings[0]["diagnosis"],
        "score": findings[0]["score"],
        "findings": findings,
        "model": {"sha256": network.sha256, "card": MODEL_CARD},
        "disclaimer": DISCLAIMER,
    }


def _findings(network: Network, pixels: np.ndarray, is_sound: bool, with_explanation: bool) -> list[dict]:
    """One finding for each of the graph's tasks on this kind of picture, the primary one first."""
    tasks = [task for task in network.tasks.values() if _is_of_sound(task, network.metadata) == is_sound]
    if not tasks:
        raise TaskMissing()
    fitting = xray.resize(pixels, network.size)
    tasks = _admitted(tasks, network, fitting)
    answer = network.run(fitting[None])
    findings = [
        _finding(task, answer.scores[0, task.columns], _known(task, network.metadata), is_sound)
        for task in sorted(tasks, key=lambda task: task.name not in PRIMARY)
    ]
    if with_explanation:
        _explain(findings, network, fitting, answer.feature_map[0], is_sound)
    return findings


def _explain(findings: list[dict], network: Network, pixels: np.ndarray, features: np.ndarray, is_sound: bool) -> None:
    """Add to each finding the picture that the network saw, and where the diagnosis came from, or why that is not told.

    pixels: uint8 (height, width, 3); features: the feature map, float32 (height, width, channels).
    """
    below = [heatmap.time_axis(network.size[1], audio.WINDOW_SECONDS)] if is_sound else []
    picture = heatmap.data_uri(pixels)
    for finding in findings:
        task = network.tasks[finding["task"]]
        finding["picture"] = picture
        if task.weights is None:
            finding["explanation_missing"] = NO_MAP
        else:
            tinted = heatmap.overlay(pixels, features, task.weights[:, task.labels.index(finding["diagnosis"])])
            finding["explanation"] = heatmap.data_uri(np.concatenate([tinted, *below]))


def _admitted(tasks: list[Task], network: Network, pixels: np.ndarray) -> list[Task]:
    """The tasks that may answer a picture: those with a gate only where it is like the X-rays they were learnt from.

    Raises NotAChestXray where none may.
    """
    free = [task for task in tasks if not _known(task, network.metadata).get("gate")]
    gate = _gate(network) if len(free) < len(tasks) else None
    if gate is None or gate.is_in_distribution(pixels):
        return tasks
    if not free:
        raise NotAChestXray()
    return free


_gates: WeakKeyDictionary[Network, OutOfDistributionGate | None] = WeakKeyDictionary()  # gone with their networks


def _gate(network: Network) -> OutOfDistributionGate | None:
    if network not in _gates:
        _gates[network] = OutOfDistributionGate.of(network)
    return _gates[network]


def _known(task: Task, metadata: dict) -> dict:
    """What the graph says of the task."""
    return metadata.get("tasks", {}).get(task.name, {})


def _is_of_sound(task: Task, metadata: dict) -> bool:
    """Graphs that do not say it have cough for sounds, all else for pictures."""
    known = _known(task, metadata)
    return known.get("from", "sound" if task.name == FIRST_TASK else "picture") == "sound"


def _finding(task: Task, scores: np.ndarray, known: dict, is_sound: bool) -> dict:
    rounded = _summing_to_one(scores)
    best = int(np.argmax(scores))
    finding = {
        "task": task.name,
        "from": "sound" if is_sound else "picture",
        "diagnosis": task.labels[best],
        "score": rounded[best],
        "scores": dict(zip(task.labels, rounded)),
    }
    if "operating_point" in known:
        finding["operating_point"] = _beside(known["operating_point"], finding["scores"])
    return finding | {key: known[key] for key in ("demonstration", "note") if key in known}


def _beside(point: dict, scores: dict[str, float]) -> dict:
    """A task's operating point with the side of it on which these scores lie, and in words."""
    score = round(sum(scores[label] for label in point["labels"]), 6)
    names, cases = " or ".join(point["labels"]), point["cases"]
    return {
        "labels": point["labels"],
        "score": score,
        "threshold": point["threshold"],
        "above": score >= point["threshold"],
        "sensitivity": point["sensitivity"],
        "specificity": point["specificity"],
        "cases": dict(cases),
        "meaning": f"A score of {names} from {point['threshold']:.2f} on held for {point['sensitivity']:.0%} of "
        f"{cases['ill']} validation cases that were so, and for {1 - point['specificity']:.0%} of {cases['healthy']} "
        "that were not.",
    }


def _summing_to_one(scores: np.ndarray) -> list[float]:
    """Probabilities rounded to six decimals, the largest taking up what rounding left."""
    rounded = [round(float(score), 6) for score in scores]
    best = int(np.argmax(scores))
    rounded[best] = round(rounded[best] + 1 - sum(rounded), 6)
    return rounded
