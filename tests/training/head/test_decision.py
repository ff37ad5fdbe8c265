"""The decision: where sensitivity is asked for or another threshold is clearly better, the diagnosis moves there."""

import numpy as np
import pytest

from tosa.errors import UsageError
from tosa.training.data.handling import UNCHANGED
from tosa.training.head.decision import check_sensitivity, fit_shift, operating_point
from views import identity, logits_for, views_of


def cases(ill, healthy, **more):
    """Ill cases, then healthy ones, whose scores of illness are given."""
    return views_of(logits_for([*ill, *healthy]), [1] * len(ill) + [0] * len(healthy), **more)


def test_a_clearly_better_decision_is_the_diagnosis():
    """All ill cases have more than 0.2, all healthy ones less: the argmax would miss half of the ill."""
    given = cases([0.3] * 20 + [0.8] * 20, [0.1] * 40)
    head = fit_shift(identity(), given)
    assert (head.scores(given.bottlenecks).argmax(axis=1) == given.targets).all()
    middle = (np.log(0.3 / 0.7) + np.log(0.1 / 0.9)) / 2  # of the log odds beside the gap
    np.testing.assert_allclose(head.shift, [middle, 0], rtol=1e-5)
    odds = 0.3 / 0.7 / np.exp(middle)
    np.testing.assert_allclose(head.scores(given.bottlenecks)[0, 1], odds / (1 + odds), rtol=1e-5)
    point = operating_point(head, given)
    assert (point.threshold, point.sensitivity, point.specificity, point.labels) == (0.5, 1, 1, ("ill",))


def test_a_decision_that_chance_may_have_made_stays():
    given = cases([0.45] + [0.8] * 19, [0.1] * 20)
    assert fit_shift(identity(), given).shift is None
    point = operating_point(identity(), given)
    assert (point.sensitivity, point.specificity, point.ill, point.healthy) == (0.95, 1, 20, 20)


@pytest.mark.parametrize("wanted", [0.3, 0.9, 0.96, 0.999])
def test_the_sensitivity_asked_for_is_reached(wanted):
    """At the lowest price: no other threshold that reaches it has more of sensitivity and specificity together."""
    ill, healthy = np.r_[np.linspace(0.02, 0.48, 20), np.full(5, 0.9)], np.linspace(0.001, 0.3, 40)
    head = fit_shift(identity(), given := cases(ill, healthy), sensitivity=wanted)
    point = operating_point(head, given)
    rates = [((ill >= threshold).mean(), (healthy < threshold).mean()) for threshold in np.linspace(0.005, 0.995, 991)]
    best = max(sum(pair) for pair in rates if pair[0] >= wanted)
    assert point.sensitivity >= wanted and point.sensitivity + point.specificity == pytest.approx(best, abs=1e-3)


def test_views_are_counted_as_cases_and_groups():
    ill, healthy = [0.9] * 24, [0.1] * 20
    groups = [f"p{number // 2}" for number in range(44)]
    logits = np.stack([logits_for([*ill, *healthy])] * 3)
    given = views_of(logits, [1] * 24 + [0] * 20, ways=(UNCHANGED, "cut", "dark"), groups=groups)
    point = operating_point(identity(), given)
    assert (point.ill, point.healthy, point.ill_groups, point.healthy_groups) == (24, 20, 12, 10)


def test_a_decision_survives_what_the_views_show():
    """As they came, ill cases would allow a threshold of 0.6; cut, they have 0.3."""
    plain, cut = logits_for([0.9] * 20 + [0.2] * 20), logits_for([0.3] * 20 + [0.05] * 20)
    targets = [1] * 20 + [0] * 20
    given = views_of(np.stack([plain, cut]), targets, ways=(UNCHANGED, "cut"))
    head = fit_shift(identity(), given)
    assert (head.scores(cut.astype(np.float32)).argmax(axis=1) == targets).all()
    assert (head.scores(plain.astype(np.float32)).argmax(axis=1) == targets).all()


def test_with_three_labels_the_threshold_agrees_with_the_diagnosis():
    """A case of illness may be called healthy though both labels of illness have more together."""
    labels = ("normal", "viral", "bacterial")
    rng = np.random.default_rng(0)
    scores = rng.dirichlet((1, 1, 1), 300)
    targets = [rng.choice(3, p=score) for score in scores]
    given, head = views_of(np.log(scores), targets), identity(labels)
    point = operating_point(head, given)
    called = scores.argmax(axis=1) != 0
    agreeing = [((1 - scores[:, 0] >= threshold) == called).mean() for threshold in np.linspace(0.4, 0.7, 301)]
    assert ((1 - scores[:, 0] >= point.threshold) == called).mean() >= max(agreeing) - 1 / 300
    assert point.labels == ("viral", "bacterial")


@pytest.mark.parametrize("ill, healthy, labels", [(3, 20, ("normal", "ill")), (20, 20, ("cat", "dog"))])
def test_no_decision_is_made_up(ill, healthy, labels, capsys):
    given, head = cases([0.3] * ill, [0.1] * healthy), identity(labels)
    assert fit_shift(head, given, sensitivity=0.9).shift is None and operating_point(head, given) is None
    assert "--sensitivity has no effect" in capsys.readouterr().out


def test_ten_pictures_of_one_patient_are_one_group():
    given = cases([0.3] * 20, [0.1] * 20, groups=["a"] * 20 + [str(number) for number in range(20)])
    assert fit_shift(identity(), given).shift is None and operating_point(identity(), given) is None


@pytest.mark.parametrize("labels", [("well", "normal"), ("normal", "well")])
def test_the_label_that_is_said_to_stand_for_health(labels):
    """It does though another has a healthy name; a task without it keeps its own."""
    given = cases([0.9] * 10, [0.1] * 10)
    wanted = tuple(label for label in labels if label != "well")
    assert operating_point(identity(labels), given, "Well").labels == wanted
    assert operating_point(identity(labels), given, "fit").labels == ("well",)


def test_a_task_that_is_not_there_is_named():
    check_sensitivity({"lungs": 0.9}, ["lungs", "cough"])
    with pytest.raises(UsageError, match="'heart', but the cases are of lungs, cough"):
        check_sensitivity({"heart": 0.9}, ["lungs", "cough"])
