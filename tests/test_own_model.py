"""A model of one's own, trained on two folders of sounds and served: it speaks for itself, and only of itself."""

import contextlib
import io
import json
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import retrain
import tosa
from pictures import encoded, phantom
from running import PATIENCE, Running
from sounds import RATE, coughs, wav
from tosa.cli import main
from tosa.model.calibration import CalibrationCases
from tosa.model.network import GraphFile, Network
from tosa.web.app import create_app
from tosa.web.card.words import strings

EMBEDDED = re.compile(r"cough|\bsick\b|pneumonia|covid|normal", re.IGNORECASE)  # words of the embedded model
WORDS = {"asthma": "wheeze heard", "healthy": "no wheeze heard"}


@dataclass(frozen=True)
class Own:
    """The trained graph, one of its sounds, and what the training printed."""

    graph: Path
    sound: Path
    log: str


def hiss(number: int) -> bytes:
    """A second of a noise that is filtered, louder from file to file."""
    noise = np.random.default_rng(number).normal(size=RATE)
    return wav(np.convolve(noise, np.ones(9) / 9, "same") * (0.1 + number / 100))


@pytest.fixture(scope="module")
def own(small_graph, tmp_path_factory) -> Own:
    """Trained on twelve synthesised wheezes and twelve noises, on the trunk of a graph with other tasks."""
    folder = tmp_path_factory.mktemp("own")
    for number in range(12):
        for label, data in (("asthma", wav(coughs(seed=number))), ("healthy", hiss(number))):
            (folder / "sounds" / label).mkdir(parents=True, exist_ok=True)
            (folder / "sounds" / label / f"person{number}.wav").write_bytes(data)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as log:
        patch.chdir(folder)
        patch.setenv("TOSA_GRAPH", str(small_graph[0]))
        patch.setenv("TOSA_LABELS", str(small_graph[1]))
        status = retrain.main([
            "--audio_dir=sounds", "--image_dir=drawn", "--task=asthma", "--drop_other_tasks", "--title=Clinic",
            *(f"--describe={label}: {words}" for label, words in WORDS.items()), "--limits=Synthesised, so nobody's.",
            "--how_many_training_steps=30", "--output_graph=graph.pb", "--output_labels=elsewhere.txt",
            "--bottleneck_dir=bottlenecks", "--summaries_dir=summaries", "--model_dir=none",
            "--validation_percentage=30", "--testing_percentage=20", r"--group_regex=person\d+",
        ])  # fmt: skip
    assert status == 0
    return Own(folder / "graph.pb", folder / "sounds" / "asthma" / "person1.wav", log.getvalue())


def test_the_training_writes_what_the_graph_says(own):
    metadata = GraphFile.read(own.graph).model.metadata
    assert list(metadata.tasks) == ["asthma"] and metadata.title == "Clinic"
    task = metadata.task("asthma")
    assert task.descriptions == WORDS and task.limits == "Synthesised, so nobody's."
    cases = [each["cases"] for labels in task.counts.values() for each in labels.values()]
    assert sum(cases) == 24 and set(task.counts) == {"training", "validation", "testing"}
    assert metadata.command.startswith(
        "retrain.py --image_dir=FOLDER --audio_dir=FOLDER --task=asthma --drop_other_tasks"
    )
    assert "Its scores were calibrated on" in own.log and "of training, each of these answered by" in own.log
    assert str(own.graph.parent) not in metadata.to_json() and "sounds" not in metadata.to_json()
    assert "they belong to another trunk" not in own.log


def test_the_server_speaks_only_of_the_served_graph(own, tmp_path):
    with Running(own.graph, None, tmp_path) as server:  # no TOSA_LABELS
        status, answer, _ = server.post(own.sound.read_bytes())
        refused, error, _ = server.post(encoded(Image.fromarray(phantom())))
        wanted = urllib.request.Request(f"http://127.0.0.1:{server.port}/", headers={"Accept": "application/json"})
        with urllib.request.urlopen(wanted, timeout=30 * PATIENCE) as response:
            about = json.loads(response.read())
        printed = server.said + "".join(server.out.all)
    (finding,) = answer["findings"]
    assert status == 200 and finding["task"] == "asthma" and finding["description"] == WORDS[finding["diagnosis"]]
    assert (refused, error["error"]["code"]) == (422, "task_missing")
    assert "judges sounds, not pictures: asthma (asthma, healthy)" in error["error"]["message"]
    assert about["model"]["title"] == "Clinic" and about["tasks"][0]["descriptions"] == WORDS
    assert about["tasks"][0]["limits"] == "Synthesised, so nobody's." and about["tasks"][0]["counts"]
    assert "model   Clinic" in printed and "task    asthma: asthma, healthy" in printed
    for said in (answer, error, about, printed):
        assert not EMBEDDED.findall(json.dumps(said)), said


@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_page_and_card_speak_only_of_the_served_graph(own, language):
    """But for the name of the recorder, which records coughs."""
    client = create_app(Network.load(own.graph, None)).test_client()
    card, page = (client.get(address).text for address in (f"/?card&lang={language}", "/"))
    for shown in (card, page):
        assert all(said in shown for said in ("Clinic", "asthma", *WORDS.values(), "Synthesised, so nobody&#39;s."))
        assert not re.findall(r"\bsick\b|pneumonia|covid|kermany|children|Tosa’s embedded", shown, re.IGNORECASE)
    network = Network.load(own.graph, None)
    tested = network.card["tasks"]["asthma"]["tested"]
    low, high = (round(100 * tested["accuracy"][end]) for end in ("low", "high"))
    limits = card[card.index('id="limits"') : card.index('id="results"')]
    assert f"{low}" in limits and f"{high}" in limits and str(tested["cases"]) in limits, "few cases, said first"
    assert strings(language)["limits.trunk_unknown"] in card, "the trunk has no fingerprints"
    cases = CalibrationCases.of(network.metadata.task("asthma").calibration)
    told = strings(language)["cases.mixed"].format(
        all=cases.n, validation=cases.n - cases.training, training=cases.training
    )
    assert 0 < cases.training < cases.n and told in card, "training cases are not called validation cases"
    assert card.count(network.sha256) == 1 and card.index(network.sha256) > card.index('id="making"')
    assert str(own.graph.parent) not in card and ".wav" not in card


def test_screen_and_python_need_no_label_file(own, tmp_path, monkeypatch):
    monkeypatch.delenv("TOSA_LABELS", raising=False)
    monkeypatch.setenv("TOSA_GRAPH", str(own.graph))
    table = tmp_path / "results.csv"
    ran = CliRunner().invoke(main, ["screen", str(own.sound), "--out", str(table)])
    assert ran.exit_code == 0, ran.output
    assert "asthma" in table.read_text() and not EMBEDDED.findall(table.read_text() + ran.output)
    assert tosa.load().tasks == tosa.load(own.graph).tasks == {"asthma": ("asthma", "healthy")}
