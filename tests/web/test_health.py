"""What a health check, a balancer and Prometheus ask a server."""

import http.client
import io
import json
import threading
from concurrent.futures import Future

import pytest
from prometheus_client.parser import text_string_to_metric_families

from running import PATIENCE, free_port
from sounds import coughs, wav
from tosa import settings
from tosa.model.network import Network
from tosa.web import app as app_module
from tosa.web import server as web_server
from tosa.web.model_reloader import ModelFiles, ModelReloader

PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
SOUND = wav(coughs())


@pytest.fixture(scope="module")
def network(small_graph):
    return Network.load(*small_graph)


@pytest.fixture
def client(network):
    return app_module.create_app(network, settings.Settings()).test_client()


def read_metrics(client) -> dict[tuple, float]:
    """The value of each sample, by its name and the values of its labels."""
    response = client.get("/", headers={"Accept": PROMETHEUS})
    assert response.status_code == 200 and response.content_type.startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(response.text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_requests_are_counted_by_kind_and_status_and_refusals_by_code(client):
    for body, status in [(SOUND, 200), (SOUND, 200), (b"no sound, no picture", 415), (b"", 400)]:
        assert client.post("/", data=body, content_type="application/octet-stream").status_code == status
    client.get("/")
    metrics = read_metrics(client)
    counts = {key[1:]: value for key, value in metrics.items() if key[0] == "tosa_requests_total"}
    assert counts == {("sound", "200"): 2, ("none", "415"): 1, ("none", "400"): 1}
    assert metrics["tosa_refusals_total", "unsupported_format"] == 1
    assert metrics["tosa_refusals_total", "nothing_sent"] == 1
    assert metrics["tosa_request_seconds_count", "sound"] == 2
    assert metrics["tosa_request_seconds_bucket", "sound", "+Inf"] == 2


def test_metrics_tell_the_state_of_the_server(network):
    def decode(*_):
        raise AssertionError

    decode.restarts = 3
    config = settings.Settings(slots=5)
    metrics = read_metrics(app_module.create_app(network, config, decode).test_client())
    assert metrics["tosa_model_info", network.sha256] == 1
    assert metrics["tosa_model_loaded_timestamp_seconds",] > 1.7e9
    assert metrics["tosa_slots",] == 5
    assert metrics["tosa_requests_working",] == metrics["tosa_requests_waiting",] == 0
    assert metrics["tosa_decoder_restarts_total",] == 3


def test_working_and_waiting_requests_are_seen(network, slow_screening, monkeypatch):
    started, leave = slow_screening
    monkeypatch.setattr(settings, "MAX_WAIT_SECONDS", 30 * PATIENCE)
    client = app_module.create_app(network, settings.Settings(slots=1)).test_client()
    senders = [
        threading.Thread(target=client.post, args=("/",), kwargs={"data": {"audio_data": (io.BytesIO(SOUND), "x")}})
        for _ in range(3)
    ]
    for sender in senders:
        sender.start()
    assert started.acquire(timeout=30 * PATIENCE)
    waited = threading.Event()
    while (metrics := read_metrics(client))["tosa_requests_waiting",] < 2:
        assert not waited.wait(0.01)
    assert metrics["tosa_requests_working",] == 1
    leave.set()
    for sender in senders:
        sender.join()
    assert read_metrics(client)["tosa_requests_working",] == 0


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "", "text/*", "image/png"])
def test_others_than_prometheus_get_the_page(client, accept):
    assert client.get("/", headers={"Accept": accept}).mimetype == "text/html"


def test_while_the_model_loads_everything_is_refused(small_graph):
    loading = Future()
    client = app_module.create_app(loading, settings.Settings()).test_client()
    for response in (
        client.get("/"),
        client.get("/", headers={"Accept": "application/json"}),
        client.get("/", headers={"Accept": PROMETHEUS}),
        client.post("/", data=SOUND, content_type="audio/wav"),
    ):
        assert response.status_code == 503 and int(response.headers["Retry-After"]) > 0
        assert response.json["error"]["code"] == "starting"
    loading.set_result(ModelReloader.load(ModelFiles(*small_graph)))
    assert client.get("/", headers={"Accept": "application/json"}).status_code == 200
    assert read_metrics(client)["tosa_refusals_total", "starting"] == 4


def test_a_stopping_server_fails_its_health_check_and_finishes_its_work(network, slow_screening, monkeypatch):
    """On a connection that was open before, since a stopping server takes no new ones."""
    inside, leave = slow_screening
    # An idle connection is closed a second after its last answer, which is soon on a busy machine.
    busy = web_server.Channel.busy
    monkeypatch.setattr(web_server.Channel, "busy", lambda channel: busy(channel) or not leave.is_set())
    config = settings.Settings(port=free_port())
    listening = web_server.make(app_module.create_app(network, config), config)
    thread = threading.Thread(target=web_server.run, args=(listening,))
    thread.start()
    working, checking = (http.client.HTTPConnection("127.0.0.1", config.port, timeout=30 * PATIENCE) for _ in range(2))
    try:
        working.request("POST", "/", SOUND, {"Content-Type": "audio/wav"})
        assert inside.acquire(timeout=30 * PATIENCE)
        assert ask_health(checking)[0] == 200
        web_server.stop(listening)
        status, body = ask_health(checking)
        assert status == 503 and body["error"]["code"] == "stopping"
    finally:
        leave.set()
        thread.join()
    assert working.getresponse().status == 200


def ask_health(connection) -> tuple[int, dict]:
    connection.request("GET", "/", headers={"Accept": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())
