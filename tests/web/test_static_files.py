"""The page's files as clients get them: compressed, cached by their hash, and only those."""

import base64
import gzip
import hashlib
import re

import pytest

from tosa import settings
from tosa.model.network import Network
from tosa.web.app import create_app
from tosa.web.static_files import StaticFiles

FOLDER = settings.ROOT / "static"


@pytest.fixture(scope="module")
def client(small_graph):
    return create_app(Network.load(*small_graph), settings.Settings()).test_client()


@pytest.fixture(scope="module")
def files():
    return StaticFiles(FOLDER)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "page.js").write_text('import { b } from "./b.js";\n')
    (tmp_path / "b.js").write_text(
        'import {\n  c,\n} from "./c.js";\nimport "./page.js";\nconst later = import("./d.js");\n'
    )
    for name in ("c.js", "d.js", "tosa.css", "theme.js", "notes.txt"):
        (tmp_path / name).write_text(f"/* {name} {'x' * 200} */\n")
    return tmp_path


def test_each_file_is_sent_compressed_to_clients_that_accept_it(client, files):
    for name in files.files:
        content = (FOLDER / name).read_bytes()
        plain = client.get(f"/static/{name}")
        assert plain.data == content and "Content-Encoding" not in plain.headers
        short = client.get(f"/static/{name}", headers={"Accept-Encoding": "gzip, br"})
        if "Content-Encoding" in short.headers:
            assert gzip.decompress(short.data) == content and len(short.data) < len(content)
        else:
            assert short.data == content
        assert short.headers["Vary"] == "Accept-Encoding"
    compressed = client.get("/static/page.js", headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["Content-Encoding"] == "gzip" and compressed.mimetype == "text/javascript"
    assert "Content-Encoding" not in client.get("/static/page.js", headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_a_version_is_cached_forever_and_a_stable_address_is_asked_for_again(client, files):
    forever = client.get(f"/static/{files.version}/page.js")
    assert "immutable" in forever.headers["Cache-Control"] and "max-age=31536000" in forever.headers["Cache-Control"]
    stable = client.get("/static/page.js")
    assert stable.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/page.js", headers={"If-None-Match": stable.headers["ETag"]})
    assert again.status_code == 304 and not again.data
    other = client.get("/static/page.js", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200 and other.data == stable.data


def test_only_files_of_the_folder_are_served(client):
    for name in ("nothing.js", "0123456789abcdef/page.js", "../app.py", "%2e%2e/app.py", "examples", ""):
        assert client.get(f"/static/{name}").status_code == 404
    assert client.post("/static/page.js").status_code == 405


def test_the_hash_changes_with_any_file(folder):
    before = StaticFiles(folder).version
    assert StaticFiles(folder).version == before
    (folder / "c.js").write_text("changed")
    assert StaticFiles(folder).version != before


def test_modules_are_those_imported_directly_or_through_others_and_not_later(folder):
    files = StaticFiles(folder)
    assert files.modules() == ["b.js", "c.js"]
    assert "notes.txt" not in files.files


def test_the_page_names_this_version_preloads_its_modules_and_hashes_what_is_part_of_it(client, files):
    response = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip" and response.headers["Cache-Control"] == "no-store"
    page = gzip.decompress(response.data).decode()
    assert page == client.get("/").text
    preloaded = re.findall(r'rel="modulepreload" href="static/(\w+)/([\w.]+)"', page)
    assert preloaded == [(files.version, name) for name in files.modules()] and len(preloaded) > 5
    for name in re.findall(r'(?:href|src)="(static/[^"]+)"', page):
        assert client.get(f"/{name}").status_code == 200, name
    policy = response.headers["Content-Security-Policy"]
    for tag in ("style", "script"):
        inline = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'self' 'sha256-{digest}'" in policy
    assert "{" not in policy and "unsafe" not in policy


def test_a_head_request_and_an_error_are_not_compressed_into_nonsense(client):
    assert client.head("/", headers={"Accept-Encoding": "gzip"}).status_code == 200
    assert client.get("/nothing", headers={"Accept-Encoding": "gzip"}).json["error"]["code"] == "http_error"
