"""Peaks, events and episodes, from levels and scores that the tests write down."""

import numpy as np
import pytest

from tosa.episodes import Event, find_events, group_events, local_maxima

FRAME = 0.02  # s


def events(*peaks, score=0.9):
    return [Event(peak, score, peak - 0.1, peak + 0.3) for peak in peaks]


@pytest.mark.parametrize(
    "peaks, counts",
    [
        ([], []), ([3.0], [1]), ([3.0, 4.9], [2]), ([3.0, 5.1], [1, 1]), ([3.0, 5.0], [1, 1]),
        ([1.0, 2.9, 4.8, 6.7], [4]), ([1.0, 2.9, 5.0, 6.9], [2, 2]),
    ],
)  # fmt: skip
def test_coughs_less_than_two_seconds_apart_are_one_episode(peaks, counts):
    assert [episode.peaks for episode in group_events(events(*peaks))] == counts


def test_an_episode_lasts_from_its_first_event_to_its_last_and_has_the_strongest_peak():
    found = [Event(1.0, 0.6, 0.9, 1.3), Event(2.0, 0.8, 1.9, 2.4), Event(3.0, 0.7, 2.9, 3.2)]
    (episode,) = group_events(found)
    assert (episode.start, episode.end) == (0.9, 3.2)
    assert (episode.peak_time, episode.peak_score) == (2.0, 0.8)
    assert episode.to_dict() == {"start": 0.9, "end": 3.2, "peak_time": 2.0, "peak_score": 0.8, "peaks": 3}


def level(seconds, **peaks):
    """Levels of quiet frames, and of decays (peak: time and height) that begin suddenly: float32 (frames,)."""
    time = np.arange(round(seconds / FRAME)) * FRAME
    decays = [height * np.where(time >= start, np.exp(-(time - start) / 0.1), 0) for start, height in peaks.values()]
    return (0.001 + sum(decays)).astype(np.float32)


def test_a_peak_is_the_loudest_frame_around_it_and_the_first_of_equals():
    assert np.flatnonzero(local_maxima(level(4, a=(1.0, 0.5), b=(3.0, 0.2)), 12)).tolist()[1:] == [50, 150]
    assert np.flatnonzero(local_maxima(np.full(30, 0.1, np.float32), 12)).tolist() == [0]


def test_seconds_with_the_same_peak_have_one_event_and_those_below_the_threshold_none():
    heard = level(6, a=(1.2, 0.5), b=(4.0, 0.1))
    scored = [(0.5, 1.5, 0.6), (1.0, 2.0, 0.9), (1.5, 2.5, 0.2), (3.5, 4.5, 0.5), (4.5, 5.5, 0.49)]
    first, second = find_events(scored, heard, FRAME, 0.5)
    assert first.peak == pytest.approx(1.21) and first.score == 0.9
    assert second.peak == pytest.approx(4.01) and second.score == 0.5
    # The level falls to a tenth within 0.23 s.
    assert first.start == pytest.approx(1.2) and first.end == pytest.approx(1.2 + 0.1 * np.log(10), abs=0.03)


def test_a_second_that_begins_within_a_cough_does_not_count_it_twice():
    """Its loudest frame is its first, which is no peak; the peak it has is the softer one behind."""
    heard = level(4, a=(0.9, 0.5), b=(1.6, 0.05))
    found = find_events([(0.5, 1.5, 0.9), (1.0, 2.0, 0.8)], heard, FRAME, 0.5)
    assert [round(event.peak, 2) for event in found] == [0.91, 1.61]


def test_an_event_stays_within_the_seconds_it_was_found_in():
    (event,) = find_events([(1.0, 2.0, 0.9)], np.full(200, 0.1, np.float32), FRAME, 0.5)
    assert (event.start, event.end) == (1.0, 2.0)


def test_the_last_second_may_be_shorter_than_a_frame():
    (event,) = find_events([(1.0, 1.005, 0.9)], level(1.02, a=(0.2, 0.4)), FRAME, 0.5)
    assert event.end <= 1.02
