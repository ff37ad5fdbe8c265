"""Tosa behind the proxies of docs/proxy.md, with the very lines that stand there."""

import base64
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager

import pytest

from running import PATIENCE, ROOT, Running, free_port
from sounds import coughs, wav

DOCS = (ROOT / "docs" / "proxy.md").read_text(encoding="utf-8")
SOUND = wav(coughs())
NGINX = """
daemon off; {user} pid {folder}/pid; error_log stderr;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    {example}
}}
"""


def example(language: str, number: int = 0) -> str:
    """One of the file's blocks of a language: the proxy, a password, client certificates."""
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)[number]


def nginx(folder, port: int, tosa: int, prefix: bool) -> list[str]:
    """The command that starts nginx with the example, or with the changes that the text names for a folder."""
    text = example("nginx").replace("listen 80", f"listen 127.0.0.1:{port}")
    text = text.replace("127.0.0.1:5000", f"127.0.0.1:{tosa}")
    if prefix:
        text = text.replace("location /", "location /tosa/").replace(f":{tosa};", f":{tosa}/;")
        text = text.replace('X-Forwarded-Prefix ""', "X-Forwarded-Prefix /tosa")
    user = "user root;" if os.geteuid() == 0 else ""  # whose workers may read the test's folder
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, example=text, user=user))
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
        with started(command, folder, port):
            yield port, "/tosa/" if prefix else "/"


@contextmanager
def started(command: list[str], folder, port: int):
    """A proxy, from its first answer on."""
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
        yield
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


@pytest.mark.parametrize("address, path", [("tosa.example", "/tosa/"), ("127.0.0.1", "/")])
def test_a_home_network_gets_https(address, path, small_graph, tmp_path, monkeypatch):
    """The lines of docs/https.md, under a name and under an address, with the certificate that Caddy signs itself."""
    if not shutil.which("caddy"):
        pytest.skip("caddy is not installed")
    (lines,) = re.findall(r"```caddy\n(.*?)```", (ROOT / "docs" / "https.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    port = free_port()
    (tmp_path / "temporary").mkdir()
    with Running(*small_graph, tmp_path / "temporary", TOSA_PROXY=1) as tosa:
        lines = lines.replace("tosa.example", f"https://{address}:{port}").replace("5000", str(tosa.port))
        if path != "/":
            before, proxy = lines.rstrip().removesuffix("}").split("    reverse_proxy")
            lines = f"{before}redir /tosa /tosa/\nhandle_path /tosa/* {{\nreverse_proxy{proxy}}}\n}}\n"
        options = "admin off\nskip_install_trust\nauto_https disable_redirects"
        (tmp_path / "Caddyfile").write_text(f"{{\n{options}\n}}\n{lines}")
        command = ["caddy", "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
        with started(command, tmp_path, port):
            root = tmp_path / "caddy" / "pki" / "authorities" / "local" / "root.crt"
            for origin, status in [(f"https://{address}:{port}", 200), ("https://evil.example", 403)]:
                connection = patiently(secure_connection, port, root, address)
                connection.request("POST", path, SOUND, {"Host": f"{address}:{port}", "Origin": origin})
                assert connection.getresponse().status == status


def patiently(connect, *arguments):
    """What `connect` returns, tried again while Caddy signs its certificates."""
    until = time.monotonic() + 30 * PATIENCE
    while True:
        try:
            return connect(*arguments)
        except (ssl.SSLError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("program", ["nginx", "caddy"])
def test_without_the_password_nothing_reaches_tosa(program, tmp_path):
    """No server runs behind the proxy: who is let through gets 502 from it."""
    if not shutil.which(program) or not shutil.which("openssl"):
        pytest.skip(f"{program} or openssl is not installed")
    port = free_port()
    command = {"nginx": nginx, "caddy": caddy}[program](tmp_path, port, free_port(), False)
    if program == "nginx":
        (tmp_path / "tosa.htpasswd").write_text(f"nurse:{output('openssl', 'passwd', '-apr1', 'secret')}\n")
        file, before, lock = tmp_path / "nginx.conf", "        proxy_pass", example("nginx", 1)
    else:
        hashed = output("caddy", "hash-password", "--plaintext", "secret")
        file, before, lock = tmp_path / "Caddyfile", "    reverse_proxy", example("caddy", 1).replace("HASH", hashed)
    file.write_text(file.read_text().replace(before, lock + before))
    with started(command, tmp_path, port):
        assert ask(port, "GET", "/")[0] == ask(port, "POST", "/", SOUND)[0] == 401
        for password, status in [("wrong", 401), ("secret", 502)][program == "caddy" :]:  # whose hashes are slow
            word = base64.b64encode(f"nurse:{password}".encode()).decode()
            assert ask(port, "GET", "/", Authorization=f"Basic {word}")[0] == status


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with an authority, clients.pem, and a certificate that it has signed, used by server and client."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    for name, signer in [("clients", []), ("other", []), ("nurse", ["-CA", "clients.pem", "-CAkey", "clients.key"])]:
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        make += ["-addext", "subjectAltName=DNS:tosa.example", *signer, "-out", f"{name}.pem", "-keyout", f"{name}.key"]
        subprocess.run(make, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("program", ["nginx", "caddy"])
def test_without_a_signed_certificate_nothing_reaches_tosa(program, certificates, tmp_path):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    port = free_port()
    command = {"nginx": nginx, "caddy": caddy}[program](tmp_path, port, free_port(), False)
    if program == "nginx":
        file, lock = tmp_path / "nginx.conf", example("nginx", 2)
        own = f"{port} ssl;\n    ssl_certificate nurse.pem; ssl_certificate_key nurse.key;\n{lock}"
        file.write_text(file.read_text().replace(f"{port};", own))
    else:
        file = tmp_path / "Caddyfile"
        lock = example("caddy", 2).replace("tls {", "tls nurse.pem nurse.key {")
        file.write_text(
            file.read_text().replace(f"http://tosa.example:{port} {{\n", f"https://tosa.example:{port} {{\n{lock}")
        )
        file.write_text(file.read_text().replace("admin off", "admin off\n    auto_https disable_redirects"))
    with started(command, tmp_path, port):
        assert secure_status(port, tmp_path, "nurse") == 502
        for name in (None, "other"):
            assert secure_status(port, tmp_path, name) in (None, 400)


def secure_status(port, folder, certificate: str | None) -> int | None:
    """The status of an answer over TLS to who shows this certificate; None if the proxy ends the connection."""
    pair = (folder / f"{certificate}.pem", folder / f"{certificate}.key") if certificate else None
    try:
        connection = secure_connection(port, folder / "clients.pem", "tosa.example", pair)
        connection.request("GET", "/", headers={"Host": f"tosa.example:{port}"})
        return connection.getresponse().status
    except (ssl.SSLError, ConnectionError):
        return None


def secure_connection(port, authority, name: str, pair=None) -> http.client.HTTPSConnection:
    """A connection over TLS to a port of this machine, whose certificate has to be one of `name`."""
    context = ssl.create_default_context(cafile=authority)
    if pair:
        context.load_cert_chain(*pair)
    connection = http.client.HTTPSConnection(name, port, timeout=30 * PATIENCE, context=context)
    plain = socket.create_connection(("127.0.0.1", port), timeout=30 * PATIENCE)
    connection.sock = context.wrap_socket(plain, server_hostname=name)
    return connection
