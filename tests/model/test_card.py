import copy
import json

import pytest

from tosa.model.card import card_from_json, card_to_json

RATE = {"value": 0.75, "low": 0.3, "high": 0.95, "n": 4}
CARD = {
    "tasks": {
        "asthma": {
            "files": [{"label": "healthy", "source": "", "training": [9, 9], "validation": [2, 2], "testing": [4, 4]}],
            "tested": {
                "labels": ["asthma", "healthy"],
                "cases": 4,
                "groups": 4,
                "accuracy": RATE,
                "by_label": {"healthy": {"cases": 4, "sensitivity": RATE, "specificity": RATE | {"value": None}}},
                "confusion": [[0, 0], [1, 3]],
                "calibration": {"ece": 0.1, "by_chance": 0.2, "n": 4},
                "auc": None,
            },
        }
    },
    "data": [
        {
            "tasks": ["asthma"], "copies": 0, "copies_in_several_splits": 0, "copies_with_several_labels": 0,
            "groups_in_several_splits": 0, "skipped": 0,
        }
    ],
    "sources": {"mine": {"en": "Mine", "fr": "Le mien"}},
}  # fmt: skip


def changed(path, value):
    card = copy.deepcopy(CARD)
    *folders, last = path
    place = card
    for name in folders:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(card)


def test_a_card_is_read_as_it_was_written_with_six_digits():
    assert card_from_json(card_to_json(CARD)) == CARD
    card = copy.deepcopy(CARD)
    card["tasks"]["asthma"]["tested"]["accuracy"]["value"] = 0.123456789
    assert '"value":0.123457' in card_to_json(card)


def test_fields_of_a_newer_tosa_do_no_harm():
    assert card_from_json(changed(["moon"], 3))["tasks"] == CARD["tasks"]


TESTED = ["tasks", "asthma", "tested"]


@pytest.mark.parametrize(
    "path, value, said",
    [
        (["tasks"], [], "card.tasks"),
        (["data"], None, "without card.data"),
        ([*TESTED, "cases"], "many", "tested.cases"),
        ([*TESTED, "cases"], True, "tested.cases"),
        ([*TESTED, "accuracy", "low"], None, "without card.tasks.asthma.tested.accuracy.low"),
        ([*TESTED, "accuracy", "low"], float("nan"), "not a finite number"),
        ([*TESTED, "confusion"], [[1], [2]], "confusion matrix"),
        ([*TESTED, "confusion"], [[1, 2]], "confusion matrix"),
        (["tasks", "asthma", "files", 0, "testing"], [1], "wrong counts"),
        (["sources", "mine"], 5, "card.sources.mine"),
        (["sources", "mine"], {"en": 5}, "card.sources.mine"),
    ],
)
def test_a_wrong_field_is_named(path, value, said):
    with pytest.raises(ValueError, match="^holds a model card") as error:
        card_from_json(changed(path, value))
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
def test_what_is_no_card_is_told(text):
    with pytest.raises(ValueError, match="^holds a model card"):
        card_from_json(text)
