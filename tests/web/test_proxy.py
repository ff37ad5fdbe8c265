"""Tosa behind the proxies of docs/proxy.md, with the very lines that stand there."""

import http.client
import json
import re
import shutil
import subprocess
import time

import pytest

from running import PATIENCE, ROOT, Running, free_port
from sounds import coughs, wav

DOCS = (ROOT / "docs" / "proxy.md").read_text(encoding="utf-8")
SOUND = wav(coughs())
NGINX = """
daemon off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    {example}
}}
"""


def example(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    return text


def nginx(folder, port: int, tosa: int, prefix: bool) -> list[str]:
    """The command that starts nginx with the example, or with the changes that the text names for a folder."""
    text = example("nginx").replace("listen 80", f"listen 127.0.0.1:{port}")
    text = text.replace("127.0.0.1:5000", f"127.0.0.1:{tosa}")
    if prefix:
        text = text.replace("location /", "location /tosa/").replace(f":{tosa};", f":{tosa}/;")
        text = text.replace('X-Forwarded-Prefix ""', "X-Forwarded-Prefix /tosa")
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, example=text))
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder, port: int, tosa: int, prefix: bool) -> list[str]:
    text = example("caddy").replace("tosa.example {", f"http://tosa.example:{port} {{", 1).replace("5000", str(tosa))
    (folder / "Caddyfile").write_text("{\n    admin off\n}\n" + text)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(scope="module", params=["nginx", "nginx in a folder", "caddy"])
def proxy(request, small_graph, tmp_path_factory):
    """The port of a proxy and the path of Tosa behind it."""
    program, folder = request.param.split()[0], tmp_path_factory.mktemp("proxy")
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    prefix, port = "folder" in request.param, free_port()
    with Running(*small_graph, tmp_path_factory.mktemp("temporary"), TOSA_PROXY=1) as tosa:
        command = {"nginx": nginx, "caddy": caddy}[program](folder, port, tosa.port, prefix)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder)
        try:
            until = time.monotonic() + 20 * PATIENCE
            while True:
                try:
                    ask(port, "GET", "/")
                    break
                except ConnectionError:
                    assert process.poll() is None, process.stderr.read()
                    assert time.monotonic() < until
                    time.sleep(0.05)
            yield port, "/tosa/" if prefix else "/"
        finally:
            process.terminate()
            process.wait(20 * PATIENCE)


def ask(port, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30 * PATIENCE)
    headers = {"Host": "tosa.example", "Content-Type": "audio/wav"} | headers
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response.status, response.read()


def test_the_page_and_its_files_are_there(proxy):
    port, path = proxy
    status, page = ask(port, "GET", path)
    assert status == 200
    (script,) = set(re.findall(rb'<script[^>]* src="([^"]+page\.js)"', page))
    address = script.decode() if script.startswith(b"/") else path + script.decode()
    assert ask(port, "GET", address)[0] == 200


def test_the_page_may_post_and_other_sites_may_not(proxy):
    port, path = proxy
    assert ask(port, "POST", path, SOUND, Origin="http://tosa.example")[0] == 200
    assert ask(port, "POST", path, SOUND)[0] == 200
    for spoofed in ({}, {"X_Forwarded_Host": "evil.example"}):
        assert ask(port, "POST", path, SOUND, Origin="http://evil.example", **spoofed)[0] == 403


def test_large_uploads_reach_tosa(proxy):
    port, path = proxy
    status, answer = ask(port, "POST", path, SOUND + bytes(60 * 2**20))
    assert status == 413 and "10 MiB" in json.loads(answer)["error"]["message"]
