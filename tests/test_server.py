"""The app as users start it, asked with curl."""

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import waitress
from PIL import Image
from waitress.server import BaseWSGIServer

import app as app_module
import tosa.server
from pictures import dicom, encoded, phantom
from sounds import container, coughs, wav
from tosa import settings

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "cough.wav": ("audio_data", lambda: wav(coughs())),
    "cough.webm": ("audio_data", lambda: container(coughs(rate=48_000), "webm", "libopus")),
    "chest.png": ("image_data", lambda: encoded(Image.fromarray(phantom()))),
    "chest.dcm": ("image_data", lambda: dicom(phantom())),
}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class Lines:
    """The lines a process prints, each within some seconds or the test fails."""

    def __init__(self, stream):
        self.printed = queue.Queue()
        threading.Thread(target=lambda: [self.printed.put(line) for line in stream], daemon=True).start()

    def next(self, seconds=60) -> str:
        try:
            return self.printed.get(timeout=seconds)
        except queue.Empty:
            pytest.fail(f"the server printed nothing in {seconds} s")


@pytest.fixture(scope="module")
def server(small_graph):
    """`python app.py` while it runs: its port, its further lines and what it said at the start."""
    port = free_port()
    names = {"TOSA_GRAPH": str(small_graph[0]), "TOSA_LABELS": str(small_graph[1]), "TOSA_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | names, text=True, stdout=subprocess.PIPE
    )
    try:
        lines = Lines(process.stdout)
        started = [lines.next()]
        while "answers on" not in started[-1]:
            started.append(lines.next())
        yield port, lines, "".join(started)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()


def curl(*arguments) -> str:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, check=True, timeout=30).stdout


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
    assert answer["error"]["code"] == "too_large" and time.monotonic() - started < 2


def test_port_in_use_is_said(server, small_graph):
    port, _, _ = server
    names = {"TOSA_GRAPH": str(small_graph[0]), "TOSA_LABELS": str(small_graph[1]), "TOSA_PORT": str(port)}
    second = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | names, text=True, capture_output=True, timeout=60
    )
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
            listening = tosa.server.make(lambda *_: [], settings.Settings())
        servers = [each for each in listening.map.values() if isinstance(each, BaseWSGIServer)]
        assert [each.channel_class for each in servers] == [tosa.server.Channel] * 2
        listening.close()


def test_large_answers_stay_in_memory():
    listening = tosa.server.make(lambda *_: [], settings.Settings(port=free_port()))
    assert listening.adj.outbuf_overflow >= settings.MAX_BODY_BYTES <= listening.adj.inbuf_overflow
    listening.close()


@pytest.mark.parametrize(
    "name, value", [("PORT", "abc"), ("PORT", "99999"), ("PORT", "0"), ("SLOTS", "0"), ("SLOTS", "-1"), ("HOST", "?")]
)
def test_a_setting_that_makes_no_sense_is_named(small_graph, name, value, capsys, monkeypatch):
    monkeypatch.setenv("TOSA_GRAPH", str(small_graph[0]))
    monkeypatch.setenv("TOSA_LABELS", str(small_graph[1]))
    monkeypatch.setenv(f"TOSA_{name}", value)
    assert app_module.main() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"TOSA_{name}" in said


def test_missing_graph_is_said(tmp_path):
    names = {"TOSA_GRAPH": str(tmp_path / "none.pb")}
    process = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | names, text=True, capture_output=True, timeout=60
    )
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
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | names, input=wav(coughs()), timeout=60, check=True
    )
