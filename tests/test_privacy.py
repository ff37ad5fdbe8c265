"""Nothing that was sent is anywhere but in the answer: not in logs, temporary folders, open or mapped files."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from hostile import field, form, patched
from pictures import dicom, encoded, phantom
from running import Running
from sounds import container, coughs, wav

CANARY = "canarienvogel"
KEYS = ["id", "status", "kind", "size", "duration", "milliseconds"]


def named_png() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", CANARY)
    return encoded(Image.fromarray(phantom()), pnginfo=text)


def named_wav() -> bytes:
    note = b"LIST" + (len(CANARY) + 12).to_bytes(4, "little") + b"INFOINAM" + len(CANARY).to_bytes(4, "little")
    data = wav(coughs(1.0)) + note + CANARY.encode()
    return patched(data, 4, (len(data) - 8).to_bytes(4, "little"))


SENT = {  # what is sent; its line in the log: status, kind, duration
    "sound": (lambda: form(("audio_data", named_wav()), filename=CANARY + ".wav"), 200, "sound", 1.0),
    "picture": (lambda: form(("image_data", named_png()), filename=CANARY + ".png"), 200, "picture", None),
    "dicom": (lambda: form(("image_data", dicom(phantom(), PatientName=CANARY))), 200, "picture", None),
    "both": (lambda: form(("audio_data", named_wav()), ("image_data", named_png())), 200, "both", 1.0),
    "webm": (lambda: form(("audio_data", container(coughs(rate=48_000), "webm", "libopus"))), 200, "sound", 2.01),
    "cut": (lambda: form(("image_data", dicom(phantom(), PatientName=CANARY)[:900])), 422, "picture", None),
    "junk": (lambda: form(("audio_data", CANARY.encode() * 99), filename=CANARY), 415, None, None),
    "silence": (lambda: form(("audio_data", wav(np.zeros(22_050)))), 422, "sound", None),
    "part": (lambda: form((CANARY, named_wav())), 400, None, None),
    "field": (lambda: field("audio_data", CANARY.encode()), 400, None, None),
    "9 MB": (lambda: form(("audio_data", b"RIFFxxxxWAVE" + CANARY.encode() * 700_000)), 422, "sound", None),
    "90 MB": (lambda: form(("audio_data", CANARY.encode() * 6_750_000)), 413, None, None),
}


@pytest.fixture(scope="module")
def server(small_graph, tmp_path_factory):
    with Running(*small_graph, tmp_path_factory.mktemp("temporary")) as running:
        yield running


@pytest.mark.parametrize("name", SENT)
def test_one_line_of_json_a_request(server, name):
    make, status, kind, duration = SENT[name]
    headers, body = make()
    before = len(server.err.all)
    answered, _, answer = server.post(body, headers | {"User-Agent": CANARY}, f"/?{CANARY}=1")
    log = json.loads(server.err.next())
    assert len(server.err.all) == before + 1
    assert list(log) == KEYS and (log["status"], log["kind"]) == (answered, kind) == (status, kind)
    assert log["duration"] == (duration if duration is None else pytest.approx(duration, abs=0.1))
    assert log["size"] == len(body) and 0 < log["milliseconds"] < 60_000
    assert len(log["id"]) == 16 and answer.get("X-Request-Id", log["id"]) == log["id"]


def test_ids_do_not_come_twice(server):
    headers, body = field("audio_data", b"no file")
    ids = set()
    for _ in range(12):
        server.post(body, headers)
        ids.add(json.loads(server.err.next())["id"])
    assert len(ids) == 12


def test_the_canary_is_nowhere(server):
    started = time.time() - 3600
    assert not any(CANARY in line for line in server.out.all + server.err.all)
    assert not list(server.temporary.rglob("*"))
    for folder in ("/dev/shm", os.environ.get("TMPDIR", "/tmp")):
        for file in Path(folder).glob("*"):
            assert CANARY not in file.name
    for pid in server.processes():
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            name = [*line.split(maxsplit=5), ""][5]
            assert not name.endswith("(deleted)") or name.startswith("/memfd:graph.pb"), line
            if name.startswith("/") and os.path.isfile(name) and os.stat(name).st_mtime > started:
                assert CANARY.encode() not in Path(name).read_bytes(), name
    for name in server.open_files():
        assert name.startswith(("pipe:", "socket:", "anon_inode:", "/dev/")), name


def test_the_log_can_be_left_out(small_graph, tmp_path):
    with Running(*small_graph, tmp_path, TOSA_LOG=0) as server:
        assert server.post(wav(coughs()), {"Content-Type": "audio/wav"})[0] == 200
        assert server.post(bytes(90_000_000), {"Content-Type": "audio/wav"})[0] == 413
        assert json.loads(server.out.next())["score"]
    assert not server.err.all
