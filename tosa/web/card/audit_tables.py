"""What an audit measured, as tables."""

from tosa.model.card import ModelCard, TaskCard
from tosa.model.network import Network
from tosa.web.card.blocks import Section, Table, table
from tosa.web.card.words import Words

FORMER_NAMES = {"as it came": "unchanged"}  # of changes, in the cards of graphs that were made before


def audited(network: Network, card: ModelCard, words: Words) -> list[Section]:
    """Returns the sections that only an audit fills: shortcuts, subgroups, handling and what is refused."""
    tasks = {name: of for name, of in card["tasks"].items() if name in network.tasks}
    made = {
        "shortcuts": [_shortcuts(tasks, words), _sources_told(tasks, words)],
        "subgroups": [_subgroups(tasks, words)],
        "handling": [_handling(name, of, words) for name, of in tasks.items()],
        "refused": [_refused(card, words)],
    }
    filled = {name: [each for each in tables if each.rows] for name, tables in made.items()}
    return [
        Section(name, words.say(name), [words.say(f"{name}.how")], tables=tables)
        for name, tables in filled.items()
        if tables
    ]


def _shortcuts(tasks: dict[str, TaskCard], words: Words) -> Table:
    rows = []
    for name, card in tasks.items():
        if (shortcuts := card.get("shortcuts")) and (tested := card.get("tested")):
            auc = words.area(tested["auc"]) if "auc" in tested else ""
            rows.append([words.task(name), words.say("network"), words.rate(tested["accuracy"]), auc, ""])
            for seen, of in shortcuts.items():
                where = words.rate(of["where_wrong"], counted=True) if of["where_wrong"] else words.say("unknown")
                cells = [words.rate(of["accuracy"]), words.area(of["auc"]), where]
                rows.append([words.task(name), words.say_or(f"shortcut.{seen}", seen), *cells])
    return table("", ["task", "seen", "accuracy", "auc", "where_wrong"], rows, words)


def _sources_told(tasks: dict[str, TaskCard], words: Words) -> Table:
    rows = [
        [
            words.task(name), words.label(name, label), f"{words.percent(of['balanced_accuracy'])} (N={of['n']})",
            words.percent(of["guessing"]), ", ".join(of["sources"]),
        ]
        for name, card in tasks.items() for label, of in card.get("sources_told", {}).items()
    ]  # fmt: skip
    return table(words.say("sources_told"), ["task", "label", "told", "guessing", "sources"], rows, words)


def _subgroups(tasks: dict[str, TaskCard], words: Words) -> Table:
    rows = [
        [words.task(name), _subgroup(group, words), words.rate(rate), str(rate["n"])]
        for name, card in tasks.items() for group, rate in card.get("subgroups", {}).items()
    ]  # fmt: skip
    return table("", ["task", "who", "accuracy", "n"], rows, words)


def _subgroup(group: str, words: Words) -> str:
    """A subgroup's name, such as 'age 18 to 39', whose first word is translated."""
    column, _, value = group.partition(" ")
    return f"{words.say_or(f'subgroup.{column}', column)} {value}"


def _handling(name: str, card: TaskCard, words: Words) -> Table:
    rows = []
    for change, of in card.get("handling", {}).items():
        change = FORMER_NAMES.get(change, change)
        rates = [words.rate(of[key]) if of.get(key) else "" for key in ("kept", "same", "sensitivity", "specificity")]
        bound = words.say("missed" if of["missed"] else "holds") if "missed" in of else ""
        rows.append([words.say_or(f"change.{change}", change), *rates, str(of["refused"]), bound])
    head = ["change", "kept", "same", "sensitivity", "specificity", "refused.n", "bound"]
    return table(words.task(name), head, rows, words)


def _refused(card: ModelCard, words: Words) -> Table:
    rows = [
        [_pictures(of["kind"], of["name"], words), words.rate(of["refused"]), str(of["refused"]["n"])]
        for of in card.get("gate", [])
    ]
    return table("", ["pictures", "refused.share", "n"], rows, words)


def _pictures(kind: str, name: str, words: Words) -> str:
    return words.say_or(f"gate.{kind}", "{name}").format(name=name)
