"""The last layer: unchanged, with fitted biases or refitted, whichever is best where it is worst."""

from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tosa.errors import UsageError
from tosa.training.data.dataset import Case
from tosa.training.data.handling import UNCHANGED
from tosa.training.head import refit
from tosa.training.head.head import Head
from views import identity, logits_for, views_of

FEATURES = 6


def examples(labels, count, noise=0.3, seed=0, **more):
    """Views with bottlenecks around one corner a label."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % labels
    values = np.abs(np.eye(FEATURES)[targets] + rng.normal(0, noise, (count, FEATURES)))
    return views_of(values, targets, **more)


def head(labels, weights=None):
    weights = np.zeros((FEATURES, labels), np.float32) if weights is None else weights
    return Head("lungs", tuple("abcd"[:labels]), weights, np.zeros(labels, np.float32), temperature=2.0)


def alike(labels):
    return np.full(labels, 1 / labels)


@pytest.mark.parametrize("labels", [2, 3, 4])
def test_it_learns_what_the_head_did_not_know(labels, capsys):
    validation, tested = examples(labels, 100, seed=1), examples(labels, 200, seed=2)
    new, known = refit.choose_last_layer(head(labels), alike(labels), validation, examples(labels, 200))
    assert (new.scores(tested.bottlenecks).argmax(axis=1) == tested.targets).mean() > 0.95
    assert new.weights.shape == (FEATURES, labels) and new.weights.dtype == new.biases.dtype == np.float32
    before, after = known["cross_entropy"]
    assert before == pytest.approx(np.log(labels), abs=1e-3) and after < before / 3
    assert f"lungs: last layer refitted: weight decay {known['decay']:g}." in capsys.readouterr().out


@pytest.mark.parametrize("labels", [2, 3])
def test_scores_are_those_of_scikit_learn(labels):
    from sklearn.linear_model import LogisticRegression

    known, asked = examples(labels, 60), examples(labels, 20, seed=1)
    new = refit.with_decay(head(labels), known, np.ones(60), 0.01)
    model = LogisticRegression(C=1 / 0.6, max_iter=500).fit(known.bottlenecks, known.targets)
    np.testing.assert_allclose(new.scores(asked.bottlenecks), model.predict_proba(asked.bottlenecks), atol=1e-3)


def test_weights_weigh():
    whole = examples(2, 200, noise=0.6)
    plain, second = (refit.with_decay(head(2), whole, w, 0.01) for w in (np.ones(200), 1 + 9.0 * whole.targets))
    assert second.scores(whole.bottlenecks)[:, 1].mean() > plain.scores(whole.bottlenecks)[:, 1].mean() + 0.1


def test_the_same_on_any_number_of_cores():
    """To the byte, as README says of the whole graph."""
    values, targets = np.random.default_rng(0).random((900, 512), np.float32), np.arange(900) % 3
    known = views_of(values, targets)
    asked = Head("lungs", ("a", "b", "c"), np.zeros((512, 3), np.float32), np.zeros(3, np.float32))
    found = set()
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            new, _ = refit.choose_last_layer(asked, alike(3), known, known)
        found.add(new.weights.tobytes() + new.biases.tobytes())
    assert len(found) == 1


def test_the_layer_that_is_best_on_clean_cases_loses_under_handling(monkeypatch, capsys):
    """One candidate is all but sure of cases as they came, and wrong where they are cut; the other is fairly sure."""
    ways, targets = (UNCHANGED, "cut"), [0] * 40 + [1] * 40
    true = logits_for([0.02] * 40 + [0.98] * 40)  # by the first two features
    fair = logits_for([0.15] * 40 + [0.85] * 40)  # by the last two
    rng = np.random.default_rng(0)
    fair += rng.normal(0, 0.5, (80, 1)) * [1, -1]
    plain, cut = np.hstack([true, fair]), np.hstack([-true / 2, fair])
    validation = views_of(np.stack([plain, cut]), targets, ways=ways)
    shortcut, honest = np.float32(np.eye(4)[:, :2]), np.float32(np.eye(4)[:, 2:])
    layers = iter([shortcut, honest] * 10)
    monkeypatch.setattr(refit, "DECAYS", (1, 0.1))
    monkeypatch.setattr(
        refit, "with_decay", lambda head, *_: Head("lungs", ("normal", "ill"), next(layers), np.zeros(2, np.float32))
    )
    start = Head("lungs", ("normal", "ill"), np.zeros((4, 2), np.float32), np.zeros(2, np.float32))
    new, known = refit.choose_last_layer(start, alike(2), validation, validation)
    assert known["decay"] == 0.1 and (new.weights == honest).all()
    table = capsys.readouterr().out.splitlines()
    taken = next(line for line in table if "<- taken" in line)
    assert "weight decay 0.1" in taken and any("weight decay 1 " in line and "cut" in line for line in table)


def test_fitted_biases_replace_the_layer_as_it_was(capsys):
    """The head came from batches with nine healthy cases for one that is ill."""
    rng = np.random.default_rng(0)
    targets = np.arange(200) % 2
    log_odds = 2 * rng.normal(targets * 2 - 1, 1) - np.log(9)
    given = views_of(np.stack([-log_odds / 2, log_odds / 2], axis=1), targets)
    new, known = refit.choose_last_layer(identity(), alike(2), given, None)
    assert known["layer"] == refit.BIASES and "decay" not in known
    assert new.biases[1] - new.biases[0] == pytest.approx(np.log(9), abs=0.6)
    assert (new.weights == identity().weights).all()
    again, known = refit.choose_last_layer(new, alike(2), given, None)
    assert known is None and (again.biases == new.biases).all() and again.temperature == new.temperature
    assert "last layer unchanged" in capsys.readouterr().out


def test_biases_are_not_fitted_to_a_handful():
    """Nine groups of a label."""
    given = views_of(logits_for([0.1] * 10 + [0.2] * 9), [0] * 10 + [1] * 9)
    new, known = refit.choose_last_layer(identity(), alike(2), given, None)
    assert known is None and (new.biases == 0).all()


def test_a_head_that_validation_likes_better_stays(capsys):
    """Here all training cases are labelled wrongly."""
    good = head(2, np.float32([[4, -4], [-4, 4], *[[0, 0]] * 4]))
    wrong = examples(2, 100)
    wrong = views_of(wrong.bottlenecks, 1 - wrong.targets)
    new, _ = refit.choose_last_layer(good, alike(2), examples(2, 50, seed=1), wrong)
    assert (new.weights == good.weights).all()
    assert "refitted: weight decay" not in capsys.readouterr().out


def test_a_layer_that_only_knows_its_sources_is_found_out():
    """A feature tells the label in both sources, but the other way round: left out, each source is answered wrongly."""
    count = 60
    targets = np.arange(2 * count) % 2
    sources = np.repeat(["one", "other"], count)
    sign = np.where(sources == "one", 1, -1) * (2 * targets - 1)
    own = np.stack([sign * (sources == "one"), sign * (sources == "other")], axis=1)  # a feature for each source
    shared = np.repeat((2 * targets - 1)[:, None] * 0.5, 2, axis=1) + np.random.default_rng(0).normal(0, 1, (120, 2))
    given = views_of(np.hstack([own * 3.0, shared]), targets, sources=sources)
    judge = refit._Judge(
        Head("lungs", ("normal", "ill"), np.zeros((4, 2), np.float32), np.zeros(2, np.float32)),
        alike(2), given, given, 0,
    )  # fmt: skip
    found = judge.refit(0.01)
    assert set(found.left_out) == {"one", "other"}
    assert max(found.handling.values()) < 0.1 < max(found.left_out.values())
    known, _ = given.without("one"), None
    alone = refit.with_biases(refit.with_decay(judge.head, known, known.weights(alike(2)), 0.01), known, alike(2))
    of_one = given.take(sources == "one")
    losses = -np.log(alone.scores(of_one.bottlenecks)[np.arange(count), of_one.targets])
    assert found.left_out["one"] == pytest.approx(losses.mean(), rel=1e-4)


def test_sources_with_one_label_or_few_cases_are_not_left_out():
    targets = np.arange(100) % 2
    sources = np.where(np.arange(100) < 60, "large", "other")
    sources[60:68] = "few"
    judge = refit._Judge(identity(), alike(2), views_of(np.zeros((100, 2)), targets, sources=sources), None, 0)
    assert judge._sources() == ["large", "other"]
    one_label = np.where(targets == 1, "ill only", "healthy only")
    judge = refit._Judge(identity(), alike(2), views_of(np.zeros((100, 2)), targets, sources=one_label), None, 0)
    assert judge._sources() == []


def test_without_validation_cases_it_stays(capsys):
    nothing = examples(2, 20).take(np.zeros(20, bool))
    new, known = refit.choose_last_layer(head(2), alike(2), nothing, examples(2, 20))
    assert known is None and new.temperature == 1 and (new.weights == 0).all()
    assert "validation does not have cases of all its labels" in capsys.readouterr().out


def test_a_label_without_cases_is_named():
    known = [Case(Path(name), "lungs", name, name, split) for name, split in (("a", "training"), ("b", "training"))]
    known.append(Case(Path("c"), "lungs", "c", "c", "testing"))
    with pytest.raises(UsageError, match="task lungs has the label 'c', but no training case"):
        refit.check_training_labels([head(3)], known)
    refit.check_training_labels([head(2)], known)


def test_a_hidden_layer_stays():
    """The last layer alone is fitted, to what comes out of the one before."""
    rng = np.random.default_rng(0)
    hidden = (rng.normal(size=(FEATURES, 8)).astype(np.float32), np.zeros(8, np.float32))
    asked = Head("lungs", ("a", "b"), np.zeros((8, 2), np.float32), np.zeros(2, np.float32), hidden=hidden)
    new, _ = refit.choose_last_layer(asked, alike(2), examples(2, 100, seed=1), examples(2, 200))
    tested = examples(2, 100, seed=2)
    assert new.hidden is hidden and (new.scores(tested.bottlenecks).argmax(axis=1) == tested.targets).mean() > 0.9
