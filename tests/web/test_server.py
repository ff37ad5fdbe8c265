"""The app as users start it, asked with curl."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
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


@pytest.mark.serial
def test_far_too_large_is_json_too_and_said_at_once(server, tmp_path):
    port, _, _ = server
    file = tmp_path / "large"
    with open(file, "wb") as out:
        out.truncate(settings.MAX_BODY_BYTES + 5 * 2**20)
    started = time.monotonic()
    answer = json.loads(curl("-F", f"audio_data=@{file}", f"localhost:{port}"))
    assert answer["error"]["code"] == "too_large" and time.monotonic() - started < 2 * PATIENCE
    assert f"larger than {settings.MAX_BODY_BYTES // 2**20} MiB" in answer["error"]["message"]


@pytest.fixture
def serving():
    """Starts a server in this process with settings and an app; returns its port."""
    started = []

    def start(app, **given):
        config = settings.Settings(port=free_port(), **given)
        listening = web_server.make(app, config)
        thread = threading.Thread(target=web_server.run, args=(listening,), daemon=True)
        thread.start()
        started.append((listening, thread))
        return config.port

    yield start
    for listening, thread in started:
        for each in web_server._listening(web_server._sockets(listening)):
            each.accepting = False
        web_server._listening(web_server._sockets(listening))[0].pull_trigger()
        thread.join(20 * PATIENCE)


def echo(environ, start_response):
    """Answers with the length of the body."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(len(body)).encode()]


class TestUploadMemory:
    """The bodies of all uploads in progress fit into TOSA_UPLOAD_MEMORY; what does not is refused and forgotten."""

    LIMIT = 2 * settings.MAX_BODY_BYTES // 2**20  # MiB: one whole body

    @staticmethod
    def begin(port, size, sent):
        """A connection that has sent a part of an upload of so many bytes."""
        connection = socket.create_connection(("127.0.0.1", port), timeout=30 * PATIENCE)
        connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(sent // 2**20):
            connection.sendall(bytes(2**20))
        return connection

    def send_whole(self, port, size):
        """Send an upload of so many bytes until it is answered: the memory of an earlier one comes back soon."""
        until = time.monotonic() + 30 * PATIENCE
        while True:
            with self.begin(port, size, 0) as whole, contextlib.suppress(OSError):
                whole.sendall(bytes(size))
                if whole.recv(100).startswith(b"HTTP/1.1 200"):
                    return
            assert time.monotonic() < until
            time.sleep(0.1)

    def test_what_does_not_fit_is_refused_and_the_memory_comes_back(self, serving):
        port, size = serving(echo, upload_memory=self.LIMIT), 50 * 2**20
        stalled = self.begin(port, size, size - 2**20)
        refused = self.begin(port, size, 30 * 2**20)
        answer = http.client.HTTPResponse(refused)
        answer.begin()
        assert answer.status == 503 and answer.headers["Retry-After"]
        assert json.loads(answer.read())["error"]["code"] == "busy"
        stalled.sendall(bytes(2**20))  # the one that was first is answered
        assert stalled.recv(100).startswith(b"HTTP/1.1 200")
        refused.close(), stalled.close()
        for _ in range(3):  # nothing is left over from them
            self.send_whole(port, size)

    def test_a_client_that_leaves_frees_its_memory(self, serving):
        port, size = serving(echo, upload_memory=self.LIMIT), 50 * 2**20
        self.begin(port, size, 40 * 2**20).close()
        self.send_whole(port, size)

    def test_chunked_bodies_count_too(self, serving):
        port = serving(echo, upload_memory=20)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30 * PATIENCE)
        connection.request("POST", "/", (bytes(2**20) for _ in range(12)), encode_chunked=True)
        assert connection.getresponse().status == 503


def fetch(port, host="127.0.0.1", **headers):
    connection = http.client.HTTPConnection(host, port, timeout=30 * PATIENCE)
    connection.request("GET", "/", headers=headers)
    return connection.getresponse()


def seen(environ, start_response):
    """What the app would believe of its address."""
    start_response("200 OK", [("Content-Type", "application/json")])
    names = ("HTTP_HOST", "wsgi.url_scheme", "SCRIPT_NAME", "REMOTE_ADDR")
    return [json.dumps({name: environ[name] for name in names}).encode()]


FORWARDED = {
    "X-Forwarded-Host": "tosa.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/tosa",
    "X-Forwarded-For": "192.0.2.1",
}  # fmt: skip


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_as_many_proxies_are_trusted_as_the_setting_says(serving, proxies):
    config = settings.Settings(proxies=proxies)
    app = app_module.create_app(SimpleNamespace(tasks={}), config)
    fixed = app.wsgi_app
    while hasattr(fixed, "app"):  # what stands before Flask stays, Flask itself is replaced
        if not hasattr(fixed.app, "app"):
            fixed.app = seen
            break
        fixed = fixed.app
    port = serving(app.wsgi_app if proxies else seen, proxies=proxies)
    told = json.loads(fetch(port, **FORWARDED).read())
    if proxies == 1:
        assert told == {"HTTP_HOST": "tosa.example", "wsgi.url_scheme": "https", "SCRIPT_NAME": "/tosa",
                        "REMOTE_ADDR": "192.0.2.1"}  # fmt: skip
    else:
        assert told == {"HTTP_HOST": f"127.0.0.1:{port}", "wsgi.url_scheme": "http", "SCRIPT_NAME": "",
                        "REMOTE_ADDR": "127.0.0.1"}  # fmt: skip


@pytest.mark.skipif(not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists(), reason="IPv6 is off here")
def test_two_colons_stand_for_both_families(serving):
    port = serving(seen, host="::")
    for host in ("127.0.0.1", "::1"):
        assert fetch(port, host).status == 200


def test_an_ipv6_address_is_printed_in_brackets():
    assert web_server.authority(settings.Settings(host="::", port=5000)) == "[::]:5000"
    assert web_server.authority(settings.Settings(host="localhost", port=80)) == "localhost:80"


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

        def on_two_sockets(app, listen, **options):
            return made(app, sockets=[one, two], **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(waitress, "create_server", on_two_sockets)
            listening = web_server.make(lambda *_: [], settings.Settings())
        servers = [each for each in listening.map.values() if isinstance(each, BaseWSGIServer)]
        assert [each.channel_class for each in servers] == [web_server.Channel] * 2
        listening.close()


@pytest.fixture
def held(slow_screening, monkeypatch):
    """A server in this process with one slot and no room to wait, whose work goes on until it is let go."""
    monkeypatch.setattr(settings, "MAX_WAITING", 0)
    inside, leave = slow_screening
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
    until = time.monotonic() + 30 * PATIENCE
    while (response := ask(port)).status == 503:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert response.status == 200


@pytest.mark.serial
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
    names = {"TOSA_GRAPH": str(tmp_path / "none.pb"), "TOSA_PORT": str(free_port())}
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
