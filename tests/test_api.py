"""The Python interface: `import tosa`."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

import tosa
from pictures import encoded, phantom
from sounds import coughs, wav
from tosa.errors import ModelError, RequestError
from tosa.web.app import create_app

SOUND = wav(coughs())
PICTURE = encoded(Image.fromarray(phantom()))


@pytest.fixture(scope="module")
def model(small_graph):
    return tosa.load(*small_graph)


def test_it_answers_what_the_web_app_answers(model, small_graph):
    client = create_app(model._network).test_client()
    for explain in (False, True):
        form = {"audio_data": (io.BytesIO(SOUND), "x"), "image_data": (io.BytesIO(PICTURE), "x")}
        answered = client.post("/?explain=1" if explain else "/", data=form).get_json()
        assert model.screen(sound=SOUND, picture=PICTURE, explain=explain) == answered


@pytest.mark.parametrize("kind, data", [("sound", SOUND), ("picture", PICTURE)])
def test_a_path_bytes_and_a_file_are_alike(kind, data, model, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file:
        sources = [path, str(path), data, bytearray(data), io.BytesIO(data), file]
        first, *others = [model.screen(**{kind: source}) for source in sources]
    assert [finding["from"] for finding in first["findings"]][0] == kind
    assert others == [first] * 5


def test_refusals_have_code_and_status(model):
    for data, code, status in ((wav(coughs() * 0), "silence", 422), (b"text", "unsupported_format", 415)):
        with pytest.raises(RequestError) as refusal:
            model.screen(sound=data)
        assert (refusal.value.code, refusal.value.status) == (code, status)
    with pytest.raises(RequestError, match="sound=") as refusal:
        model.screen(picture=SOUND)
    assert refusal.value.status == 415
    with pytest.raises(RequestError) as refusal:
        model.screen()
    assert refusal.value.code == "nothing_sent"


def test_a_missing_file_is_an_os_error(model, tmp_path):
    with pytest.raises(FileNotFoundError):
        model.screen(sound=tmp_path / "none.wav")


def test_threads_may_share_a_model(model):
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: model.screen(sound=SOUND), range(8)))
    assert answers == [answers[0]] * 8


def test_tasks_and_sha256(model, small_graph):
    assert model.tasks["cough"] == ("not sick", "sick")
    assert model.screen(sound=SOUND)["model"]["sha256"] == model.sha256


def test_environment_names_the_default(small_graph, monkeypatch, model):
    monkeypatch.setenv("TOSA_GRAPH", str(small_graph[0]))
    monkeypatch.setenv("TOSA_LABELS", str(small_graph[1]))
    assert tosa.load().sha256 == model.sha256


def test_a_graph_without_labels_asks_for_them(classic_graph):
    with pytest.raises(ModelError, match="label"):
        tosa.load(classic_graph[0])
    assert tosa.load(*classic_graph).tasks == {"cough": ("not sick", "sick")}


def test_a_missing_graph_is_named(tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        tosa.load(tmp_path / "nowhere.pb")
