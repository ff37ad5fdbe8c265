"""A real server under load, short in `make test`; `make torture` takes the full times and numbers."""

import http.client
import signal
import socket
import statistics
import threading
import time

import pytest

from running import PATIENCE, TORTURE, Running
from sounds import coughs, wav

SOUND = wav(coughs(1.0), subtype="PCM_16")
HEADERS = {"Content-Type": "audio/wav"}
STEADY_SECONDS = 600 if TORTURE else 5
pytestmark = pytest.mark.serial  # time, and memory that is shared with other servers while they run
REQUESTS = (500, 10_000) if TORTURE else (200, 600)  # to warm up, and in all
CLIENTS = 4


@pytest.fixture
def server(request, small_graph, tmp_path):
    """The small graph answers at once, so it is the server that is tried; the long version tries the embedded one."""
    from tosa import settings

    graph, labels = (settings.Settings().graph, settings.Settings().labels) if TORTURE else small_graph
    with Running(graph, labels, tmp_path) as running:
        for _ in range(10):
            assert running.post(SOUND, HEADERS)[0] == 200
        yield running


class Client:
    """A connection that is kept."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30 * PATIENCE)

    def ask(self) -> tuple[int, float]:
        """Status, and seconds that the answer took."""
        started = time.perf_counter()
        self.connection.request("POST", "/", SOUND, HEADERS)
        response = self.connection.getresponse()
        response.read()
        if response.status == 503:
            assert int(response.headers["Retry-After"]) > 0
        return response.status, time.perf_counter() - started


def at_once(count: int, work) -> None:
    """Call work(number) in `count` threads; raise the first thing that one of them raises."""
    raised = []

    def run(number):
        try:
            work(number)
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def as_fast_as_possible(port: int, seconds: float) -> list[tuple[int, float]]:
    answers, until = [], time.monotonic() + seconds

    def work(_):
        client = Client(port)
        while time.monotonic() < until:
            answers.append(client.ask())

    at_once(CLIENTS, work)
    return answers


def at_rate(port: int, rate: float, seconds: float) -> list[tuple[int, float]]:
    """Ask at fixed times, whether or not what was asked before is answered."""
    answers, started = [], time.monotonic()

    def work(number):
        client = Client(port)
        for turn in range(number, int(rate * seconds), 16):
            time.sleep(max(0, started + turn / rate - time.monotonic()))
            answers.append(client.ask())

    at_once(16, work)
    return answers


def test_steady_load(server):
    seconds = max(3, STEADY_SECONDS / 20)
    peak = len(as_fast_as_possible(server.port, seconds)) / seconds
    answers = at_rate(server.port, 0.7 * peak, STEADY_SECONDS)
    times = sorted(took for _, took in answers)
    median, p99 = statistics.median(times), times[int(len(times) * 0.99)]
    print(f"peak {peak:.1f}/s; at 70 %: {len(times)} answers, median {median * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms")
    assert {status for status, _ in answers} == {200}
    assert p99 < 5 * median or not TORTURE  # a few seconds say nothing of the slowest hundredth


def test_a_burst_is_answered_or_told_to_wait(server):
    clients = [Client(server.port) for _ in range(200)]
    for client in clients:
        client.connection.connect()
    ready, answers = threading.Barrier(len(clients)), []

    def work(number):
        ready.wait()
        answers.append(clients[number].ask())

    at_once(len(clients), work)
    statuses = [status for status, _ in answers]
    print(f"of 200 at once {statuses.count(200)} were answered, the last after {max(t for _, t in answers):.2f} s")
    assert len(statuses) == 200 and set(statuses) <= {200, 503} and statuses.count(200) >= 10
    time.sleep(1)
    status, took = Client(server.port).ask()
    assert status == 200 and took < 4 * PATIENCE


def test_stalled_uploads_stop_nobody(server):
    stalled = []
    for number in range(50):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: 1000000\r\n\r\n")
        if number % 2:
            connection.sendall(SOUND)
        stalled.append(connection)
    alone = min(Client(server.port).ask()[1] for _ in range(5))
    status, took = Client(server.port).ask()
    assert status == 200 and took < (alone * 5 + 0.5) * PATIENCE
    for connection in stalled:
        connection.close()
    assert Client(server.port).ask()[0] == 200


def test_memory_and_files_stay(server):
    client, marks = Client(server.port), []
    for count in range(REQUESTS[1]):
        assert client.ask()[0] == 200
        if count + 1 in REQUESTS:
            marks.append((server.resident(), len(server.open_files())))
    (memory, files), (memory_after, files_after) = marks
    print(f"{memory / 2**20:.0f} MB after {REQUESTS[0]}, {memory_after / 2**20:.0f} MB after {REQUESTS[1]} requests")
    assert memory_after < 1.05 * memory and files_after <= files


def test_sigterm_finishes_what_is_in_hand(small_graph, tmp_path):
    server = Running(*small_graph, tmp_path)
    sent, done, stopped = [], threading.Event(), []

    def work(_):
        while not done.is_set():
            started = time.monotonic()
            try:
                sent.append((started, server.post(SOUND, HEADERS)[0]))
            except OSError as error:
                sent.append((started, error))
                done.wait(0.01)

    def stop():
        time.sleep(1.5)
        stopped.append(time.monotonic())
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10 * PATIENCE) == 0
        stopped.append(time.monotonic())
        done.set()

    with server.process:
        try:
            at_once(9, lambda number: stop() if number == 8 else work(number))
        finally:
            done.set()
            server.process.kill()
    before = [status for started, status in sent if started < stopped[0]]
    assert len(before) >= 8 and set(before) <= {200, 503}
    assert any(isinstance(status, ConnectionRefusedError) for started, status in sent if started > stopped[0])
    assert stopped[1] - stopped[0] < 10 * PATIENCE
