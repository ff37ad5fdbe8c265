"""Where in a recording its coughs are: from the scores of its seconds and from its level, without network or files.

The scores say in which seconds a cough is heard, the level says when in them: a cough's loudest frame is its peak.
Coughs less than MAX_GAP_SECONDS apart, from peak to peak, are one episode. What counts as a cough is the operating
point's business, so all of this holds for any task on sounds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_GAP_SECONDS = 2.0  # peaks that are this far apart, or further, belong to two episodes
PEAK_SECONDS = 0.25  # a peak is the loudest frame of this time before and after it
EXTENT_RATIO = 0.1  # an event lasts as long as its level is above this share of its peak's level, -20 dB


@dataclass(frozen=True)
class Event:
    """One cough, or whatever else the operating point's labels stand for. All times are seconds of the recording."""

    peak: float  # the middle of its loudest frame
    score: float  # the highest score of the seconds that it was found in
    start: float
    end: float


@dataclass(frozen=True)
class Episode:
    """Events that follow each other closely. All times are seconds of the recording."""

    start: float  # of its first event
    end: float  # of the last one
    peak_time: float  # of the event with the highest score
    peak_score: float
    peaks: int  # events

    def to_dict(self) -> dict[str, Any]:
        """Returns the episode for JSON: times in hundredths of a second."""
        times = {name: round(getattr(self, name), 2) for name in ("start", "end", "peak_time")}
        return {**times, "peak_score": self.peak_score, "peaks": self.peaks}


def find_events(
    scored: Iterable[tuple[float, float, float]], level: np.ndarray, frame_seconds: float, threshold: float
) -> list[Event]:
    """Returns the events of a recording in the order of time.

    scored: (start, end, score) of each second that has a score, in seconds; seconds may overlap.
    level: the root mean square of each frame of frame_seconds, float32 (frames,).
    A second whose score reaches the threshold has one event, at its loudest peak. Seconds with the same peak have the
    same event, which then has the highest of their scores.
    """
    peaks = local_maxima(level, round(PEAK_SECONDS / frame_seconds))
    found: dict[int, list[tuple[float, float, float]]] = {}
    for start, end, score in scored:
        if score >= threshold:
            first, last = (
                round(start / frame_seconds),
                max(round(end / frame_seconds), round(start / frame_seconds) + 1),
            )
            found.setdefault(_loudest(level, peaks, first, last), []).append((start, end, score))
    return [_event(peak, seconds, level, frame_seconds) for peak, seconds in sorted(found.items())]


def local_maxima(level: np.ndarray, radius: int) -> np.ndarray:
    """Returns whether each of the frames is the loudest within `radius` frames on both sides: bool (frames,).

    Of frames that are equally loud, the first one is.
    """
    padded = np.pad(level, radius, constant_values=-1.0)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1)
    return np.argmax(around, axis=1) == radius


def _loudest(level: np.ndarray, peaks: np.ndarray, first: int, last: int) -> int:
    """The loudest peak among the frames from first to before last; the loudest frame if there is no peak among them.

    A second that begins within a cough has no peak of that cough, and must not make a new one of its loud beginning.
    """
    part, is_peak = level[first:last], peaks[first:last]
    return first + int(np.argmax(np.where(is_peak, part, -1.0) if is_peak.any() else part))


def _event(peak: int, seconds: list[tuple[float, float, float]], level: np.ndarray, frame_seconds: float) -> Event:
    """The event of a peak's frame; it does not reach beyond the seconds that it was found in."""
    quiet = level < EXTENT_RATIO * level[peak]
    before, after = np.flatnonzero(quiet[:peak]), np.flatnonzero(quiet[peak:])
    start = (before[-1] + 1) * frame_seconds if len(before) else 0.0
    end = (peak + after[0]) * frame_seconds if len(after) else len(level) * frame_seconds
    return Event(
        peak=(peak + 0.5) * frame_seconds,
        score=max(score for _, _, score in seconds),
        start=float(max(start, min(first for first, _, _ in seconds))),
        end=float(min(end, max(last for _, last, _ in seconds))),
    )


def group_events(events: Sequence[Event], max_gap: float = MAX_GAP_SECONDS) -> list[Episode]:
    """Returns the episodes of events in the order of time; events less than max_gap seconds apart are in the same."""
    groups: list[list[Event]] = []
    for event in events:
        if groups and event.peak - groups[-1][-1].peak < max_gap:
            groups[-1].append(event)
        else:
            groups.append([event])
    return [_episode(group) for group in groups]


def _episode(events: list[Event]) -> Episode:
    strongest = max(events, key=lambda event: event.score)
    return Episode(
        start=min(event.start for event in events),
        end=max(event.end for event in events),
        peak_time=strongest.peak,
        peak_score=strongest.score,
        peaks=len(events),
    )
