"""What a task answers, and its results, as tables."""

from tosa.model.card import ModelCard, Tested
from tosa.model.metadata import GraphMetadata
from tosa.model.network import Network
from tosa.web.card.blocks import Section, Table, table
from tosa.web.card.words import Words

RATES = ("accuracy", "sensitivity", "specificity", "ppv")


def outcomes(network: Network, card: ModelCard, words: Words) -> Section:
    """Returns what each task answers, and what stands for the truth."""
    points, tables = [], []
    for name, task in network.tasks.items():
        described = network.metadata.task(name).descriptions
        rows = [
            [words.label(name, label), words.text(described.get(label)) or words.say("label.undescribed")]
            for label in task.labels
        ]
        caption = words.say("outcomes.of", task=words.task(name), kind=words.say(f"from.{task.input}"))
        tables.append(table(caption, ["label", "meaning"], rows, words))
        if truth := words.text(card["tasks"].get(name, {"files": []}).get("truth")):
            points.append((words.task(name), [words.say("truth", truth=truth)]))
    return Section("outcomes", words.say("outcomes"), points=points, tables=tables)


def results(network: Network, card: ModelCard, words: Words) -> Section:
    """Returns metrics, confusion matrices, labels and operating points."""
    tested = {name: of["tested"] for name, of in card["tasks"].items() if "tested" in of and name in network.tasks}
    tables = [_metrics(tested, words)] if tested else []
    for name, of in tested.items():
        tables += [_confusion(name, of, words), _labels(name, of, words)]
    points = _operating_points(network.metadata, [*network.tasks], words)
    sentences = [words.say("results.how")] if tested else []
    return Section("results", words.say("results"), sentences, tables=[*tables, *points])


def _metrics(tested: dict[str, Tested], words: Words) -> Table:
    rows = []
    for name, of in tested.items():
        rates = [words.rate(of[key]) if key in of else "" for key in RATES]  # type: ignore[literal-required]
        if "ppv" in of and of["ppv"]["value"] is not None and "prevalence" in of["ppv"]:
            share = words.percent(of["ppv"]["prevalence"])
            rates[-1] = words.say("ppv.if", rate=rates[-1], share=share)
        auc = words.area(of["auc"]) if "auc" in of else ""
        error = of["calibration"]
        ece = words.say("ece.value", ece=words.percent(error["ece"]), chance=words.percent(error["by_chance"]))
        rows.append([words.task(name), f"{of['cases']} ({of['groups']})", *rates, auc, ece])
    return table("", ["task", "cases", *RATES, "auc", "ece"], rows, words)


def _confusion(name: str, tested: Tested, words: Words) -> Table:
    labels = [words.label(name, label) for label in tested["labels"]]
    rows = [[label, *map(str, row)] for label, row in zip(labels, tested["confusion"], strict=True)]
    return Table(words.say("confusion", task=words.task(name)), [words.say("truth.or.answer"), *labels], rows)


def _labels(name: str, tested: Tested, words: Words) -> Table:
    rows = [
        [words.label(name, label), str(of["cases"]), words.rate(of["sensitivity"]), words.rate(of["specificity"])]
        for label, of in tested["by_label"].items()
    ]
    return table(
        words.say("by_label", task=words.task(name)), ["label", "n", "sensitivity", "specificity"], rows, words
    )


def _operating_points(metadata: GraphMetadata, tasks: list[str], words: Words) -> list[Table]:
    rows = []
    for name in tasks:
        if point := metadata.task(name).operating_point:
            labels = " + ".join(words.label(name, label) for label in point.labels)
            rates = [words.percent(point.sensitivity), words.percent(point.specificity)]
            counts = f"{point.ill}, {point.healthy}"
            rows.append([words.task(name), labels, words.number(point.threshold, 2), *rates, counts])
    head = ["task", "positive", "threshold", "sensitivity", "specificity", "ill.healthy"]
    return [table(words.say("operating"), head, rows, words)] if rows else []
