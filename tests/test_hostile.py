"""Whatever is sent: an answer within two seconds, of a status and code that stand in a table, and nothing left behind."""

import math
import socket
import time

import pytest

from hostile import FILES, TABLE
from running import Running

SECONDS = 2.0
GROWTH = 50 * 2**20  # bytes of resident memory that the whole table may leave behind
TENTHS = [(name, tenth) for name in FILES for tenth in range(1, 10)]


@pytest.fixture(scope="module")
def server(small_graph, tmp_path_factory):
    with Running(*small_graph, tmp_path_factory.mktemp("temporary")) as running:
        for make in FILES.values():  # so that what is imported on first use is there
            for _ in running.processes()[1:]:
                headers, body = make()
                assert running.post(body, headers)[0] == 200
        yield running


def ask(server, sent) -> tuple[int, str | None]:
    """Status and code, once all that holds for every answer was checked."""
    headers, body = sent
    started = time.monotonic()
    status, answer, answered = server.post(body, headers)
    assert time.monotonic() - started < SECONDS
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
