"""A model card with every section, small enough for a browser to check."""

RATE = {"value": 0.9, "low": 0.85, "high": 0.95, "n": 200}
FEW = {"value": 0.75, "low": 0.3, "high": 0.95, "n": 4}


def measured(labels, accuracy, confusion):
    rates = {"cases": 4, "sensitivity": accuracy, "specificity": accuracy}
    return {
        "labels": labels, "cases": accuracy["n"], "groups": 4, "accuracy": accuracy, "confusion": confusion,
        "by_label": dict.fromkeys(labels, rates), "calibration": {"ece": 0.1, "by_chance": 0.1, "n": 4},
    }  # fmt: skip


def data(tasks, **counts):
    names = ("copies", "copies_in_several_splits", "copies_with_several_labels", "groups_in_several_splits", "skipped")
    return {"tasks": tasks} | dict.fromkeys(names, 0) | counts


FILES = [{"label": "sick", "source": "<i>mine</i>", "training": [91, 90], "validation": [7, 7], "testing": [4, 3]}]
COUGH = {
    "files": FILES,
    "tested": measured(["not sick", "sick"], RATE, [[90, 10], [30, 70]]),
    "shortcuts": {"file size": {"accuracy": RATE, "auc": None, "where_wrong": None}},
    "subgroups": {"age 18 to 39": RATE},
    "handling": {"mirrored": {"n": 4, "refused": 1, "kept": FEW, "missed": True}},
    "limitations": [{"en": "Made up.", "es": "Inventado.", "fr": "Inventé."}],
}
KINDS = ["normal", "bacterial pneumonia", "viral pneumonia"]
LUNGS = {"files": [], "tested": measured(KINDS, FEW, [[3, 0, 0], [1, 0, 0], [0, 0, 0]])}
CARD_DATA = {
    "tasks": {"cough": COUGH, "pneumonia": LUNGS},
    "data": [data(["cough"], copies_in_several_splits=31)],
    "gate": [{"kind": "others", "name": "hands", "refused": RATE}],
    "licences": [{"source": "mine", "licence": "CC0", "files": 7}],
    "sources": {"mine": "Recorded by me."},
}
