"""The processes that decode: the same answers as in this one, limits that hold, and a new one for each that is lost."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hostile import scans
from pictures import dicom, encoded, phantom
from running import PATIENCE, ROOT
from sounds import container, coughs, wav
from tosa import errors, settings
from tosa.inputs import decoder_pool, decoding
from tosa.preprocessing import Preprocessing

ENDING = """
import os
from tosa.inputs import decoder_pool
pool = decoder_pool.Pool(1)
pool.wait_until_ready()
print(pool._idle.queue[0].process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
SOUND, PICTURE = wav(coughs()), encoded(Image.fromarray(phantom()))
ODD = """
import sys
from tosa.inputs import decoder_process, decoding
class audio:
    @staticmethod
    def load_window(data, preprocessing):
        {what}
decoding.audio = audio
decoder_process.main()
"""


@pytest.fixture(scope="module")
def pool():
    with decoder_pool.Pool(2) as pool:
        pool.wait_until_ready()
        yield pool


@pytest.fixture
def odd(monkeypatch):
    """A function that makes a pool of one whose process does something else with a sound the first time."""
    made = []

    def make(what: str) -> decoder_pool.Pool:
        started, start = [], subprocess.Popen

        def popen(command, **options):
            started.append(command)
            return start(command if len(started) > 1 else [sys.executable, "-c", ODD.format(what=what)], **options)

        monkeypatch.setattr(decoder_pool.subprocess, "Popen", popen)
        made.append(decoder_pool.Pool(1))
        return made[0]

    yield make
    for pool in made:
        pool.__exit__()


def worker(pool) -> decoder_pool._Worker:
    return pool._idle.queue[-1]


@pytest.mark.parametrize(
    "kind, data",
    [
        ("sound", SOUND),
        ("sound", container(coughs(rate=48_000), "webm", "libopus")),
        ("picture", PICTURE),
        ("picture", dicom(phantom(2000, 2000).astype(np.uint16))),
    ],
)
def test_decodes_as_this_process_does(pool, kind, data):
    here, there = decoding.decode_file(kind, data), pool(kind, data)
    np.testing.assert_array_equal(there.array, here.array)
    assert there.array.dtype == here.array.dtype and there.seconds == here.seconds


@pytest.mark.parametrize("kind, data", [("sound", SOUND), ("picture", encoded(Image.fromarray(phantom(200, 300))))])
def test_each_request_has_its_preprocessing(pool, kind, data):
    """As when the graph is replaced while serving."""
    for other in (Preprocessing(sample_rate=16_000, f_max=7_000, size=224, geometry="letterbox"), Preprocessing()):
        here, there = decoding.decode_file(kind, data, other), pool(kind, data, other)
        assert there.array.shape == decoding.shape_of(kind, other)
        np.testing.assert_array_equal(there.array, here.array)


@pytest.mark.parametrize("kind, data", [("sound", wav(np.zeros(22_050))), ("picture", PICTURE[:900]), ("sound", b"")])
def test_refuses_as_this_process_does(pool, kind, data):
    with pytest.raises(errors.RequestError) as here:
        decoding.decode_file(kind, data)
    with pytest.raises(type(here.value)) as there:
        pool(kind, data)
    assert type(there.value) is type(here.value) and str(there.value) == str(here.value)


@contextmanager
def at_most(seconds: float, process):
    """The process ends meanwhile and works no longer than this, by the processor's time: others may be at work too."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    before = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") + _seconds_of_ended_processes()
    yield
    assert process.poll() is not None
    assert _seconds_of_ended_processes() - before < seconds


def _seconds_of_ended_processes() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


HARM = {
    "crashes": "import ctypes; ctypes.string_at(0)",
    "ends": "import os; os._exit(0)",
    "raises": "raise KeyError",
    "takes memory": "held = bytearray(2**31)",
    "works on and on": "while True: pass",
    "answers half": "import os; os.write(4, b'+1234'); os._exit(0)",
    "answers nonsense": "import os; os.write(4, bytes(99)); import time; time.sleep(99)",
    "answers too much": "import os; os.write(4, b'+' + bytes(8) + b'\\xff' * 99); import time; time.sleep(99)",
    "answers too little": "return decoding.np.zeros(3, 'f4'), 1.0",
    "answers what is not a number": "return decoding.np.full(55_125, decoding.np.nan, 'f4'), 1.0",
}


@pytest.mark.parametrize("name", HARM)
@pytest.mark.skipif(sys.platform != "linux", reason="limits and file numbers as Linux has them")
def test_a_lost_process_costs_one_request(odd, name, capfd):
    pool = odd(HARM[name])
    worker(pool).wait_until_ready()
    first = worker(pool).process
    with at_most(settings.MAX_DECODING_SECONDS + 0.5, first), pytest.raises(errors.Damaged):
        pool("sound", SOUND)
    assert worker(pool).process.pid != first.pid
    assert "decoding process was lost" in capfd.readouterr().err
    assert pool("sound", SOUND).array.shape == (Preprocessing().window_samples,)


def test_one_that_hangs_is_ended(odd, monkeypatch):
    monkeypatch.setattr(settings, "MAX_DECODING_WAIT", 0.5)
    pool = odd("import time; time.sleep(99)")
    worker(pool).wait_until_ready()
    with pytest.raises(errors.Damaged):
        pool("sound", SOUND)


def test_one_that_ended_while_idle_costs_nothing(pool):
    for _ in range(2):
        ended = worker(pool).process
        ended.kill()
        ended.wait()
        assert pool("sound", SOUND).array.shape == (Preprocessing().window_samples,)


def test_one_that_does_not_start_is_said(monkeypatch):
    start = subprocess.Popen
    monkeypatch.setattr(
        decoder_pool.subprocess, "Popen", lambda _, **options: start([sys.executable, "-c", "exit(3)"], **options)
    )
    with decoder_pool.Pool(1) as pool, pytest.raises(errors.DecoderError, match="status 3"):
        pool.wait_until_ready()


@pytest.mark.skipif(sys.platform != "linux", reason="processor time as Linux counts it")
def test_a_file_made_to_take_long_is_given_up(pool):
    data = scans()
    with at_most(settings.decoding_seconds(len(data)) + 0.5, worker(pool).process):
        with pytest.raises(errors.Damaged, match="too long"):
            pool("picture", data)


def test_many_threads_at_once(pool):
    wanted = decoding.decode_file("sound", SOUND).array
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(pool("sound", SOUND).array)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20 and all((answer == wanted).all() for answer in answers)


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux shows its processes")
class TestConfined:
    def test_limits(self, pool):
        limits = Path(f"/proc/{worker(pool).process.pid}/limits").read_text()
        for line in ("Max core file size        0", "Max file size             0", "Max open files            64"):
            assert line in limits
        assert f"Max address space         {settings.MAX_DECODING_BYTES}" in limits

    def test_nothing_that_a_decoder_does_without_is_loaded(self, pool):
        maps = Path(f"/proc/{worker(pool).process.pid}/maps").read_text()
        assert "soundfile" in maps
        assert not any(name in maps for name in ("/openvino/", "/tensorflow/", "/scipy/", "/matplotlib/"))

    def test_it_holds_no_file_but_its_pipes(self, pool):
        folder = Path(f"/proc/{worker(pool).process.pid}/fd")
        held = sorted(str(held.readlink()).split(":")[0] for held in folder.iterdir())
        assert held == ["/dev/null"] * len([name for name in held if name == "/dev/null"]) + ["pipe"] * 2

    def test_ctrl_c_and_sigterm_are_the_servers_business(self, pool):
        process = worker(pool).process
        for number in (signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
        assert pool("sound", SOUND).seconds == 2.0 and process.poll() is None

    def test_it_ends_with_its_server(self):
        ran = subprocess.run([sys.executable, "-c", ENDING], cwd=ROOT, capture_output=True, text=True)
        number = int(ran.stdout)
        for _ in range(100):
            if not Path(f"/proc/{number}").exists() or "Z" in Path(f"/proc/{number}/stat").read_text().split()[2]:
                return
            time.sleep(0.1 * PATIENCE)
        pytest.fail("the process that decodes outlived its server")
