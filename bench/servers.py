"""Compares Waitress and gunicorn with the same app, the same number of threads and the same decoding processes.

    python bench/servers.py [--seconds 10] [--rounds 3]

For each: answers a second to four clients, median and slowest hundredth in milliseconds, the median again while 50
uploads stall, and resident megabytes. Servers take turns, so that whatever else the machine does slows all alike.
"""

import argparse
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sounds import coughs, wav  # noqa: E402
from tosa import settings  # noqa: E402
from tosa.inputs import decoder_pool  # noqa: E402
from tosa.web import server  # noqa: E402

THREADS = settings.Settings().slots + settings.MAX_WAITING + 2
GUNICORN = [sys.executable, "-m", "gunicorn", "bench.servers:application()", "--threads", str(THREADS), "--timeout=60"]
SERVERS = {
    "waitress": [sys.executable, __file__, "--serve"],
    "gunicorn": [*GUNICORN, "--workers=1"],
    "gunicorn, 2 processes": [*GUNICORN, "--workers=2"],
}
SOUND, HEADERS = wav(coughs()), {"Content-Type": "audio/wav"}
STALLED = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: 1000000\r\n\r\n" + bytes(1000)


class Refused(Exception):
    """A server answered with another status than 200."""


def application():
    """Returns the app, as both servers load it."""
    from app import create_app

    return create_app(decode=decoder_pool.Pool(min(os.cpu_count() or 1, settings.MAX_DECODERS)))


def ask(connection: http.client.HTTPConnection) -> float:
    """Returns the seconds that one answer takes."""
    started = time.perf_counter()
    connection.request("POST", "/", SOUND, HEADERS)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise Refused(f"status {response.status}")
    return time.perf_counter() - started


def times(port: int, seconds: float, clients: int = 4) -> list[float]:
    """Returns the seconds of each answer to clients that ask again as soon as they are answered."""
    taken, until = [], time.monotonic() + seconds

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < until:
            taken.append(ask(connection))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def while_stalled(port: int) -> float | None:
    """Returns the median seconds of 20 answers while 50 uploads stall; None if there is no answer."""
    stalled = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for connection in stalled:
        connection.sendall(STALLED)
    time.sleep(1)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        return statistics.median(ask(connection) for _ in range(20))
    except (TimeoutError, Refused):
        return None
    finally:
        for connection in stalled:
            connection.close()


def resident(process: int) -> int:
    """Returns the kilobytes of a process and its descendants; shared memory counts once."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    threads = Path(f"/proc/{process}/task").glob("*/children")
    children = [child for file in threads for child in file.read_text().split()]
    own = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return own + sum(resident(int(child)) for child in children)


def measure(command: list[str], seconds: float) -> tuple[list[float], float | None, int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = os.environ | {"TOSA_PORT": str(port), "TOSA_LOG": "0", "PYTHONPATH": str(ROOT)}
    bind = ["--bind", f"127.0.0.1:{port}"] if "gunicorn" in command else []
    process = subprocess.Popen(
        [*command, *bind], cwd=ROOT, env=names, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                ask(http.client.HTTPConnection("127.0.0.1", port, timeout=60))
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        return times(port, seconds), while_stalled(port), resident(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def main(seconds: float, rounds: int) -> None:
    measured = {name: [] for name in SERVERS}
    for _ in range(rounds):
        for name, command in SERVERS.items():
            measured[name].append(measure(command, seconds))
    print(f"{'server':<24}{'a second':>10}{'median ms':>11}{'p99 ms':>9}{'stalled ms':>12}{'MB':>7}")
    for name, found in measured.items():
        taken = sorted(second for answers, _, _ in found for second in answers)
        stalled = [median for _, median, _ in found if median is not None]
        print(
            f"{name:<24}{len(taken) / rounds / seconds:>10.1f}{statistics.median(taken) * 1e3:>11.1f}"
            f"{taken[int(len(taken) * 0.99)] * 1e3:>9.1f}"
            f"{f'{statistics.median(stalled) * 1e3:.1f}' if stalled else 'no answer':>12}"
            f"{statistics.median(kilobytes for _, _, kilobytes in found) / 1024:>7.0f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        listening = server.make(application(), settings.Settings())
        server.stop_on_signals(listening)
        server.run(listening)
    else:
        main(options.seconds, options.rounds)
