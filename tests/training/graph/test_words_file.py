"""retrain.py --describe_graph: the words of a file go into a finished graph, and nothing else changes."""

import json
import re
import shutil

import numpy as np
import pytest

import retrain
from pictures import phantom
from tosa.model.graph import Graph
from tosa.model.network import Network

LUNGS = {"en": "Lungs", "fr": "Poumons"}
WORDS = {
    "title": LUNGS,
    "sources": {"ours": "CC0."},
    "tasks": {
        "covid": {
            "descriptions": {"normal": {"en": "clear", "es": "limpia"}},
            "note": "Few.",
            "demonstration": True,
            "population": "adults",
            "card": {"truth": "as published"},
        },
        "cough": {"limits": "Not a diagnosis."},
    },
}


@pytest.fixture
def write(tmp_path, small_graph, capsys):
    """A function that applies words to a graph, by default the small one, and returns status, output and the graph."""

    def apply(words, graph=small_graph[0], output=tmp_path / "described.pb"):
        file = tmp_path / "words.json"
        file.write_text(words if isinstance(words, str) else json.dumps(words), encoding="utf-8")
        given = [f"--describe_graph={file}", f"--graph={graph}", f"--output_graph={output}"]
        status = retrain.main(given)
        return status, "".join(capsys.readouterr()), output

    return apply


def test_words_are_written_and_scores_stay(write, small_graph):
    status, out, output = write(WORDS)
    assert status == 0 and "To serve it: " in out
    before, after = Network.load(*small_graph), Network.load(output, small_graph[1])
    assert after.tasks.keys() == before.tasks.keys() and after.metadata.name == "small"
    pictures = np.stack([phantom(299, 299)] * 3, -1)[None]
    np.testing.assert_array_equal(after.run(pictures).scores, before.run(pictures).scores)
    old, new = Graph(small_graph[0].read_bytes()), Graph(output.read_bytes())
    changed = {"tosa/metadata", "tosa/sha256"}
    assert {name: node for name, node in old.nodes.items() if name not in changed} == {
        name: node for name, node in new.nodes.items() if name not in changed
    }
    covid = after.metadata.task("covid")
    assert after.metadata.title == LUNGS and covid.descriptions == WORDS["tasks"]["covid"]["descriptions"]
    assert covid.demonstration and covid.note == "Few." and covid.population == "adults"
    assert after.metadata.task("cough").limits == "Not a diagnosis."


def test_a_classic_graph_carries_its_labels_then(write, classic_graph):
    _, _, output = write({"tasks": {"cough": {"limits": "Old."}}}, classic_graph[0])
    described = Network.load(output)
    assert described.tasks["cough"].labels == ("not sick", "sick")
    assert described.metadata.task("cough").limits == "Old."


def test_a_second_file_changes_only_what_it_says_and_may_write_in_place(write, small_graph):
    _, _, output = write(WORDS)
    shutil.copy(small_graph[1], output.with_suffix(".txt"))
    data = output.read_bytes()
    assert write(WORDS, output, output)[0] == 0 and output.read_bytes() == data, "the same words, the same bytes"
    assert write({"tasks": {"covid": {"demonstration": False}}}, output, output)[0] == 0
    metadata = Graph(output.read_bytes()).metadata()
    assert (
        metadata.title == LUNGS and metadata.task("covid").note == "Few." and not metadata.task("covid").demonstration
    )
    assert output.with_suffix(".previous.pb").read_bytes() == data


@pytest.mark.parametrize(
    "words, says",
    [
        ("{", "cannot be read as JSON"),
        ([], "must hold a JSON object"),
        ({"tasks": []}, "`tasks` another one"),
        ({"colour": "red"}, "the top level has colour, .* not one of description, licence, sources, tasks, title"),
        ({"tasks": {"asthma": {}}}, "asthma, which is not one of cough, covid, pneumonia"),
        ({"tasks": {"cough": {"gate": True}}}, "the task cough has gate"),
        ({"tasks": {"cough": "loud"}}, "the task cough must be a JSON object"),
        ({"tasks": {"cough": {"descriptions": {"ill": "x"}}}}, "cough.descriptions has ill, .* not sick, sick"),
        ({"tasks": {"cough": {"note": 1}}}, "file of words holds tasks.cough.note = 1"),
        ({"title": {"en": 1}}, "file of words holds title = "),
    ],
)
def test_wrong_words_are_named_and_nothing_is_written(write, words, says):
    status, out, output = write(words)
    assert status == 2 and re.search(says, out) and not output.exists()


def test_other_flags_have_no_effect_with_it(capsys):
    with pytest.raises(SystemExit):
        retrain.main(["--describe_graph=a.json", "--title=Ours"])
    assert "--title has no effect with --describe_graph" in capsys.readouterr().err
