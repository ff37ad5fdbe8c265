"""X-rays in an Orthanc with its DICOMweb plugin (Debian: orthanc, orthanc-dicomweb), screened as files are."""

import base64
import csv
import http.server
import io
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit, generate_uid

from pictures import dicom, encoded, phantom
from running import PATIENCE, free_port
from tosa import settings
from tosa.errors import UsageError
from tosa.scale import dicomweb
from tosa.scale.batch import screen_batch
from tosa.scale.sources import count_items, find_items, read_item

ORTHANC, PLUGIN = Path("/usr/sbin/Orthanc"), Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "reader", "secret"
with_orthanc = pytest.mark.skipif(not (ORTHANC.exists() and PLUGIN.exists()), reason="Orthanc is not installed")


@pytest.fixture(scope="module")
def images():
    """A study of two X-rays, one of them as JPEG, and a study of one CT image: files by their place in the archive."""
    found = {}
    for modality, count in (("DX", 2), ("CT", 1)):
        study, series = generate_uid(), generate_uid()
        for number in range(count):
            compressed = encoded(Image.fromarray(phantom()), "JPEG", quality=95) if number else None
            syntax = {"syntax": JPEGBaseline8Bit, "frame": compressed} if number else {}
            data = dicom(
                phantom(), **syntax, PatientName="Doe^Jane", PatientID=modality, Modality=modality,
                StudyInstanceUID=study, SeriesInstanceUID=series,
            )  # fmt: skip
            instance = pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID
            found[f"/studies/{study}/series/{series}/instances/{instance}"] = data
    return found


@pytest.fixture(scope="module")
def archive(images, tmp_path_factory):
    """The address of an Orthanc that has the images and asks for a user, whom ~/.netrc names."""
    folder, port = tmp_path_factory.mktemp("orthanc"), free_port()
    config = {
        "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "index"), "HttpPort": port,
        "DicomServerEnabled": False, "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD}, "Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(config))
    (folder / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    (folder / ".netrc").chmod(0o600)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([ORTHANC, folder / "orthanc.json"], stdout=log, stderr=log)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        try:
            _store(f"http://127.0.0.1:{port}/instances", images.values(), folder / "log")
            yield f"dicomweb+http://127.0.0.1:{port}/dicom-web"
        finally:
            process.terminate()
            process.wait()


def _store(url, files, log):
    """Sends files to Orthanc's own interface, as soon as it answers."""
    user = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    until = time.monotonic() + 60 * PATIENCE
    for data in files:
        while True:
            try:
                urllib.request.urlopen(urllib.request.Request(url, data, {"Authorization": f"Basic {user}"})).close()
                break
            except urllib.error.URLError:
                assert time.monotonic() < until, log.read_text()[-2000:]
                time.sleep(0.2)


def names(*sources):
    return [item.name for item in find_items(list(sources), ())]


@with_orthanc
class TestOrthanc:
    @pytest.mark.parametrize("page", [1, 2, 500])
    def test_all_instances_are_found_once(self, archive, images, monkeypatch, page):
        monkeypatch.setattr(dicomweb, "PAGE", page)
        assert sorted(names(archive)) == sorted(names(archive + "/")) == sorted(archive + place for place in images)

    def test_a_study_a_series_and_a_query_choose(self, archive, images):
        *rays, ct = images
        assert names(f"{archive}{ct.partition('/series/')[0]}") == [archive + ct]
        assert sorted(names(f"{archive}{rays[0].partition('/instances/')[0]}")) == sorted(archive + ray for ray in rays)
        assert sorted(names(f"{archive}?Modality=DX")) == sorted(archive + ray for ray in rays)
        assert names(f"{archive}?Modality=MR") == []
        assert names(archive + ct) == [archive + ct]
        assert count_items([archive]) is None

    def test_files_are_retrieved_as_they_are_stored(self, archive, images):
        for place, data in images.items():
            assert read_item(archive + place, 10**9) == data
            assert read_item(archive + place, 1000) == data[:1000]

    def test_a_batch_names_the_instances_and_nothing_of_the_patient(self, archive, images, small_graph, tmp_path):
        config = settings.Settings(graph=small_graph[0], labels=small_graph[1])
        gone = f"{archive}/studies/1.2/series/1.3/instances/1.4"
        summary = screen_batch([f"{archive}?Modality=DX", gone], tmp_path / "r.csv", config)
        text = (tmp_path / "r.csv").read_text(encoding="utf-8")
        assert "Doe" not in text and PASSWORD not in text
        rows = list(csv.DictReader(text.splitlines()))
        *rays, _ = images
        assert {row["file"] for row in rows} == {gone, *(archive + ray for ray in rays)} and summary.files == 3
        assert [row["error"] for row in rows if row["error"]] == ["unreadable"]
        assert {row["task"] for row in rows if not row["error"]} == {"pneumonia", "covid"}

    def test_without_a_user_the_archive_is_named(self, archive, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        with pytest.raises(UsageError, match="does not answer as a DICOMweb archive.*401"):
            names(archive)


@pytest.fixture
def odd_archive():
    """A server that answers with what the test puts into `bodies`, in turn; the last one stays."""
    bodies = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            kind, body = bodies.pop(0) if len(bodies) > 1 else bodies[0]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"dicomweb+http://127.0.0.1:{server.server_port}/rs", bodies
    server.shutdown()
    server.server_close()


def test_an_archive_that_repeats_its_first_page_ends(odd_archive):
    address, bodies = odd_archive
    page = [{tag: {"vr": "UI", "Value": [f"1.{n}"]} for tag in dicomweb.UIDS.values()} for n in range(3)]
    bodies.append(("application/dicom+json", json.dumps(page).encode()))
    assert names(address) == [f"{address}/studies/1.{n}/series/1.{n}/instances/1.{n}" for n in range(3)]


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'[{"00080018": {}}]', b"[1]"])
def test_another_server_is_named(odd_archive, body):
    address, bodies = odd_archive
    bodies.append(("text/html", body))
    if body == b"{}":
        assert names(address) == []
        return
    with pytest.raises(UsageError, match="does not answer as a DICOMweb archive"):
        names(address)


@pytest.mark.parametrize("address", ["dicomweb+http://127.0.0.1:1/rs", "dicomweb+ftp://127.0.0.1/rs", "dicomweb+x"])
def test_an_archive_that_is_not_there_is_named(address):
    with pytest.raises(UsageError, match="does not answer as a DICOMweb archive"):
        names(address)
    with pytest.raises(OSError, match=r"refused|was not received"):
        read_item(f"{address}/studies/1/series/1/instances/1", 9)


@pytest.mark.parametrize("kind", ["multipart/related; type=application/dicom; boundary=xy", "application/dicom"])
@pytest.mark.parametrize("content", [b"", b"DICM\r\n\r\nand more\r\n", bytes(range(256)) * 100])
def test_one_part_or_none_is_taken_apart(odd_archive, kind, content):
    address, bodies = odd_archive
    body = b"--xy\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--xy--\r\n" if "xy" in kind else content
    bodies.append((kind, body))
    assert read_item(f"{address}/studies/1/series/1/instances/1", 10**6) == content
    assert read_item(f"{address}/studies/1/series/1/instances/1", 100) == content[:100]
