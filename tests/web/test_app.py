import base64
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import MPEG2MPML

from pictures import dicom, encoded, phantom
from running import PATIENCE
from sounds import RATE, container, coughs, wav
from tosa import settings
from tosa.errors import Busy
from tosa.model import heatmap
from tosa.model.network import Network
from tosa.web import app as app_module

SOUND = wav(coughs())
PICTURE = encoded(Image.fromarray(phantom()))


@pytest.fixture(scope="module")
def network(small_graph):
    return Network.load(*small_graph)


@pytest.fixture
def app(network):
    return app_module.create_app(network, settings.Settings())


@pytest.fixture
def client(app):
    return app.test_client()


def post(client, query="", **parts):
    return client.post("/" + query, data={name: (io.BytesIO(data), "x") for name, data in parts.items()})


def check_finding(finding, labels):
    assert list(finding["scores"]) == labels
    assert sum(finding["scores"].values()) == pytest.approx(1, abs=1e-9)
    assert finding["score"] == max(finding["scores"].values()) == finding["scores"][finding["diagnosis"]]


def test_page(client):
    response = client.get("/")
    assert response.status_code == 200 and response.mimetype == "text/html"
    assert "not a medical device" in response.text
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]


def test_head_is_the_page_without_its_body(client):
    response = client.head("/")
    assert response.status_code == 200 and response.mimetype == "text/html" and not response.data


def test_sound(client, network, capsys):
    answer = post(client, audio_data=SOUND).json
    (finding,) = answer["findings"]
    assert finding["task"] == "cough"
    check_finding(finding, ["not sick", "sick"])
    assert (answer["diagnosis"], answer["score"]) == (finding["diagnosis"], finding["score"])
    assert answer["model"] == {"sha256": network.sha256, "card": "?card"}
    assert "not a medical device" in answer["disclaimer"]
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == {"diagnosis": answer["diagnosis"], "score": answer["score"]}


def test_picture(client):
    answer = post(client, image_data=PICTURE).json
    assert [finding["task"] for finding in answer["findings"]] == ["pneumonia", "covid"]
    check_finding(answer["findings"][0], ["normal", "bacterial pneumonia", "viral pneumonia"])
    assert answer["diagnosis"] == answer["findings"][0]["diagnosis"]


def test_both_parts_have_both_findings_the_sound_first(client):
    answer = post(client, image_data=PICTURE, audio_data=SOUND).json
    assert [finding["task"] for finding in answer["findings"]] == ["cough", "pneumonia", "covid"]
    assert [finding["from"] for finding in answer["findings"]] == ["sound", "picture", "picture"]
    assert answer["diagnosis"] == answer["findings"][0]["diagnosis"]


BODIES = {
    "audio/wav": SOUND,
    "audio/webm": container(coughs(rate=48_000), "webm", "libopus"),
    "image/png": PICTURE,
    "application/dicom": dicom(phantom()),
    "application/octet-stream": wav(coughs(), format="FLAC"),
}


@pytest.mark.parametrize("mimetype", BODIES)
def test_raw_body(client, mimetype):
    response = client.post("/", data=BODIES[mimetype], content_type=mimetype)
    assert response.status_code == 200, response.text


def test_explanation_is_a_png_over_the_picture_that_the_network_saw(client):
    findings = post(client, "?explain=1", audio_data=SOUND, image_data=PICTURE).json["findings"]
    for finding, height in zip(findings, (299 + heatmap.AXIS_HEIGHT, 299, 299)):
        explanation, picture = (_image(finding[name]) for name in ("explanation", "picture"))
        assert explanation.size == (299, height) and picture.size == (299, 299)
        assert np.asarray(explanation).std() > 1
    assert [_image(finding["picture"]).mode for finding in findings] == ["RGB", "L", "L"]
    assert not {"explanation", "picture"} & post(client, audio_data=SOUND).json["findings"][0].keys()


def _image(uri):
    scheme, data = uri.split(",", 1)
    assert scheme == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


ORIGINS = {
    "a program": ({}, 200),
    "our page": ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 200),
    "our page behind a proxy": ({"Sec-Fetch-Site": "same-origin", "Origin": "https://tosa.example"}, 200),
    "our page, browser without Sec-Fetch-Site": ({"Origin": "http://localhost"}, 200),
    "behind a proxy that keeps the host": ({"Origin": "https://tosa.example", "Host": "tosa.example"}, 200),
    "behind a proxy that adds the port": ({"Origin": "https://tosa.example", "Host": "tosa.example:443"}, 200),
    "host in capitals": ({"Origin": "http://tosa.example:5000", "Host": "Tosa.Example:5000"}, 200),
    "IPv6": ({"Origin": "http://[::1]:5000", "Host": "[::1]:5000"}, 200),
    "another port, old browser": ({"Origin": "http://localhost:8000", "Host": "localhost:5000"}, 403),
    "a proxy that is not trusted": ({"Origin": "https://tosa.example", "X-Forwarded-Host": "tosa.example"}, 403),
    "a wrong port": ({"Origin": "http://localhost:99999"}, 403),
    "typed or dropped by the user": ({"Sec-Fetch-Site": "none"}, 200),
    "another site": ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
    "another port of ours": ({"Sec-Fetch-Site": "same-site"}, 403),
    "another site, browser without Sec-Fetch-Site": ({"Origin": "https://elsewhere.example"}, 403),
    "a sandboxed frame": ({"Origin": "null"}, 403),
    "no address at all": ({"Origin": "http://["}, 403),
}


@pytest.mark.parametrize("name", ORIGINS)
def test_other_sites_may_not_post(client, capsys, name):
    headers, status = ORIGINS[name]
    response = client.post("/", data={"audio_data": (io.BytesIO(SOUND), "x")}, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert response.json["error"]["code"] == "cross_site" and capsys.readouterr().out == ""


def test_security_headers_come_with_everything(client):
    for response in (client.get("/"), client.get("/nothing"), client.post("/"), client.get("/static/page.js")):
        headers = response.headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer" and headers["Permissions-Policy"] == "microphone=(self)"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert client.get("/").headers["Cache-Control"] == client.post("/").headers["Cache-Control"] == "no-store"


BAD = {
    "nothing": ({}, 400, "nothing_sent"),
    "empty part": ({"audio_data": b""}, 400, "nothing_sent"),
    "unknown part": ({"file": SOUND}, 400, "nothing_sent"),
    "text": ({"audio_data": b"hello"}, 415, "unsupported_format"),
    "zip": ({"image_data": b"PK\3\4" + bytes(100)}, 415, "unsupported_format"),
    "gif": ({"image_data": encoded(Image.new("L", (99, 99)), "GIF")}, 415, "unsupported_format"),
    "bmp": ({"image_data": encoded(Image.new("L", (99, 99)), "BMP")}, 415, "unsupported_format"),
    "picture as sound": ({"audio_data": PICTURE}, 415, "unsupported_format"),
    "sound as picture": ({"image_data": SOUND}, 415, "unsupported_format"),
    "silence": ({"audio_data": wav(np.zeros(RATE))}, 422, "silence"),
    "too short": ({"audio_data": wav(coughs()[:2000])}, 422, "too_short"),
    "cut off": ({"image_data": PICTURE[:500]}, 422, "damaged"),
    "blank": ({"image_data": encoded(Image.new("L", (300, 300), 9))}, 422, "not_a_chest_xray"),
    "61 s": ({"audio_data": wav(np.tile(coughs(), 31), subtype="PCM_16")}, 413, "sound_too_long"),
    "body over the limit": ({"audio_data": bytes(settings.MAX_BODY_BYTES)}, 413, "too_large"),
    "sound over 10 MiB": ({"audio_data": SOUND + bytes(settings.MAX_SOUND_BYTES)}, 413, "too_large"),
    "picture over 64 MiB": ({"image_data": PICTURE + bytes(settings.MAX_PICTURE_BYTES)}, 413, "too_large"),
    "good sound, bad picture": ({"audio_data": SOUND, "image_data": b"GIF89a" + bytes(9)}, 415, "unsupported_format"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(client, capsys, name):
    parts, status, code = BAD[name]
    response = post(client, **parts)
    assert (response.status_code, response.json["error"]["code"]) == (status, code)
    assert "Traceback" not in response.text and len(response.json["error"]["message"]) > 20
    assert capsys.readouterr().out == ""


def test_a_form_without_files_is_told_what_to_send(client):
    response = client.post("/", data={"audio_data": "cough.wav"})
    assert response.mimetype == "application/json" and response.status_code == 400
    assert "-F audio_data=@FILE" in response.json["error"]["message"]


@pytest.mark.parametrize(
    "mimetype", ["application/x-www-form-urlencoded", "multipart/form-data", "video/webm", "a/b", ""]
)
@pytest.mark.parametrize("body", [SOUND, PICTURE])
def test_the_content_type_of_a_body_does_not_matter(client, mimetype, body):
    """The first one is what curl --data-binary sends unless told otherwise."""
    response = client.post("/", data=body, headers={"Content-Type": mimetype} if mimetype else {})
    assert response.status_code == 200 and response.json == client.post("/", data=body, content_type="image/x").json


MESSAGES = {
    "an empty file": ({"data": {"audio_data": (io.BytesIO(b""), "cough.wav")}}, "The file is empty"),
    "an empty body": ({"data": b"", "content_type": "audio/wav"}, "The file is empty"),
    "no body": ({}, "No file was sent"),
    "no file chosen": ({"data": {"audio_data": (io.BytesIO(b""), "")}}, "No file was sent"),
    "another name": (
        {"data": {"file": (io.BytesIO(SOUND), "x")}}, "The part 'file' is not read. Send audio_data or image_data."
    ),
    "another name, as text": (
        {"data": {"sound": "x"}, "content_type": "multipart/form-data"}, "The part 'sound' is not read"
    ),
    "a long name": ({"data": {"x" * 999: (io.BytesIO(SOUND), "x")}}, "The part '" + "x" * 40 + "...' is not read"),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_nothing_sent_says_why(client, name):
    sent, message = MESSAGES[name]
    response = client.post("/", **sent)
    assert (response.status_code, response.json["error"]["code"]) == (400, "nothing_sent")
    assert response.json["error"]["message"].startswith(message)


@pytest.mark.parametrize("name, limit", [("sound over 10 MiB", "10 MiB"), ("picture over 64 MiB", "64 MiB")])
def test_the_limit_that_was_hit_is_named(client, name, limit):
    message = post(client, **BAD[name][0]).json["error"]["message"]
    kind, other = name.split()[0], "sound picture".replace(name.split()[0], "").strip()
    assert limit in message and kind in message and other not in message


@pytest.mark.parametrize("value", ["1", "true", "True", "yes", "on", ""])
def test_words_for_an_explanation(client, value):
    assert "explanation" in post(client, f"?explain={value}", audio_data=SOUND).json["findings"][0]


@pytest.mark.parametrize("value", ["0", "false", "no", "off"])
def test_words_for_no_explanation(client, value):
    assert "explanation" not in post(client, f"?explain={value}", audio_data=SOUND).json["findings"][0]


@pytest.mark.parametrize("value", ["2", "maybe", "1 "])
def test_other_words_are_told(client, value):
    response = post(client, f"?explain={value}", audio_data=SOUND)
    assert (response.status_code, response.json["error"]["code"]) == (400, "bad_parameter")
    assert f"explain={value!r}" in response.json["error"]["message"]


def test_get_tells_clients_what_the_server_is(client, network):
    response = client.get("/", headers={"Accept": "application/json"})
    told = response.json
    assert told["name"] == "Tosa" and told["licence"] == "Apache-2.0" and told["version"]
    description = "This model comes without a description."
    assert told["model"] == {
        "sha256": network.sha256, "name": "small", "description": description, "card": "?card"
    }  # fmt: skip
    assert [(task["task"], task["from"]) for task in told["tasks"]] == [
        ("cough", "sound"), ("pneumonia", "picture"), ("covid", "picture")
    ]  # fmt: skip
    assert told["tasks"][0]["labels"] == ["not sick", "sick"] and told["tasks"][0]["calibrated"] is False
    assert told["limits"]["sound"]["bytes"] == 10 * 2**20 and told["limits"]["picture"]["bytes"] == 64 * 2**20
    assert "WAV" in told["formats"]["sound"] and "DICOM" in told["formats"]["picture"]


@pytest.mark.parametrize("accept", [None, "*/*", "text/html", "text/html,application/json;q=0.9", "image/png"])
def test_all_others_get_the_page(client, accept):
    response = client.get("/", headers={"Accept": accept} if accept else {})
    assert response.mimetype == "text/html" and "Accept" in response.headers["Vary"]


def test_an_empty_part_beside_a_good_one_is_as_if_missing(client):
    response = post(client, audio_data=SOUND, image_data=b"")
    assert [finding["task"] for finding in response.json["findings"]] == ["cough"]
    both = {"audio_data": [(io.BytesIO(b""), ""), (io.BytesIO(SOUND), "x")]}
    assert client.post("/", data=both).status_code == 200


def test_two_parts_of_one_name_are_refused(client):
    response = client.post("/", data={"audio_data": [(io.BytesIO(SOUND), "x"), (io.BytesIO(SOUND), "y")]})
    assert (response.status_code, response.json["error"]["code"]) == (400, "several_parts")
    assert "audio_data" in response.json["error"]["message"]


@pytest.mark.parametrize("length", [10, 600_000])
def test_a_file_sent_as_text_is_told_how(client, length):
    response = client.post("/", data={"image_data": "x" * length}, content_type="multipart/form-data")
    assert (response.status_code, response.json["error"]["code"]) == (400, "nothing_sent")
    assert "-F image_data=@" in response.json["error"]["message"]


def test_dicom_compressed_otherwise_is_named(client):
    response = post(client, image_data=dicom(phantom(), MPEG2MPML, frame=b"x" * 100))
    assert (response.status_code, response.json["error"]["code"]) == (415, "compressed_dicom")
    assert "MPEG2" in response.json["error"]["message"] and "PNG" in response.json["error"]["message"]


@pytest.mark.parametrize("method, path, status", [("PUT", "/", 405), ("GET", "/nothing", 404)])
def test_nothing_else_is_there(client, method, path, status):
    response = client.open(path, method=method)
    assert response.status_code == status and "error" in response.json
    assert "POST / screens" in response.json["error"]["message"]
    assert ("Allow" in response.headers) == (status == 405)


def test_a_fault_of_ours_is_500_without_a_traceback(app, monkeypatch):
    monkeypatch.setattr(app_module.screening, "screen", lambda *_: 1 / 0)
    response = post(app.test_client(), audio_data=SOUND)
    assert response.status_code == 500 and response.json["error"]["code"] == "internal"
    assert "ZeroDivision" not in response.text


def test_busy_is_said_at_once(network, monkeypatch):
    monkeypatch.setattr(settings, "MAX_WAITING", 0)
    config = settings.Settings(slots=1)
    app = app_module.create_app(network, config)
    inside, leave = threading.Event(), threading.Event()

    def slow(*_):
        inside.set()
        leave.wait(30 * PATIENCE)
        return {"diagnosis": "sick", "score": 1.0}

    monkeypatch.setattr(app_module.screening, "screen", slow)
    first = threading.Thread(target=lambda: post(app.test_client(), audio_data=SOUND))
    first.start()
    try:
        assert inside.wait(30 * PATIENCE)
        response = post(app.test_client(), audio_data=SOUND)
        assert response.status_code == 503 and response.json["error"]["code"] == "busy"
        assert int(response.headers["Retry-After"]) > 0
    finally:
        leave.set()
        first.join()
    assert post(app.test_client(), audio_data=SOUND).status_code == 200


def test_waiting_ends_after_two_seconds(network, monkeypatch):
    monkeypatch.setattr(settings, "MAX_WAIT_SECONDS", 0.3)
    app = app_module.create_app(network, settings.Settings(slots=1))
    inside, leave = threading.Event(), threading.Event()
    screen = app_module.screening.screen

    def slow(*given):
        inside.set()
        leave.wait(30 * PATIENCE)
        return screen(*given)

    monkeypatch.setattr(app_module.screening, "screen", slow)
    answers = []
    first, second = (
        threading.Thread(target=lambda: answers.append(post(app.test_client(), audio_data=SOUND))) for _ in range(2)
    )
    first.start()
    assert inside.wait(30 * PATIENCE)
    response = post(app.test_client(), audio_data=SOUND)
    assert response.status_code == 503 and response.json["error"]["code"] == "busy"
    monkeypatch.setattr(settings, "MAX_WAIT_SECONDS", 30)
    second.start()
    leave.set()
    first.join(), second.join()
    assert [answer.status_code for answer in answers] == [200, 200]


def test_full_is_said_before_the_form_is_read(network, monkeypatch):
    monkeypatch.setattr(app_module.Slots, "inside", lambda _: (_ for _ in ()).throw(Busy()))
    monkeypatch.setattr(app_module.uploads, "read_files", None)
    assert post(app_module.create_app(network).test_client(), audio_data=SOUND).status_code == 503


def test_uploads_stay_in_memory(client, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", None)
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    assert post(client, audio_data=wav(np.tile(coughs(), 20))).status_code == 200
