"""The app on Ray Serve, asked over HTTP, answers as the app without it does."""

import http.client
import io
import json
import threading
import time

import pytest
from test_app import BAD, BODIES, PICTURE, SOUND, post
from werkzeug.test import EnvironBuilder

from patient_ray import ray_cluster
from running import PATIENCE, free_port
from tosa import settings
from tosa.errors import UsageError
from tosa.model.network import Network
from tosa.web.app import create_app

ray = pytest.importorskip("ray", reason="Ray is not installed")
serve = pytest.importorskip("ray.serve", reason="Ray Serve is not installed")
pytest.importorskip("a2wsgi", reason="a2wsgi is not installed")


@pytest.fixture(scope="module")
def port(small_graph):
    """A Ray of its own with two cores, and on it Tosa with the small graph."""
    from tosa.web.ray_serve import build

    names = {"TOSA_GRAPH": str(small_graph[0]), "TOSA_LABELS": str(small_graph[1]), "TOSA_CACHE": ""}
    for who in ("HANDLE", "REPLICA"):  # by default Serve hears of the load every 10 seconds
        names[f"RAY_SERVE_{who}_AUTOSCALING_METRIC_PUSH_INTERVAL_S"] = "1"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        config = {"automatic_object_spilling_enabled": False}
        with ray_cluster(num_cpus=2, _system_config=config) as cluster:
            ray.init(cluster.address, log_to_driver=False)
            number = free_port()
            serve.start(http_options={"host": "127.0.0.1", "port": number})
            serve.run(build({"max_replicas": "2", "upscale_seconds": 0}))
            yield number
            serve.shutdown()


@pytest.fixture(scope="module")
def local(small_graph):
    """The same app without Ray."""
    return create_app(Network.load(*small_graph), settings.Settings()).test_client()


def ask(port, method="POST", path="/", body=b"", headers=None, chunked=False):
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120 * PATIENCE)
    try:
        connection.request(method, path, [body] if chunked else body, headers or {}, encode_chunked=chunked)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def form(**parts):
    """Body and headers of a form with these files."""
    data = {name: (io.BytesIO(content), "x") for name, content in parts.items()}
    environ = EnvironBuilder(method="POST", data=data).get_environ()
    kind = {"Content-Type": environ["CONTENT_TYPE"]} if parts else {}
    return {"body": environ["wsgi.input"].read(), "headers": kind}


def check_same(answer, response):
    status, headers, body = answer
    assert (status, json.loads(body)) == (response.status_code, response.json)
    for name in ("Content-Type", "Content-Security-Policy", "Cache-Control", "Retry-After"):
        assert headers[name] == response.headers.get(name)
    assert len(headers["X-Request-Id"]) == len(response.headers["X-Request-Id"])


def test_a_body_gets_the_same_answer(port, local):
    for name, body in BODIES.items():
        answer = ask(port, body=body, headers={"Content-Type": name})
        assert answer[0] == 200
        check_same(answer, local.post("/", data=body, content_type=name))


def test_a_form_with_both_and_heat_maps_gets_the_same_answer(port, local):
    parts = {"image_data": PICTURE, "audio_data": SOUND}
    check_same(ask(port, path="/?explain=1", **form(**parts)), post(local, "?explain=1", **parts))


def test_refusals_are_the_same(port, local):
    for name, (parts, status, _) in BAD.items():
        if name != "picture over 64 MiB":  # the next test sends one
            answer = ask(port, **form(**parts))
            assert answer[0] == status, name
            check_same(answer, post(local, **parts))


def test_a_chunked_body_is_read_and_has_the_same_limit(port, local):
    check_same(ask(port, body=SOUND, chunked=True), local.post("/", data=SOUND))
    status, _, body = ask(port, body=bytes(settings.MAX_BODY_BYTES + 1), chunked=True)
    assert (status, json.loads(body)["error"]["code"]) == (413, "too_large")


def test_the_page_its_files_and_the_description_are_there(port, local):
    for path, accept in (("/", "text/html"), ("/static/page.js", "*/*"), ("/", "application/json")):
        status, headers, body = ask(port, "GET", path, headers={"Accept": accept})
        response = local.get(path, headers={"Accept": accept}, base_url=f"http://127.0.0.1:{port}")
        assert (status, headers["Content-Type"], body) == (200, response.headers["Content-Type"], response.data)
    assert b"tosa_requests_total" in ask(port, "GET", headers={"Accept": "text/plain"})[2]
    assert ask(port, "PUT")[0] == 405 and ask(port, "GET", "/nothing")[0] == 404


def test_other_sites_may_not_post(port):
    status, _, body = ask(port, body=SOUND, headers={"Sec-Fetch-Site": "cross-site"})
    assert (status, json.loads(body)["error"]["code"]) == (403, "cross_site")


def test_load_brings_another_replica(port):
    """More clients than one replica has slots, until there are two; none is refused."""
    statuses, until, enough = [], time.monotonic() + 240 * PATIENCE, threading.Event()

    def go_on():
        while not enough.is_set():
            statuses.append(ask(port, path="/?explain=1", body=PICTURE)[0])

    threads = [threading.Thread(target=go_on) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        while running_replicas() < 2:
            assert time.monotonic() < until, "there is still one replica"
            time.sleep(0.2)
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}


def running_replicas() -> int:
    (application,) = serve.status().applications.values()
    return application.deployments["Tosa"].replica_states.get("RUNNING", 0)


@pytest.mark.parametrize("arguments, said", [({"replicas": 2}, "'replicas' is not known"), ({"cpus": "x"}, "not 'x'")])
def test_wrong_arguments_are_named(arguments, said):
    from tosa.web.ray_serve import build

    with pytest.raises(UsageError, match=said):
        build(arguments)
