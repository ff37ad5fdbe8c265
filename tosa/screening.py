"""From an uploaded file to the answer: its kind by content, its picture, the network, the findings."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tosa import operating_point, settings
from tosa.errors import READ_FORMATS, NotAChestXray, NothingSent, TaskMissing, TooLarge, UnsupportedFormat
from tosa.inputs import decoding, foreign_formats, sound_formats, spectrogram, xray
from tosa.model import heatmap
from tosa.model.metadata import Input
from tosa.model.model import Task
from tosa.model.network import Network
from tosa.model.text import in_language
from tosa.preprocessing import Preprocessing

DISCLAIMER = (
    "For learning and research only. Tosa is not a medical device: it can be wrong, and no one should decide about "
    "health from it. See a doctor when you are unwell."
)
NO_MAP = "This task's last layer is not one linear layer, so no exact map of where the network looked can be drawn."
MODEL_CARD = "?card"  # relative to the page's address
PRIMARY = ("cough", "pneumonia")  # the tasks whose finding comes first if the graph has them
ADULT_YEARS = 18
AGE_NOTES = {
    "children": "This task was trained on X-rays of children, and the file says that this patient is an adult. "
    "Its scores mean less for adults.",
    "adults": "This task was trained on X-rays of adults, and the file says that this patient is a child. "
    "Its scores mean less for children.",
}

NO_REASON = "The model does not say why its scores are not calibrated."

Decode = Callable[[str, bytes, Preprocessing], decoding.Decoded]  # decoding.decode_file, or a decoder_pool.Pool


def kind_of(data: bytes) -> Input:
    """Returns 'sound' or 'picture', by content.

    Raises NothingSent for an empty file, UnsupportedFormat for other formats, and TooLarge past the kind's limit.
    """
    if not data:
        raise NothingSent("The file is empty. Send one that holds a sound or a picture.")
    if xray.recognises(data):
        _check_file_size(len(data), settings.MAX_PICTURE_BYTES, "picture", "Send a smaller picture.")
        return "picture"
    if sound_formats.sound_format(data):
        _check_file_size(len(data), settings.MAX_SOUND_BYTES, "sound", "Send a shorter sound, or as MP3 or OGG.")
        return "sound"
    if name := foreign_formats.name_format(data):
        raise UnsupportedFormat(f"This is {name}, which Tosa does not read. {READ_FORMATS}")
    raise sound_formats.format_refusal(data)


def check_kind(data: bytes, kind: str, name: str) -> None:
    """Raises UnsupportedFormat, which calls the file `name`, if it is not of this kind; and what kind_of raises."""
    if kind_of(data) != kind:
        raise UnsupportedFormat(f"{name} does not hold a {kind}. {READ_FORMATS}")


def _check_file_size(size: int, limit: int, kind: str, advice: str) -> None:
    """Raises TooLarge if a file has more bytes than its kind may have."""
    if size > limit:
        raise TooLarge(f"The {kind} file has {size / 2**20:.1f} MiB. The limit is {limit // 2**20} MiB. {advice}")


def age_note(population: str | None, age_years: float | None) -> str | None:
    """Returns a sentence for a patient of another age group than a task's training data, None for all others.

    population: 'children' or 'adults'; anything else, and an unknown age, get no note.
    """
    if age_years is None or population not in AGE_NOTES:
        return None
    patient = "adults" if age_years >= ADULT_YEARS else "children"
    return AGE_NOTES[population] if patient != population else None


def screen(
    network: Network,
    sound: bytes | None,
    picture: bytes | None,
    with_explanation: bool = False,
    decode: Decode = decoding.decode_file,
) -> dict[str, Any]:
    """Returns the answer to a sound file, a picture file or both, as the JSON of POST /.

    decode: decodes in this process by default; a decoder_pool.Pool does it in other processes.
    Raises a RequestError if one of the files cannot be read or judged; then the other gets no answer either.
    """
    preprocessing = network.metadata.preprocessing
    findings = []
    if sound is not None:
        decoded = decode("sound", sound, preprocessing)
        pixels = spectrogram.draw(decoded.array, preprocessing, network.mel_bank)
        findings += _findings(network, pixels, "sound", with_explanation)
    if picture is not None:
        decoded = decode("picture", picture, preprocessing)
        shown = _findings(network, decoded.array, "picture", with_explanation)
        findings += [_with_age_note(finding, network, decoded.age_years) for finding in shown]
    if not findings:
        raise NothingSent()
    return {
        "diagnosis": findings[0]["diagnosis"],
        "score": findings[0]["score"],
        "findings": findings,
        "model": {"sha256": network.sha256, "card": MODEL_CARD},
        "disclaimer": DISCLAIMER,
    }


def _findings(network: Network, pixels: np.ndarray, kind: Input, with_explanation: bool) -> list[dict[str, Any]]:
    """One finding for each of the graph's tasks on this kind of input, the primary one first."""
    tasks = tasks_on(network, kind)
    pixels = xray.resize(pixels, network.size)
    tasks = _admitted(tasks, network, pixels)
    answer = network.run(pixels[None], kind)
    findings = [_finding(network, task, answer.scores[0, task.columns]) for task in tasks]
    if with_explanation:
        _explain(findings, network, pixels, answer.feature_map[0])
    return findings


def tasks_on(network: Network, kind: Input) -> list[Task]:
    """Returns the graph's tasks on a kind of input, the primary one first.

    Raises TaskMissing, which says what the graph judges instead.
    """
    tasks = [task for task in network.tasks.values() if task.input == kind]
    if not tasks:
        raise TaskMissing(_what_is_judged(network, kind))
    return sorted(tasks, key=lambda task: is_after_primary(task.name))


def is_after_primary(task: str) -> bool:
    """Returns whether the finding of a task comes after those of PRIMARY."""
    return task not in PRIMARY


def _what_is_judged(network: Network, sent: Input) -> str:
    """For someone who sent a kind of file that no task takes: what the model judges instead."""
    tasks = "; ".join(f"{task.name} ({', '.join(task.labels)})" for task in network.tasks.values())
    other = {"sound": "pictures", "picture": "sounds"}[sent]
    return f"The model on this server judges {other}, not {sent}s: {tasks}. Send {other}."


def _with_age_note(finding: dict[str, Any], network: Network, age_years: float | None) -> dict[str, Any]:
    note = age_note(network.metadata.task(finding["task"]).population, age_years)
    return finding | {"age_note": note} if note else finding


def _admitted(tasks: list[Task], network: Network, pixels: np.ndarray) -> list[Task]:
    """The tasks that may judge a picture; those with a gate only if it is like the X-rays that they were trained on.

    Raises NotAChestXray if no task may.
    """
    ungated = [task for task in tasks if not network.metadata.task(task.name).gate]
    if len(ungated) == len(tasks) or network.gate is None or network.gate.is_in_distribution(pixels):
        return tasks
    if not ungated:
        raise NotAChestXray()
    return ungated


def _finding(network: Network, task: Task, scores: np.ndarray) -> dict[str, Any]:
    """scores: the task's, float32 (labels,)."""
    metadata = network.metadata.task(task.name)
    by_label, diagnosis = scores_by_label(task, scores), task.labels[int(np.argmax(scores))]
    finding: dict[str, Any] = {
        "task": task.name,
        "from": task.input,
        "diagnosis": diagnosis,
        "score": by_label[diagnosis],
        "scores": by_label,
    }
    if metadata.calibrated is False:
        finding["calibrated"] = False
        finding["uncalibrated_reason"] = in_language(metadata.uncalibrated_reason) or NO_REASON
    if description := in_language(metadata.descriptions.get(diagnosis)):
        finding["description"] = description
    if metadata.operating_point:
        finding["operating_point"] = operating_point.compare(metadata, metadata.operating_point, by_label, diagnosis)
    if metadata.demonstration:
        finding["demonstration"] = True
    if metadata.note:
        finding["note"] = in_language(metadata.note)
    return finding


def scores_by_label(task: Task, scores: np.ndarray) -> dict[str, float]:
    """Returns a task's scores, float32 (labels,), as JSON has them: rounded, with a sum of 1."""
    return dict(zip(task.labels, _rounded(scores), strict=True))


def _rounded(scores: np.ndarray) -> list[float]:
    """Probabilities rounded to six decimals; the largest one is adjusted so that they still sum to 1."""
    rounded = [round(float(score), 6) for score in scores]
    best = int(np.argmax(scores))
    rounded[best] = round(rounded[best] + 1 - sum(rounded), 6)
    return rounded


def _explain(findings: list[dict[str, Any]], network: Network, pixels: np.ndarray, feature_map: np.ndarray) -> None:
    """Adds to each finding the picture that the network saw and the heat map of its diagnosis, or why there is none.

    pixels: uint8 (height, width, 3); feature_map: float32 (height, width, channels).
    """
    seconds = network.metadata.preprocessing.window_seconds
    picture = heatmap.data_uri(pixels)
    for finding in findings:
        task = network.tasks[finding["task"]]
        below = [heatmap.time_axis(network.size[1], seconds)] if task.input == "sound" else []
        finding["picture"] = picture
        if task.weights is None:
            finding["explanation_missing"] = NO_MAP
        else:
            tinted = heatmap.overlay(pixels, feature_map, task.weights[:, task.labels.index(finding["diagnosis"])])
            finding["explanation"] = heatmap.data_uri(np.concatenate([tinted, *below]))
