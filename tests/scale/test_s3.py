"""Objects of S3-compatible storage, which moto's server holds, screened as files are."""

import csv

import pytest
from PIL import Image

from pictures import encoded, phantom
from sounds import coughs, wav
from tosa import settings
from tosa.errors import UsageError
from tosa.scale import s3
from tosa.scale.batch import screen_batch
from tosa.scale.sources import count_items, find_items, read_item

fs = pytest.importorskip("pyarrow.fs", reason="pyarrow is not installed")
server = pytest.importorskip("moto.server", reason="moto's server is not installed")

SOUND, PICTURE = wav(coughs()), encoded(Image.fromarray(phantom()))
OBJECTS = {
    "archive/a.wav": SOUND,
    "archive/deep/b 100%?#.wav": SOUND,
    "archive/chest": PICTURE,
    "archive/note.txt": b"no sound",
    "archive/.hidden/c.wav": SOUND,
    "archive/.d.wav": SOUND,
    "other/e.wav": SOUND,
}


@pytest.fixture(scope="module")
def endpoint():
    """The address of a server with the bucket `hospital`; the environment names it, as users would."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    address = "http://{}:{}".format(*running.get_host_and_port())
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (keys | {"AWS_ENDPOINT_URL": address}).items():
            patch.setenv(name, value)
        s3._storage.cache_clear()
        storage = fs.S3FileSystem(endpoint_override=address, allow_bucket_creation=True)
        storage.create_dir("hospital")
        for key, content in OBJECTS.items():
            with storage.open_output_stream(f"hospital/{key}") as stream:
                stream.write(content)
        yield address
    running.stop()
    s3._storage.cache_clear()


def names(*sources):
    return [item.name for item in find_items(list(sources), ())]


def test_a_prefix_has_its_objects_without_what_is_hidden(endpoint):
    assert names("s3://hospital/archive") == names("s3://hospital/archive/") == [
        "s3://hospital/archive/a.wav", "s3://hospital/archive/chest", "s3://hospital/archive/deep/b 100%25%3F%23.wav",
        "s3://hospital/archive/note.txt",
    ]  # fmt: skip
    assert len(names("s3://hospital")) == 5 and names("s3://hospital/other/e.wav") == ["s3://hospital/other/e.wav"]
    assert count_items(["s3://hospital"]) is None


def test_what_was_found_is_what_is_read(endpoint):
    for name in names("s3://hospital"):
        key = name.removeprefix("s3://hospital/").replace("%3F", "?").replace("%23", "#").replace("%25", "%")
        assert read_item(name, 10**9) == OBJECTS[key] and read_item(name, 5) == OBJECTS[key][:5]
        assert names(name) == [name]


def test_a_query_names_the_storage_and_is_not_in_the_results(endpoint, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    query = f"?endpoint_override={endpoint.removeprefix('http://')}&scheme=http"
    (item,) = find_items([f"s3://hospital/other{query}"], ())
    assert item.name == "s3://hospital/other/e.wav" and read_item(item.path, 10**9) == SOUND
    assert list(find_items(["-"], [f"{item.path}\n"])) == [item]


def test_what_is_not_there_is_named(endpoint):
    for address in ("s3://hospital/nothing", "s3://clinic"):
        with pytest.raises(UsageError, match=f"Nothing is stored at '{address}'"):
            names(address)
    with pytest.raises(FileNotFoundError):
        read_item("s3://hospital/nothing", 9)


def test_a_batch_has_a_row_for_each_finding_and_each_error(endpoint, small_graph, tmp_path):
    (tmp_path / "list.csv").write_text("file\ns3://hospital/other/e.wav\ns3://hospital/gone.wav\n")
    config = settings.Settings(graph=small_graph[0], labels=small_graph[1])
    sources = ["s3://hospital/archive", str(tmp_path / "list.csv")]
    summary = screen_batch(sources, tmp_path / "r.csv", config)
    with open(tmp_path / "r.csv", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    errors = {row["file"]: row["error"] for row in rows if row["error"]}
    assert errors == {"s3://hospital/archive/note.txt": "unsupported_format", "s3://hospital/gone.wav": "unreadable"}
    assert summary.files == 6 and len({row["file"] for row in rows}) == 6
    scores = {row["scores"] for row in rows if row["task"] == "cough"}
    assert len(scores) == 1  # of the same sound three times
