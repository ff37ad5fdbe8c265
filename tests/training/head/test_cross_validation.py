"""Small data: training cases are answered by heads that do not know them."""

import numpy as np

from tosa.training.head import cross_validation
from tosa.training.head.examples import Examples
from tosa.training.head.train_head import HeadRecipe, temperature, train_head
from views import views_of

RECIPE = HeadRecipe(steps=300, learning_rate=0.5, train_batch_size=-1)


def noise(groups, a_group, features=200):
    """Bottlenecks that say nothing of the label, but tell each group from all others."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (groups, features))
    group = np.repeat(np.arange(groups), a_group)
    values = centres[group] + rng.normal(0, 0.05, (len(group), features))
    return views_of(values, group % 2, groups=group)


def test_a_head_that_learnt_its_cases_by_heart_is_not_believed(capsys):
    """It is right on all of them with a score of nearly 1; on groups that it does not know it knows nothing."""
    training = noise(24, 3)
    examples = Examples(training.bottlenecks, training.targets)
    nothing = Examples(training.bottlenecks[:0], training.targets[:0])
    head = train_head("lungs", ("normal", "ill"), examples, nothing, RECIPE, lambda *_, **__: None)
    assert head.scores(training.bottlenecks).max(axis=1).mean() > 0.95
    capsys.readouterr()
    views = cross_validation.calibration_views(
        head, training.take(np.arange(6)), training.take(np.arange(6, 72)), RECIPE
    )
    said = capsys.readouterr().out
    assert "validation has fewer than 10 groups" in said and "Cross entropy" not in said
    assert views.fewest_groups(2) == 12 and len(views.targets) == 72
    logits = views.logits_of(head)
    np.testing.assert_array_equal(logits[:6], head.logits(training.bottlenecks[:6]))
    unknown = logits[6:]  # no better than a guess
    assert abs((unknown.argmax(axis=1) == views.targets[6:]).mean() - 0.5) < 0.25
    weights = views.case_weights()
    assert temperature(unknown, views.targets[6:], weights[6:]) > 2


def test_no_group_is_answered_by_a_head_that_knows_it(monkeypatch):
    training, known = noise(10, 2), []

    def train(task, labels, examples, *_):
        known.append({row.tobytes() for row in examples.bottlenecks})
        return train_head(task, labels, examples, *_)

    monkeypatch.setattr(cross_validation, "train_head", train)
    examples = Examples(training.bottlenecks, training.targets)
    logits, answered = cross_validation.out_of_fold_logits("t", ("a", "b"), examples, training.groups, RECIPE)
    assert answered.all() and logits.shape == (20, 2) and len(known) == 5
    rows = [row.tobytes() for row in training.bottlenecks]
    for group in np.unique(training.groups):
        of_group = {rows[row] for row in np.flatnonzero(training.groups == group)}
        assert sum(not of_group & each for each in known) == 1
        assert all(of_group <= each or not of_group & each for each in known)


def test_enough_validation_cases_are_left_alone():
    validation = noise(20, 1)
    head = train_head(
        "t", ("a", "b"), Examples(validation.bottlenecks, validation.targets),
        Examples(validation.bottlenecks, validation.targets), RECIPE, lambda *_, **__: None,
    )  # fmt: skip
    assert cross_validation.calibration_views(head, validation, noise(4, 1), RECIPE) is validation


def test_with_one_group_a_label_there_is_nothing_to_leave_out():
    training = noise(2, 5)
    examples = Examples(training.bottlenecks, training.targets)
    logits, answered = cross_validation.out_of_fold_logits("t", ("a", "b"), examples, training.groups, RECIPE)
    assert len(logits) == 0 and not answered.any()
