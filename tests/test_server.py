"""The app as users start it, asked with curl."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from pictures import dicom, encoded, phantom
from sounds import container, coughs, wav

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


@pytest.fixture(scope="module")
def server(small_graph):
    port = free_port()
    names = {"TOSA_GRAPH": str(small_graph[0]), "TOSA_LABELS": str(small_graph[1]), "TOSA_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | names, text=True, stdout=subprocess.PIPE
    )
    started = [process.stdout.readline()]
    while "answers on" not in started[-1]:
        assert process.poll() is None, started
        started.append(process.stdout.readline())
    yield port, process, "".join(started)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def curl(*arguments) -> str:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, check=True, timeout=30).stdout


def test_start_up_says_what_was_loaded(server):
    port, _, said = server
    assert "sha256" in said and "cough: not sick, sick" in said and f"http://127.0.0.1:{port}" in said


@pytest.mark.parametrize("name", FILES)
def test_curl(server, tmp_path, name):
    port, process, _ = server
    part, make = FILES[name]
    file = tmp_path / name
    file.write_bytes(make())
    answer = json.loads(curl("-F", f"{part}=@{file}", f"localhost:{port}"))
    line = json.loads(process.stdout.readline())
    assert line == {"diagnosis": answer["diagnosis"], "score": answer["score"]}


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


def test_missing_graph_is_said(tmp_path):
    names = {"TOSA_GRAPH": str(tmp_path / "none.pb")}
    process = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | names, text=True, capture_output=True, timeout=60
    )
    assert process.returncode == 1 and "none.pb" in process.stderr and "Traceback" not in process.stderr


def test_serving_does_not_import_tensorflow(small_graph):
    code = (
        "import sys, pathlib, app; from tosa.network import Network;"
        f"app.create_app(Network.load(pathlib.Path({str(small_graph[0])!r}), pathlib.Path({str(small_graph[1])!r})));"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
