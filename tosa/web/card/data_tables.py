"""The data of a training, as tables."""

from collections.abc import Iterator

from tosa.model.card import FileCounts, ModelCard
from tosa.model.metadata import Counts
from tosa.model.network import Network
from tosa.web.card.blocks import Section, Table, table
from tosa.web.card.words import Words

SPLITS = ("training", "validation", "testing")


def data(network: Network, card: ModelCard, words: Words) -> Section:
    """Returns the files of each split, their sources and licences, and the copies among them."""
    tables = [*_files(network, card, words)]
    sentences = [words.say("data.how" if tables else "data.unknown")]
    if copies := sum(of["copies"] for of in card["data"]):
        sentences.append(words.say("copies", count=copies))
    if seen := sum(of.get("seen_by_trunk", 0) for of in card["data"]):
        sentences.append(words.say("seen_by_trunk", count=seen))
    if described := [[name, words.text(text)] for name, text in card.get("sources", {}).items()]:
        tables.append(table(words.say("sources.what"), ["source", "description"], described, words))
    if licensed := [[of["source"], of["licence"], str(of["files"])] for of in card.get("licences", [])]:
        tables.append(table(words.say("licences"), ["source", "licence", "files"], licensed, words))
    return Section("data", words.say("data"), sentences, tables=tables)


def _files(network: Network, card: ModelCard, words: Words) -> Iterator[Table]:
    """A table for each task; from the metadata where the card does not have the task."""
    for name, task in network.tasks.items():
        if rows := card["tasks"].get(name, {"files": []})["files"]:
            cells = [[words.label(name, row["label"]), row["source"] or "-", *_of_splits(row)] for row in rows]
            yield table(words.task(name), ["label", "source", *SPLITS], cells, words)
        elif counts := network.metadata.task(name).counts:
            cells = [
                [words.label(name, label), *(_counted(counts.get(split, {}), label) for split in SPLITS)]
                for label in task.labels
            ]
            yield table(words.task(name), ["label", *SPLITS], cells, words)


def _of_splits(row: FileCounts) -> list[str]:
    return [f"{files} ({groups})" for files, groups in (row["training"], row["validation"], row["testing"])]


def _counted(counts: Counts, label: str) -> str:
    of = counts.get(label, {})
    return f"{of.get('cases', 0)} ({of.get('groups', 0)})"
