"""What the card tells first: what a task must not be used for, where it fails, and what too few cases cannot show."""

from collections.abc import Iterator

from tosa.model.card import ModelCard, TaskCard, Tested
from tosa.model.metadata import TaskMetadata
from tosa.model.network import Network
from tosa.web.card.words import Words, is_wide

CONFUSED = 0.1  # share of a label's cases that are taken for another label, to be told
CONFUSIONS = 3  # told of each task, at most
MENTIONS = {"children": ("child", "niñ", "infant", "enfant"), "adults": ("adult",)}  # word stems, in any language
NEAR = 0.05  # a shortcut as close as this to the network's accuracy is told


def limits(network: Network, words: Words) -> list[tuple[str, list[str]]]:
    """Returns what is to be known before any number: sentences on all tasks, then on each, then on the data."""
    points = [("", [words.say("limits.use")])]
    for name in network.tasks:
        card = (network.card or {"tasks": {}, "data": []})["tasks"].get(name)
        sentences = [*_said(network.metadata.task(name), words)]
        if card:
            sentences += _measured(name, card, words)
        elif network.card:
            sentences.append(words.say("limits.unmeasured"))
        points.append((words.task(name), [sentence for sentence in sentences if sentence]))
    doubts = [*_doubts(network.card, words)] if network.card else []
    return [(task, sentences) for task, sentences in [*points, *doubts] if sentences]


def _said(task: TaskMetadata, words: Words) -> Iterator[str]:
    """What the graph says of a task."""
    if task.demonstration:
        yield words.say("limits.demonstration")
    yield words.text(task.note)
    yield words.text(task.limits)
    said = f"{words.text(task.note)} {words.text(task.limits)}".lower()
    if task.population in MENTIONS and not any(stem in said for stem in MENTIONS[task.population]):
        yield words.say(f"limits.population.{task.population}")
    if task.calibrated is False:
        yield f"{words.say('limits.uncalibrated')} {words.text(task.uncalibrated_reason)}".strip()


def _measured(name: str, card: TaskCard, words: Words) -> Iterator[str]:
    """What the measurements show."""
    tested = card.get("tested")
    if tested is None or not tested["cases"]:
        yield words.say("limits.untested")
    else:
        yield from _small(name, tested, words)
        yield from _confusions(name, tested, words)
        yield from _shortcuts(card, tested, words)
    if missed := [change for change, row in card.get("handling", {}).items() if row.get("missed")]:
        yield words.say("limits.handling", changes=", ".join(missed))
    yield from (words.text(text) for text in card.get("limitations", []))


def _small(name: str, tested: Tested, words: Words) -> Iterator[str]:
    """What so few cases cannot show."""
    accuracy = tested["accuracy"]
    if is_wide(accuracy):
        low, high = words.percent(accuracy["low"], 0), words.percent(accuracy["high"], 0)
        yield words.say("limits.small", cases=tested["cases"], groups=tested["groups"], low=low, high=high)
    counts = [sum(row) for row in tested["confusion"]]
    commonest = max(counts) / max(sum(counts), 1)
    if accuracy["low"] <= commonest:
        label = words.label(name, tested["labels"][counts.index(max(counts))])
        yield words.say("limits.guessing", label=label, share=words.percent(commonest, 0))
    if missing := [words.label(name, label) for label, n in zip(tested["labels"], counts, strict=True) if not n]:
        yield words.say("limits.no_case", labels=", ".join(missing))


def _confusions(name: str, tested: Tested, words: Words) -> Iterator[str]:
    """The labels that are most often taken for another one."""
    labels, found = tested["labels"], []
    for truth, row in enumerate(tested["confusion"]):
        for answer, count in enumerate(row):
            if truth != answer and count >= CONFUSED * sum(row) and count:
                found.append((count / sum(row), count, sum(row), labels[truth], labels[answer]))
    for _, count, cases, taken, for_label in sorted(found, reverse=True)[:CONFUSIONS]:
        named = {"truth": words.label(name, taken), "answer": words.label(name, for_label)}
        yield words.say("limits.confused", count=count, all=cases, **named)


def _shortcuts(card: TaskCard, tested: Tested, words: Words) -> Iterator[str]:
    """The shortcuts that come near the network."""
    for name, shortcut in card.get("shortcuts", {}).items():
        theirs, ours = shortcut["accuracy"]["value"], tested["accuracy"]["value"]
        if theirs is not None and ours is not None and theirs >= ours - NEAR:
            seen, share = words.say_or(f"shortcut.{name}", name), words.percent(theirs)
            yield words.say("limits.shortcut", shortcut=seen, share=share, network=words.percent(ours))


def _doubts(card: ModelCard, words: Words) -> Iterator[tuple[str, list[str]]]:
    """Doubts about the data."""
    names: tuple[str, ...] = (
        "seen_by_trunk_testing", "trunk_unknown", "copies_in_several_splits", "copies_with_several_labels",
        "groups_in_several_splits", "alike_across_splits", "ungrouped",
    )  # fmt: skip
    for data in card["data"]:
        tasks, counts = ", ".join(words.task(name) for name in data["tasks"]), dict(data)
        yield tasks, [words.say(f"limits.{name}", count=counts[name]) for name in names if counts.get(name)]
