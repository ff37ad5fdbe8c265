"""The files and clients of examples/, against a server with the embedded graph."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from running import PATIENCE, ROOT, Running
from tosa import settings

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    config = settings.Settings()
    with Running(config.graph, config.labels, tmp_path_factory.mktemp("examples")) as running:
        yield running


def run(*command: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60 * PATIENCE)


def test_the_files_are_what_their_script_makes(tmp_path):
    assert run(sys.executable, EXAMPLES / "make_examples.py", tmp_path).returncode == 0
    made, kept = (np.asarray(Image.open(folder / "phantom-xray.jpg"), int) for folder in (tmp_path, EXAMPLES))
    assert made.shape == kept.shape
    assert np.abs(made - kept).max() <= 8  # JPEG encoders differ a little
    made, kept = (soundfile.read(folder / "cough.wav")[0] for folder in (tmp_path, EXAMPLES))
    assert np.abs(made - kept).max() < 1e-3
    assert sum(file.stat().st_size for file in EXAMPLES.iterdir() if file.is_file()) < 150_000


def test_the_synthesised_cough_is_sick(server):
    status, answer, _ = server.post((EXAMPLES / "cough.wav").read_bytes(), {"Content-Type": "audio/wav"})
    assert (status, answer["diagnosis"]) == (200, "sick")


def test_the_phantom_passes_the_gate(server):
    status, answer, _ = server.post((EXAMPLES / "phantom-xray.jpg").read_bytes(), {"Content-Type": "image/jpeg"})
    assert status == 200
    assert [finding["task"] for finding in answer["findings"]] == ["pneumonia", "covid"]


def test_the_python_client_prints_findings(server):
    files = ["examples/cough.wav", "examples/phantom-xray.jpg"]
    ran = run(sys.executable, EXAMPLES / "client.py", *files, "--server", f"http://127.0.0.1:{server.port}")
    assert ran.returncode == 0
    lines = ran.stdout.splitlines()
    assert [line.rsplit(":", 1)[0] for line in lines[:2]] == [f"{files[0]}: cough", f"{files[1]}: pneumonia"]
    assert "a demonstration" in lines[2]


def test_the_python_client_prints_refusals(server):
    ran = run(sys.executable, EXAMPLES / "client.py", "README.md", "--server", f"http://127.0.0.1:{server.port}")
    assert ran.returncode == 1
    assert ran.stdout.startswith("README.md: refused (unsupported_format): ")


def test_the_python_client_says_what_it_cannot_reach():
    ran = run(sys.executable, EXAMPLES / "client.py", "README.md", "--server", "http://127.0.0.1:1")
    assert ran.returncode == 1 and ran.stderr.startswith("No answer from http://127.0.0.1:1: ")
    ran = run(sys.executable, EXAMPLES / "client.py", "nothing.wav")
    assert ran.returncode == 1 and ran.stderr.startswith("Cannot read 'nothing.wav': ")


def test_the_shell_client_prints_diagnosis_and_score(server):
    ran = run("sh", EXAMPLES / "client.sh", "examples/cough.wav", f"http://127.0.0.1:{server.port}")
    assert ran.returncode == 0, ran.stderr
    diagnosis, score = ran.stdout.splitlines()
    assert diagnosis.replace(" ", "") == '"diagnosis":"sick"'
    assert 0.5 < float(score.partition(":")[2]) <= 1


def test_the_shell_client_fails_on_refusals(server):
    ran = run("sh", EXAMPLES / "client.sh", "README.md", f"http://127.0.0.1:{server.port}")
    assert ran.returncode == 1
    assert "unsupported_format" in ran.stderr
    assert run("sh", EXAMPLES / "client.sh", "no/such/file").returncode == 2
