"""The model card of a training, made of its report, and what an audit adds to it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tosa.model.card import (
    DataCard,
    FileCounts,
    Handled,
    ModelCard,
    Rate,
    Refused,
    Shortcut,
    TaskCard,
    Tested,
    card_to_json,
)
from tosa.model.graph import CARD, text_constant
from tosa.training.data import dataset
from tosa.training.data.dataset import Case, of_task

RATES = ("sensitivity", "specificity", "ppv", "auc")  # of any illness against health
GATE_TABLES = ("chest X-rays", "of an unseen source", "cropped", "made of chest X-rays", "others")


def training_card(
    tested: Mapping[str, Mapping[str, Any]],
    cases: Sequence[Case],
    data: Mapping[str, Any],
    kept: ModelCard | None = None,
) -> ModelCard:
    """Returns the card of the tasks of some cases, beside what another card says of other tasks.

    tested: metrics of the tasks that were tested, as TaskReport has them; data: as summarize_data returns it;
    kept: the card of the graph whose other tasks are kept with their trunk.
    """
    tasks: dict[str, TaskCard] = {}
    for name in dataset.labels_by_task(cases):
        tasks[name] = {"files": count_files(of_task(cases, name))}
        if name in tested:
            tasks[name]["tested"] = tested_metrics(tested[name])
    new: ModelCard = {"tasks": tasks, "data": [_data_card(list(tasks), data)]}
    return with_tasks(kept, new) if kept else new


def with_tasks(card: ModelCard, new: ModelCard) -> ModelCard:
    """Returns a card with the tasks and data of `new` in the place of its own ones of the same names."""
    kept = card_of(card, [task for task in card["tasks"] if task not in new["tasks"]])
    return {**kept, "tasks": kept["tasks"] | new["tasks"], "data": [*kept["data"], *new["data"]]}


def card_of(card: ModelCard, tasks: Collection[str]) -> ModelCard:
    """Returns the part of a card that is of some tasks."""
    left = {name: of for name, of in card["tasks"].items() if name in tasks}
    data: list[DataCard] = [{**of, "tasks": [name for name in of["tasks"] if name in left]} for of in card["data"]]
    part: ModelCard = {**card, "tasks": left, "data": [of for of in data if of["tasks"]]}
    used = _sources(left)
    if "licences" in card:
        part["licences"] = [row for row in card["licences"] if row["source"] in used]
    if "sources" in card:
        part["sources"] = {name: text for name, text in card["sources"].items() if name in used}
    return part


def _sources(tasks: Mapping[str, TaskCard]) -> set[str]:
    return {row["source"] for task in tasks.values() for row in task["files"]}


def card_constant(card: ModelCard) -> dict[str, np.ndarray]:
    """Returns the constant of a graph that holds the card, by its name."""
    return {CARD: text_constant(card_to_json(card))}


def count_files(cases: Sequence[Case]) -> list[FileCounts]:
    """Returns the numbers of files and of groups of each source and label in each split."""
    rows: list[FileCounts] = []
    for source, label in sorted({(case.source, case.label) for case in cases}):
        chosen = [case for case in cases if (case.source, case.label) == (source, label)]
        training, validation, testing = (_files_and_groups(chosen, split) for split in dataset.SPLITS)
        rows.append(
            {"source": source, "label": label, "training": training, "validation": validation, "testing": testing}
        )
    return rows


def _files_and_groups(cases: Sequence[Case], split: str) -> list[int]:
    held = dataset.in_split(cases, split)
    return [len(held), len({case.group for case in held})]


def _data_card(tasks: list[str], data: Mapping[str, Any]) -> DataCard:
    card: DataCard = {
        "tasks": tasks,
        "copies": data["same_content"],
        "copies_in_several_splits": len(data["same_content_in_several_splits"]),
        "copies_with_several_labels": len(data["same_content_with_several_labels"]),
        "groups_in_several_splits": len(data["groups_in_several_splits"]),
        "skipped": len(data["skipped"]),
    }
    if (alike := data.get("looking_alike_across_splits")) is not None:  # None: too many to compare
        card["alike_across_splits"] = len({pair[0] for pair in alike})
    if "files_in_the_training_of_the_trunk" in data:
        card["seen_by_trunk"] = len(data["files_in_the_training_of_the_trunk"])
        card["seen_by_trunk_testing"] = data["testing_files_in_the_training_of_the_trunk"]
    elif "in_the_training_of_the_trunk" in data:
        card["trunk_unknown"] = True
    card["ungrouped"] = sum(data.get("tasks_in_which_no_group_repeats", {}).values())
    return card


def tested_metrics(metrics: Mapping[str, Any]) -> Tested:
    """Returns the metrics that a card has. metrics: of task_metrics."""
    counts = metrics["classification_report"]
    tested: Tested = {
        "labels": metrics["labels"],
        "cases": metrics["cases"],
        "groups": metrics["groups"],
        "accuracy": rate_of(metrics["accuracy"]),
        "by_label": {
            label: {
                "cases": int(counts[label]["support"]),
                "sensitivity": rate_of(rates["sensitivity"]),
                "specificity": rate_of(rates["specificity"]),
            }
            for label, rates in metrics["by_label"].items()
        },
        "confusion": metrics["confusion_matrix"],
        "calibration": {
            "ece": metrics["calibration"]["ece"],
            "by_chance": metrics["calibration"]["by_chance"],
            "n": metrics["cases"],
        },
    }
    if "negative" in metrics:
        tested["negative"] = metrics["negative"]
        for name in RATES:
            tested[name] = metrics[name] and rate_of(metrics[name])  # type: ignore[literal-required]
    return tested


def rate_of(rate: Mapping[str, Any]) -> Rate:
    """Returns a rate of the metrics with the interval over groups where it has one."""
    limits = rate.get("over_groups", rate)
    found: Rate = {"value": rate["value"], "low": limits["low"], "high": limits["high"], "n": rate["n"]}
    if "groups" in limits:
        found["groups"] = limits["groups"]
    if "prevalence" in rate:
        found["prevalence"] = rate["prevalence"]
    return found


def with_audit(card: ModelCard, audit: Mapping[str, Any], words: Mapping[str, Any]) -> ModelCard:
    """Returns a card with what an audit measured of the same graph, and the words of people about its data.

    audit: what docs/audit.json holds; words: `sources`, and for each task in `tasks` its `truth` and `limitations`.
    """
    tasks = dict(card["tasks"])
    for name, found in audit["tasks"].items():
        tasks[name] = _audited(found, tasks.get(name, {"files": []}), words.get("tasks", {}).get(name, {}))
    audited: ModelCard = {**card, "tasks": tasks, "licences": audit.get("licences", [])}
    audited["sources"] = words.get("sources", {})
    if "gate" in audit:
        audited["gate"] = _refusals(audit["gate"])
    return card_of(audited, tasks)


def _audited(found: Mapping[str, Any], task: TaskCard, words: Mapping[str, Any]) -> TaskCard:
    audited: TaskCard = {
        **task,
        "files": found["data"],
        "tested": tested_metrics(found["figures"]),
        "shortcuts": {name: _shortcut(of) for name, of in found["shortcuts"].items()},
        "sources_told": found["sources_told"],
        "subgroups": {name: rate_of(rate) for name, rate in found["subgroups"].items()},
    }
    for name in ("truth", "limitations"):
        if name in words:
            audited[name] = words[name]
    if "handling" in found:
        audited["handling"] = {name: _handled(row) for name, row in found["handling"].items()}
    return audited


def _shortcut(found: Mapping[str, Any]) -> Shortcut:
    auc, where_wrong = found["auc"], found["where_wrong"]
    return {
        "accuracy": rate_of(found["accuracy"]),
        "auc": auc and rate_of(auc),
        "where_wrong": where_wrong and rate_of(where_wrong),
    }


def _handled(row: Mapping[str, Any]) -> Handled:
    handled: Handled = {"n": row["n"], "refused": row["refused"]}
    for name in ("kept", "same", "sensitivity", "specificity"):
        if name in row:
            handled[name] = row[name] and rate_of(row[name])
    if "bound" in row:
        handled["missed"] = bool(row["misses"])
    return handled


def _refusals(gate: Mapping[str, Any]) -> list[Refused]:
    return [
        {"kind": kind, "name": name, "refused": rate_of(rate)}
        for kind in GATE_TABLES
        for name, rate in gate.get(kind, {}).items()
    ]
