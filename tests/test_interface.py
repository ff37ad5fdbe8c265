"""The Python interface: `import tosa`."""

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import tosa
from pictures import encoded, phantom
from running import ROOT
from sounds import coughs, wav
from tosa.web.app import create_app

SOUND, PICTURE = wav(coughs()), encoded(Image.fromarray(phantom()))


@pytest.fixture(scope="module")
def model(small_graph):
    return tosa.load(*small_graph)


@pytest.mark.parametrize("explain", [False, True])
def test_it_answers_as_the_server_does(model, explain):
    client = create_app(model._network).test_client()
    parts = {"audio_data": (io.BytesIO(SOUND), "x"), "image_data": (io.BytesIO(PICTURE), "x")}
    answer = client.post(f"/?explain={explain:d}", data=parts).json
    assert model.screen(sound=SOUND, picture=PICTURE, explain=explain) == answer


def test_paths_bytes_and_files_are_taken(model, tmp_path):
    file = tmp_path / "cough.wav"
    file.write_bytes(SOUND)
    expected = model.screen(sound=SOUND)
    with open(file, "rb") as opened:
        for source in (file, str(file), opened, io.BytesIO(SOUND), bytearray(SOUND)):
            assert model.screen(sound=source) == expected


def test_tasks_and_digest_are_told(model):
    assert list(model.tasks) == ["cough", "pneumonia", "covid"] and model.tasks["cough"] == ("not sick", "sick")
    assert len(model.sha256) == 64


@pytest.mark.parametrize(
    "files, status, code",
    [
        ({}, 400, "nothing_sent"),
        ({"sound": b""}, 400, "nothing_sent"),
        ({"sound": PICTURE}, 415, "unsupported_format"),
        ({"picture": PICTURE[:500]}, 422, "damaged"),
        ({"sound": SOUND, "picture": b"hello"}, 415, "unsupported_format"),
    ],
)
def test_refusals_are_exceptions(model, files, status, code):
    with pytest.raises(tosa.RequestError) as error:
        model.screen(**files)
    assert (error.value.status, error.value.code) == (status, code)


def test_a_missing_file_is_an_os_error(model, tmp_path):
    with pytest.raises(FileNotFoundError):
        model.screen(sound=tmp_path / "none.wav")


def test_the_embedded_graph_carries_its_labels(monkeypatch):
    for name in ("TOSA_GRAPH", "TOSA_LABELS"):
        monkeypatch.delenv(name, raising=False)
    embedded, own = tosa.load(), tosa.load(ROOT / "retrained_graph.pb")
    assert own.tasks == embedded.tasks and list(own.tasks) == list(embedded.tasks)
    assert own.screen(sound=SOUND) == embedded.screen(sound=SOUND)


def test_classic_graphs_need_their_label_file(classic_graph, tmp_path):
    expected = {"cough": ("not sick", "sick")}
    assert (
        tosa.load(*classic_graph).tasks == tosa.load(classic_graph[0]).tasks == expected
    )  # labels.txt beside graph.pb
    alone = tmp_path / "my_graph_1.pb"
    shutil.copy(classic_graph[0], alone)
    with pytest.raises(tosa.ModelError, match=r"my_graph_1.pb does not carry its labels.*TOSA_LABELS") as error:
        tosa.load(alone)
    assert "my_labels_1.txt or my_graph_1.txt" in str(error.value)
    for name in ("my_labels_1.txt", "my_graph_1.txt"):
        shutil.copy(classic_graph[1], tmp_path / name)
        assert tosa.load(alone).tasks == expected
        (tmp_path / name).unlink()


def test_a_label_file_that_contradicts_the_graph_is_an_error(classic_graph):
    with pytest.raises(
        tosa.ModelError, match=r"carries the labels cough: not sick, sick; .* cough: not sick, sick\."
    ) as error:
        tosa.load(ROOT / "retrained_graph.pb", classic_graph[1])
    assert "this graph needs none" in str(error.value)


def test_importing_is_cheap():
    code = "import sys, tosa; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"numpy", "openvino", "flask", "PIL", "pydicom", "av", "click"} & set(run.stdout.split())
    assert Path(tosa.__file__).parent == ROOT / "tosa"


def test_what_is_neither_path_nor_bytes_nor_binary_file_is_a_type_error(model):
    for source in (3, io.StringIO("cough")):
        with pytest.raises(TypeError, match="binary mode"):
            model.screen(sound=source)
