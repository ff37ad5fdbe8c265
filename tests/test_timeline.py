"""The network over a whole recording: in Python, and at ?timeline=1 and ?at= of the route."""

import io
import threading
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import tosa
from pictures import encoded, phantom
from running import ROOT
from sliding import RATE, recording, write_graph
from sounds import wav
from tosa import errors, screening, settings, timeline
from tosa.inputs import decoder_pool
from tosa.model.network import Network
from tosa.web import app as app_module
from tosa.web.slots import Slots

TIMES = (3.2, 8.0, 13.5)  # s, when the coughs begin
THREE = wav(recording(TIMES, 16))
PICTURE = encoded(Image.fromarray(phantom()))


@pytest.fixture(scope="module")
def network(tf, tmp_path_factory):
    return Network.load(*write_graph(tf, tmp_path_factory.mktemp("dark")))


@pytest.fixture(scope="module")
def client(network):
    return app_module.create_app(network, settings.Settings(slots=4)).test_client()


def post(client, query, sound=THREE, **parts):
    data = {name: (io.BytesIO(each), "x") for name, each in ({"audio_data": sound} | parts).items() if each}
    return client.post("/" + query, data=data)


def check_three_episodes(found):
    assert len(found["episodes"]) == len(TIMES)
    for episode, time in zip(found["episodes"], TIMES, strict=True):
        assert time - 0.05 <= episode["start"] <= episode["peak_time"] <= episode["end"] <= time + 0.45
        assert episode["peak_time"] == pytest.approx(time, abs=0.1)
        assert episode["peaks"] == 1 and episode["peak_score"] > 0.9


def test_three_coughs_are_three_episodes_at_their_times(client):
    found = post(client, "?timeline=1").json["timeline"]
    check_three_episodes(found)
    assert found["task"] == "cough" and found["labels"] == ["sick"] and found["threshold"] == 0.5
    assert found["seconds"] == 16 and len(found["windows"]) == 31
    for window in found["windows"]:
        assert window["end"] - window["start"] == pytest.approx(1)
        assert sum(window["scores"].values()) == pytest.approx(1) and window["score"] == window["scores"]["sick"]
        assert window["above"] == (window["score"] >= 0.5)
        whole = any(window["start"] <= time and time + 0.3 <= window["end"] for time in TIMES)
        noise = all(window["end"] <= time or time + 0.4 <= window["start"] for time in TIMES)
        assert window["above"] if whole else not (noise and window["above"])


def test_the_rest_of_the_answer_is_as_without_it(client):
    plain, more = (post(client, query, image_data=None).json for query in ("?explain=1", "?explain=1&timeline=1"))
    assert {name: value for name, value in more.items() if name != "timeline"} == plain


def test_python_and_the_decoding_processes_answer_alike(network, client):
    answer = post(client, "?timeline=1").json
    assert tosa.Model(network).screen(sound=THREE, timeline=True) == answer
    with decoder_pool.Pool(1) as pool:
        assert timeline.screen_recording(network, THREE, None, False, pool, True) == answer


def test_each_second_is_judged_as_a_recording_of_its_own(network):
    """Its score is what the same second gets that is cut out and sent alone."""
    samples = recording(TIMES, 5)
    found = tosa.Model(network).screen(sound=wav(samples, subtype="FLOAT"), timeline=True)["timeline"]
    for window in found["windows"][3:7]:
        alone = wav(samples[round(window["start"] * RATE) : round(window["end"] * RATE)], subtype="FLOAT")
        assert tosa.Model(network).screen(sound=alone)["findings"][0]["scores"] == pytest.approx(window["scores"])


@pytest.mark.parametrize("count, last", [(1, 0.3), (1, 0.9), (1, 1.0), (2, 1.2), (3, 2.0), (4, 2.3), (119, 60.0)])
def test_the_seconds_cover_the_recording(network, count, last):
    cut = list(timeline.cut(np.zeros(round(last * RATE), np.float32), RATE))
    assert len(cut) == count and cut[0].start == 0 and cut[-1].end == pytest.approx(last, abs=1e-4)
    assert all(second.end - second.start == pytest.approx(1) for second in cut[:-1])
    assert cut[-1].end - cut[-1].start > 0.5 or count == 1
    assert all(after.start - before.start == pytest.approx(0.5) for before, after in pairwise(cut))


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.4, 60.0])
def test_a_cough_is_found_in_recordings_of_any_length(network, seconds):
    sound = wav(recording((seconds - 0.45,), seconds))
    (episode,) = tosa.Model(network).screen(sound=sound, timeline=True)["timeline"]["episodes"]
    assert episode["peak_time"] == pytest.approx(seconds - 0.45, abs=0.1)


def test_what_is_too_long_is_refused_as_before(client):
    response = post(client, "?timeline=1", wav(recording((1,), 61)))
    assert response.status_code == 413 and response.json["error"]["code"] == "sound_too_long"


def test_a_silent_second_has_no_score_but_a_reason(network):
    samples = recording((1.0,), 6)
    samples[2 * RATE : 4 * RATE] = 0
    windows = tosa.Model(network).screen(sound=wav(samples), timeline=True)["timeline"]["windows"]
    silent = [window for window in windows if window["scores"] is None]
    assert [window["start"] for window in silent] == [2.0, 2.5, 3.0]
    assert all(window == {**window, "reason": "silence"} and "score" not in window for window in silent)


def test_at_is_about_the_second_around_a_time_with_the_score_of_the_timeline(client):
    found = post(client, "?timeline=1").json["timeline"]
    for episode in found["episodes"]:
        answer = post(client, f"?explain=1&at={episode['peak_time']}").json
        (finding,) = answer["findings"]
        (window,) = [each for each in found["windows"] if each["start"] == finding["window"]["start"]]
        assert finding["scores"] == pytest.approx(window["scores"]) and finding["diagnosis"] == "sick"
        assert window["start"] <= episode["peak_time"] <= window["end"] == finding["window"]["end"]
        assert finding["explanation"].startswith("data:image/png") and "timeline" not in answer
    assert post(client, "?at=5.5").json["diagnosis"] == "not sick"
    assert post(client, "?at=0").json["findings"][0]["window"]["start"] == 0
    assert post(client, "?at=16").json["findings"][0]["window"]["end"] == 16


def test_a_silent_second_is_refused_at_its_time(client):
    samples = recording((1.0,), 6)
    samples[2 * RATE :] = 0
    response = post(client, "?at=4", wav(samples))
    assert response.status_code == 422 and response.json["error"]["code"] == "silence"


@pytest.mark.parametrize("query, says", [
    ("?timeline=2", "timeline='2'"), ("?at=-1", "at='-1'"), ("?at=nan", "at='nan'"), ("?at=inf", "at='inf'"),
    ("?at=x", "at='x'"), ("?at=", "at=''"), ("?at=16.5", "at=16.5 is after the end of the sound, which lasts 16.00"),
])  # fmt: skip
def test_a_parameter_that_is_not_known_is_named(client, query, says):
    response = post(client, query)
    assert response.status_code == 400 and response.json["error"]["code"] == "bad_parameter"
    assert says in response.json["error"]["message"]


@pytest.mark.parametrize("query", ["?timeline=1", "?at=1"])
def test_a_picture_alone_has_no_timeline(client, query):
    response = post(client, query, None, image_data=PICTURE)
    assert response.status_code == 400 and response.json["error"]["code"] == "bad_parameter"
    assert "needs a sound" in response.json["error"]["message"]


def test_both_parts_get_the_findings_of_both_and_the_timeline_of_the_sound(small_graph):
    client = app_module.create_app(Network.load(*small_graph), settings.Settings()).test_client()
    answer = post(client, "?timeline=1&explain=1&at=3.3", image_data=PICTURE).json
    assert [("window" in finding, "explanation" in finding) for finding in answer["findings"]] == [
        (True, True), (False, True), (False, True),
    ]  # fmt: skip
    found = answer["timeline"]
    assert "episodes" not in found and "threshold" not in found  # the small graph has no operating point
    assert found["episodes_missing"] == timeline.NO_EPISODES
    assert all("score" not in window and sum(window["scores"].values()) == pytest.approx(1)
               for window in found["windows"])  # fmt: skip


def test_a_graph_without_a_task_on_sounds_says_so(network, monkeypatch):
    monkeypatch.setattr(network, "tasks", {})
    with pytest.raises(errors.TaskMissing):
        timeline.timeline_of(network, recording(TIMES, 16))


def test_long_requests_leave_slots_to_the_others():
    slots, working, done = Slots(4), threading.Event(), threading.Event()

    def work():
        with slots.at_work(is_long=True):
            working.set()
            done.wait(30)

    thread = threading.Thread(target=work)
    thread.start()
    working.wait(30)
    with slots.at_work(), slots.at_work(), slots.at_work():
        pass
    with pytest.raises(errors.Busy), slots.at_work(is_long=True):
        pass
    done.set()
    thread.join()
    with slots.at_work(is_long=True):
        pass


def test_the_embedded_graph_finds_three_bouts_of_coughing(monkeypatch):
    """Synthesised as examples/cough.wav is; a single synthesised cough is too little for the network."""
    for name in ("TOSA_GRAPH", "TOSA_LABELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(ROOT / "examples")
    import make_examples

    rate, bout = make_examples.RATE, make_examples.coughs()
    sound = np.random.default_rng(1).normal(0, 0.0005, 14 * rate).astype(np.float32)
    starts = (0.5, 5, 9.5)
    for start in starts:
        sound[round(start * rate) : round(start * rate) + len(bout)] += bout
    model = tosa.load()
    found = model.screen(sound=wav(sound, rate), timeline=True)["timeline"]
    assert found["task"] in screening.PRIMARY and found["labels"] == ["sick"]
    assert len(found["episodes"]) == 3
    for episode, start in zip(found["episodes"], starts, strict=True):
        assert start + 0.2 <= episode["start"] < episode["end"] <= start + len(bout) / rate
        assert episode["peaks"] >= 2
