"""The app as users start it, asked with curl."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import waitress
from PIL import Image
from waitress.server import BaseWSGIServer

from pictures import dicom, encoded, phantom
from running import PATIENCE, ROOT, Running, free_port
from sounds import container, coughs, wav
from tosa import settings
from tosa.web import app as app_module
from tosa.web import serve
from tosa.web import server as web_server

FILES = {
    "cough.wav": ("audio_data", lambda: wav(coughs())),
    "cough.webm": ("audio_data", lambda: container(coughs(rate=48_000), "webm", "libopus")),
    "chest.png": ("image_data", lambda: encoded(Image.fromarray(phantom()))),
    "chest.dcm": ("image_data", lambda: dicom(phantom())),
}


@pytest.fixture(scope="module")
def server(small_graph, tmp_path_factory):
    """`python app.py` while it runs: its port, its further lines and what it said at the start."""
    with Running(*small_graph, tmp_path_factory.mktemp("temporary")) as running:
        yield running.port, running.out, running.said


def curl(*arguments) -> str:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    command = ["curl", "-sS", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30 * PATIENCE).stdout


def test_start_up_says_what_was_loaded(server):
    port, _, said = server
    assert "sha256" in said and "cough: not sick, sick" in said and f"http://127.0.0.1:{port}" in said


@pytest.mark.parametrize("name", FILES)
def test_curl(server, tmp_path, name):
    port, lines, _ = server
    part, make = FILES[name]
    file = tmp_path / name
    file.write_bytes(make())
    answer = json.loads(curl("-F", f"{part}=@{file}", f"localhost:{port}"))
    line = json.loads(lines.next())
    assert line == {"diagnosis": answer["diagnosis"], "score": answer["score"]}


def test_curl_with_both_parts_and_with_a_raw_body(server, tmp_path):
    port, lines, _ = server
    for name in ("cough.wav", "chest.png"):
        (tmp_path / name).write_bytes(FILES[name][1]())
    sound, picture = tmp_path / "cough.wav", tmp_path / "chest.png"
    both = json.loads(curl("-F", f"image_data=@{picture}", "-F", f"audio_data=@{sound}", f"localhost:{port}"))
    assert [finding["task"] for finding in both["findings"]] == ["cough", "pneumonia", "covid"]
    raw = json.loads(curl("-H", "Content-Type: audio/wav", "--data-binary", f"@{sound}", f"localhost:{port}"))
    assert raw["findings"] == both["findings"][:1]
    for answer in (both, raw):
        assert json.loads(lines.next()) == {"diagnosis": answer["diagnosis"], "score": answer["score"]}


def test_far_too_large_is_json_too(server, tmp_path):
    port, _, _ = server
    file = tmp_path / "large"
    with open(file, "wb") as out:
        out.truncate(20 * 2**20)
    started = time.monotonic()
    answer = json.loads(curl("-F", f"audio_data=@{file}", f"localhost:{port}"))
    assert answer["error"]["code"] == "too_large" and time.monotonic() - started < 2 * PATIENCE


def test_port_in_use_is_said(server, small_graph):
    port, _, _ = server
    names = {"TOSA_GRAPH": str(small_graph[0]), "TOSA_LABELS": str(small_graph[1]), "TOSA_PORT": str(port)}
    second = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | names, text=True, capture_output=True,
        timeout=60 * PATIENCE,
    )  # fmt: skip
    assert second.returncode == 1 and "TOSA_PORT" in second.stderr and "Traceback" not in second.stderr


def test_every_socket_refuses_in_json():
    with socket.socket() as one, socket.socket() as two:
        for listening in (one, two):
            listening.bind(("127.0.0.1", 0))
        made = waitress.create_server

        def on_two_sockets(app, host, port, **options):
            return made(app, sockets=[one, two], **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(waitress, "create_server", on_two_sockets)
            listening = web_server.make(lambda *_: [], settings.Settings())
        servers = [each for each in listening.map.values() if isinstance(each, BaseWSGIServer)]
        assert [each.channel_class for each in servers] == [web_server.Channel] * 2
        listening.close()


@pytest.fixture
def held(monkeypatch):
    """A server in this process with one slot and no room to wait, whose work goes on until it is let go."""
    monkeypatch.setattr(settings, "MAX_WAITING", 0)
    inside, leave = threading.Semaphore(0), threading.Event()

    def slow(*_):
        inside.release()
        assert leave.wait(30 * PATIENCE)
        return {"diagnosis": "sick", "score": 1.0}

    monkeypatch.setattr(app_module.screening, "screen", slow)
    config = settings.Settings(port=free_port(), slots=1)
    listening = web_server.make(app_module.create_app(SimpleNamespace(tasks={}), config), config)
    thread = threading.Thread(target=web_server.run, args=(listening,), daemon=True)
    thread.start()
    yield config.port, inside, leave
    leave.set()
    listening.accepting = False
    listening.pull_trigger()
    thread.join(20 * PATIENCE)


def ask(port) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30 * PATIENCE)
    connection.request("POST", "/", wav(coughs(0.5)), {"Content-Type": "audio/wav"})
    return connection.getresponse()


def test_a_slot_is_held_until_the_work_ends_not_until_the_client_leaves(held):
    port, inside, leave = held
    leaver = http.client.HTTPConnection("127.0.0.1", port)
    leaver.request("POST", "/", wav(coughs(0.5)), {"Content-Type": "audio/wav"})
    assert inside.acquire(timeout=30 * PATIENCE)
    leaver.close()
    time.sleep(0.3)
    assert ask(port).status == 503
    leave.set()
    until = time.monotonic() + 5 * PATIENCE
    while (response := ask(port)).status == 503:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert response.status == 200


def test_full_is_said_within_100_milliseconds(held):
    port, inside, _ = held
    threading.Thread(target=ask, args=(port,), daemon=True).start()
    assert inside.acquire(timeout=30 * PATIENCE)
    times = []
    for _ in range(20):
        started = time.monotonic()
        response = ask(port)
        times.append(time.monotonic() - started)
        assert response.status == 503 and int(response.headers["Retry-After"]) > 0
    assert sorted(times)[18] < 0.1 * PATIENCE


def test_an_answer_on_its_way_survives_sigterm(small_graph, tmp_path):
    """The client reads late: what it was sent before the server stopped is there."""
    with Running(*small_graph, tmp_path) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30 * PATIENCE)
        connection.request("POST", "/?explain=1", wav(coughs()), {"Content-Type": "audio/wav"})
        running.process.terminate()
        response = connection.getresponse()
        assert response.status == 200 and json.loads(response.read())["findings"]


def test_large_answers_stay_in_memory():
    listening = web_server.make(lambda *_: [], settings.Settings(port=free_port()))
    assert listening.adj.outbuf_overflow >= settings.MAX_BODY_BYTES <= listening.adj.inbuf_overflow
    listening.close()


@pytest.mark.parametrize(
    "name, value", [("PORT", "abc"), ("PORT", "99999"), ("PORT", "0"), ("SLOTS", "0"), ("SLOTS", "-1"), ("HOST", "?")]
)
def test_a_setting_that_makes_no_sense_is_named(small_graph, name, value, capsys, monkeypatch):
    monkeypatch.setenv("TOSA_GRAPH", str(small_graph[0]))
    monkeypatch.setenv("TOSA_LABELS", str(small_graph[1]))
    monkeypatch.setenv(f"TOSA_{name}", value)
    assert serve.main() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"TOSA_{name}" in said


def test_labels_that_the_terminal_has_no_letters_for(small_graph, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text(small_graph[1].read_text(encoding="utf-8").replace("sick", "άρρωστος"), encoding="utf-8")
    with Running(small_graph[0], labels, tmp_path, PYTHONIOENCODING="ascii") as server:
        assert server.post(wav(coughs()), {"Content-Type": "audio/wav"})[0] == 200
        assert "\\u03ac" in server.said


def test_missing_graph_is_said(tmp_path):
    names = {"TOSA_GRAPH": str(tmp_path / "none.pb")}
    process = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | names, text=True, capture_output=True,
        timeout=60 * PATIENCE,
    )  # fmt: skip
    assert process.returncode == 1 and "none.pb" in process.stderr and "Traceback" not in process.stderr


def test_serving_does_not_import_tensorflow(small_graph):
    code = """
import io, sys, app
parts = {"audio_data": (io.BytesIO(sys.stdin.buffer.read()), "cough.wav")}
assert app.create_app().test_client().post("/?explain=1", data=parts).status_code == 200
assert "tensorflow" not in sys.modules
"""
    names = {"TOSA_GRAPH": str(small_graph[0]), "TOSA_LABELS": str(small_graph[1])}
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | names, input=wav(coughs()), check=True,
        timeout=60 * PATIENCE,
    )  # fmt: skip
