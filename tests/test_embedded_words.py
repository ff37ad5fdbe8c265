"""docs/embedded_words.json, which retrain.py --describe_graph writes into the embedded graph, fits it."""

import json
from collections.abc import Iterator
from typing import Any

from tosa import settings
from tosa.model.network import GraphFile
from tosa.training.graph.words_file import read_words, with_words

FILE = settings.ROOT / "docs" / "embedded_words.json"
LANGUAGES = {"en", "es", "fr"}


def texts(value: Any) -> Iterator[dict[str, str]]:
    """Yields each object with a text for each language."""
    if isinstance(value, dict) and LANGUAGES & value.keys():
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def test_the_words_fit_the_embedded_graph_and_change_nothing_else():
    read = GraphFile.read(settings.ROOT / "retrained_graph.pb").model
    labels = {name: task.labels for name, task in read.tasks.items()}
    described = with_words(read.metadata, labels, read_words(FILE))
    assert described.title and described.licence and all(described.task(name).limits for name in labels)
    for name, names in labels.items():
        before, after = read.metadata.task(name), described.task(name)
        assert set(after.descriptions) == set(names)
        assert (after.operating_point, after.calibration, after.refit) == (
            before.operating_point, before.calibration, before.refit,
        )  # fmt: skip
    assert described.task("covid").demonstration and described.task("pneumonia").population == "children"


def test_every_text_is_in_every_language():
    found = list(texts(json.loads(FILE.read_text(encoding="utf-8"))))
    assert len(found) > 20
    assert [text for text in found if text.keys() != LANGUAGES or not all(text.values())] == []
