"""The network slides over a whole recording: a score for each second of it, and the episodes of its coughs.

A second is judged as if it were a recording of its own: it passes the same quality gate, is drawn in the middle of
silence as every short sound is, in service and in training, and its score means the same. Seconds overlap by half, so
that a cough on the border of two is whole in a third.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tosa import screening
from tosa.episodes import find_events, group_events
from tosa.errors import BadParameter, RequestError
from tosa.inputs import audio, decoding, spectrogram, xray
from tosa.model.calibration import OperatingPoint
from tosa.model.model import Task
from tosa.model.network import MAX_BATCH, Network
from tosa.preprocessing import Preprocessing

SECOND = 1.0  # seconds that are judged at a time
HOP = 0.5  # seconds from the start of one to the start of the next
NO_EPISODES = "This task has no operating point, so no threshold says where an episode begins."
NEEDS_SOUND = "{name} needs a sound. Send one as the part audio_data, or leave {name} out."


@dataclass(frozen=True)
class Second:
    """A part of a recording, usually one second of it."""

    start: float  # seconds of the recording
    end: float
    samples: np.ndarray  # float32 (n,)

    def window(self, preprocessing: Preprocessing) -> np.ndarray:
        """Returns what is drawn of it, float32 (window_samples,). Raises CannotJudge if it is silent or clipped."""
        audio.check_sound(self.samples, preprocessing.sample_rate)
        return audio.window(self.samples, preprocessing)


def cut(samples: np.ndarray, sample_rate: int) -> Iterator[Second]:
    """Yields the seconds of a recording, samples (n,); the last may be shorter. One up to a second long is one."""
    length, hop = round(SECOND * sample_rate), round(HOP * sample_rate)
    for start in range(0, max(len(samples) - length + hop, 1), hop):
        end = min(start + length, len(samples))
        yield Second(start / sample_rate, end / sample_rate, samples[start:end])


def screen_recording(
    network: Network,
    sound: bytes | None,
    picture: bytes | None,
    with_explanation: bool = False,
    decode: screening.Decode = decoding.decode_file,
    with_timeline: bool = False,
    at: float | None = None,
) -> dict[str, Any]:
    """Returns what screening.screen answers, with two more wishes about the sound.

    with_timeline: the answer also has `timeline`, see timeline_of. at: the findings of the sound are about the second
    whose middle is nearest to so many seconds, and say so in `window`, instead of about its loudest part.
    Raises BadParameter if there is no sound, or if it ends before `at`, and what screening.screen raises.
    """
    if not with_timeline and at is None:
        return screening.screen(network, sound, picture, with_explanation, decode)
    if sound is None:
        raise BadParameter(NEEDS_SOUND.format(name="timeline" if with_timeline else "at"))
    reading = _WholeRecording(decode, at)
    answer = screening.screen(network, sound, picture, with_explanation, reading)
    if reading.second:
        limits = {"start": round(reading.second.start, 2), "end": round(reading.second.end, 2)}
        answer["findings"] = [
            finding | {"window": limits} if finding["from"] == "sound" else finding for finding in answer["findings"]
        ]
    if with_timeline:
        answer["timeline"] = timeline_of(network, reading.samples)
    return answer


class _WholeRecording:
    """Decodes sounds whole in place of a decoder that returns their loudest window, and keeps their samples."""

    def __init__(self, decode: screening.Decode, at: float | None) -> None:
        self._decode, self._at = decode, at
        self.samples = np.zeros(0, np.float32)
        self.second: Second | None = None  # the one that `at` is about

    def __call__(self, kind: str, data: bytes, preprocessing: Preprocessing) -> decoding.Decoded:
        if kind != "sound":
            return self._decode(kind, data, preprocessing)
        decoded = self._decode("recording", data, preprocessing)
        self.samples = decoded.array
        if self._at is None:
            return decoding.Decoded(audio.window(self.samples, preprocessing), decoded.seconds)
        self.second = _second_at(self.samples, preprocessing.sample_rate, self._at)
        return decoding.Decoded(self.second.window(preprocessing), decoded.seconds)


def _second_at(samples: np.ndarray, sample_rate: int, at: float) -> Second:
    duration = len(samples) / sample_rate
    if at > duration:
        raise BadParameter(f"at={at:g} is after the end of the sound, which lasts {duration:.2f} seconds.")
    return min(cut(samples, sample_rate), key=lambda second: abs((second.start + second.end) / 2 - at))


def timeline_of(network: Network, samples: np.ndarray) -> dict[str, Any]:
    """Returns the timeline of a recording for the primary task on sounds, as docs/api.md describes it.

    samples: (n,) at the sample rate of the graph. Raises TaskMissing if the graph has no task on sounds.
    """
    task, rate = screening.tasks_on(network, "sound")[0], network.metadata.preprocessing.sample_rate
    point = network.metadata.task(task.name).operating_point
    windows = [_window(second, answered, task, point) for second, answered in _scored(network, task, samples)]
    timeline: dict[str, Any] = {
        "task": task.name,
        "seconds": round(len(samples) / rate, 2),
        "window_seconds": SECOND,
        "hop_seconds": HOP,
        "windows": windows,
    }
    if point is None:
        return timeline | {"episodes_missing": NO_EPISODES}
    scored = [(each["start"], each["end"], each["score"]) for each in windows if each["scores"]]
    level = audio.levels(samples - samples.mean(), rate)
    events = find_events(scored, level, audio.frame_length(rate) / rate, point.threshold)
    episodes = [episode.to_dict() for episode in group_events(events)]
    return timeline | {"labels": list(point.labels), "threshold": point.threshold, "episodes": episodes}


def _scored(network: Network, task: Task, samples: np.ndarray) -> Iterator[tuple[Second, np.ndarray | RequestError]]:
    """Each second with the task's scores, float32 (labels,), or why there are none; in batches of the network."""
    preprocessing = network.metadata.preprocessing
    seconds = list(cut(samples, preprocessing.sample_rate))
    for first in range(0, len(seconds), MAX_BATCH):
        batch = seconds[first : first + MAX_BATCH]
        drawn = [_draw(second, network) for second in batch]
        pictures = [each for each in drawn if isinstance(each, np.ndarray)]
        scores = iter(network.run(np.stack(pictures), task.input).scores[:, task.columns] if pictures else ())
        for second, each in zip(batch, drawn, strict=True):
            yield second, each if isinstance(each, RequestError) else next(scores)


def _draw(second: Second, network: Network) -> np.ndarray | RequestError:
    """The network's picture of a second, or why it cannot be judged."""
    preprocessing = network.metadata.preprocessing
    try:
        window = second.window(preprocessing)
    except RequestError as error:
        return error
    return xray.resize(spectrogram.draw(window, preprocessing, network.mel_bank), network.size)


def _window(
    second: Second, answered: np.ndarray | RequestError, task: Task, point: OperatingPoint | None
) -> dict[str, Any]:
    """A second of the timeline, for JSON."""
    limits = {"start": round(second.start, 2), "end": round(second.end, 2)}
    if isinstance(answered, RequestError):
        return {**limits, "scores": None, "reason": answered.code}
    scores = screening.scores_by_label(task, answered)
    if point is None:
        return {**limits, "scores": scores}
    score = point.score(scores)
    return {**limits, "scores": scores, "score": score, "above": score >= point.threshold}
