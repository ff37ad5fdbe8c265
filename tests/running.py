"""`python app.py` in a process of its own, for tests that look at it from outside."""

import contextlib
import http.client
import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
READY = "answers on"
TORTURE = "TORTURE" in os.environ  # the long versions, see `make torture`
PATIENCE = float(os.environ.get("PATIENCE", "1"))  # by which every time limit of a test is multiplied on a busy machine


PORTS = range(10_000, 32_000)  # below those that Linux gives to outgoing connections, which might take one meanwhile


def free_port() -> int:
    """A port that nothing listens on, chosen by chance, so that tests in other processes hardly choose the same."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as listening, contextlib.suppress(OSError):
            listening.bind(("127.0.0.1", port))
            return port


class Lines:
    """The lines a process prints: one after the other, each within some seconds or the test fails, and all of them."""

    def __init__(self, stream):
        self.all: list[str] = []
        self.printed = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            self.all.append(line)
            self.printed.put(line)

    def next(self, seconds=60) -> str:
        try:
            return self.printed.get(timeout=seconds * PATIENCE)
        except queue.Empty:
            pytest.fail(f"the server printed nothing in {seconds} s")


class Running:
    """A server on a free port, with a temporary folder of its own; a context manager that ends it with SIGTERM."""

    def __init__(
        self, graph: Path, labels: Path | None, temporary: Path, command=("app.py",), cwd: Path = ROOT, **variables
    ):
        self.port, self.temporary = free_port(), temporary
        names = {"TOSA_GRAPH": graph, "TOSA_LABELS": labels, "TOSA_PORT": self.port, "TMPDIR": temporary, **variables}
        variables = {name: str(value) for name, value in names.items() if value is not None}
        self.process = subprocess.Popen(
            [sys.executable, *command], cwd=cwd, env=os.environ | variables,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        self.said = ""
        try:
            while READY not in self.said:
                self.said += self.out.next()
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(12 * PATIENCE) == 0, "".join(self.err.all[-20:])
        finally:
            self.process.kill()

    def post(self, body=b"", headers=None, path="/", timeout=30) -> tuple[int, dict, http.client.HTTPMessage]:
        """Status, JSON and headers of the answer to a POST; an iterable body is sent chunked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)
        try:
            connection.request("POST", path, body, headers or {}, encode_chunked=not isinstance(body, bytes))
            response = connection.getresponse()
            return response.status, json.loads(response.read()), response.headers
        finally:
            connection.close()

    def get(self, path: str) -> bytes:
        """The body of the answer to a GET, which has to be 200."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30 * PATIENCE) as response:
            return response.read()

    def processes(self) -> list[int]:
        """Numbers of the server's process and those it started."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [self.process.pid, *(int(number) for file in children for number in file.read_text().split())]

    def resident(self) -> int:
        """Bytes of memory of all its processes, what they share counted once."""
        return sum(_field(pid, "Pss:") for pid in self.processes()) * 1024

    def open_files(self) -> list[str]:
        """What all its processes have open."""
        return [
            os.readlink(file) for pid in self.processes() for file in Path(f"/proc/{pid}/fd").iterdir() if _exists(file)
        ]


def _field(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise KeyError(name)


def _exists(link: Path) -> bool:
    try:
        os.readlink(link)
        return True
    except FileNotFoundError:
        return False
