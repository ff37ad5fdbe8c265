"""Whatever is sent: an answer within two seconds, as the table says, and nothing left behind."""

import math
import socket
import time

import pytest

from hostile import CUT, FILES, TABLE, cut
from running import PATIENCE, Running

pytestmark = pytest.mark.serial  # each answer is timed
SECONDS = 2.0
GROWTH = 50 * 2**20  # bytes of resident memory that the whole table may leave behind


@pytest.fixture(scope="module")
def server(small_graph, tmp_path_factory):
    with Running(*small_graph, tmp_path_factory.mktemp("temporary")) as running:
        for make in [*FILES.values()] * 4:  # so that what each thread keeps and what is imported on first use is there
            headers, body = make()
            assert running.post(body, headers)[0] == 200
        time.sleep(2)  # in which freed memory goes back
        before = running.resident()
        yield running
        time.sleep(2)
        assert running.resident() < before + GROWTH
        assert not any("Traceback" in line for line in running.err.all)


def ask(server, sent) -> tuple[int, str | None]:
    """Status and code, once all that holds for every answer was checked."""
    headers, body = sent
    started = time.monotonic()
    status, answer, answered = server.post(body, headers)
    assert time.monotonic() - started < SECONDS * PATIENCE
    assert answered["Content-Type"] == "application/json"
    assert not list(server.temporary.iterdir())
    if status == 200:
        for finding in answer["findings"]:
            assert all(math.isfinite(score) for score in finding["scores"].values())
            assert sum(finding["scores"].values()) == pytest.approx(1)
        return status, None
    assert set(answer) == {"error"} and set(answer["error"]) == {"code", "message"}
    assert len(answer["error"]["message"]) > 20 and "Traceback" not in answer["error"]["message"]
    return status, answer["error"]["code"]


@pytest.mark.parametrize("name", TABLE)
def test_answers_as_the_table_says(server, name):
    make, status, code = TABLE[name]
    assert ask(server, make()) == (status, code)


@pytest.mark.parametrize("name", FILES)
def test_cut_at_every_tenth(server, name):
    codes = [ask(server, cut(FILES[name](), tenths))[1] for tenths in range(1, 10)]
    assert codes == CUT[name]


@pytest.mark.parametrize("length", [10, 1000, 100_000])
def test_a_client_that_leaves_in_the_middle(server, length):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: 200000\r\n\r\n"
        client.sendall((head + bytes(100_000))[:length])
    assert ask(server, FILES["wav"]()) == (200, None)


def test_headers_without_end(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS * PATIENCE) as client:
        client.sendall(b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 50_000)
        assert client.recv(100).startswith(b"HTTP/1.0 431")
