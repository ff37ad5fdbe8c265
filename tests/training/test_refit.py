"""Last layers fitted anew: the one that validation likes best, for two labels and for more."""

import numpy as np
import pytest

from tosa.errors import UsageError
from tosa.training import refit
from tosa.training.export import Head
from tosa.training.head import Examples

FEATURES = 6


def examples(labels, count, noise=0.3, seed=0):
    """Bottlenecks around one corner a label."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % labels
    values = np.abs(np.eye(FEATURES)[targets] + rng.normal(0, noise, (count, FEATURES)))
    return Examples(values.astype(np.float32), targets)


def head(labels, weights=None):
    weights = np.zeros((FEATURES, labels), np.float32) if weights is None else weights
    return Head("lungs", tuple("abcd"[:labels]), weights, np.zeros(labels, np.float32), temperature=2.0)


@pytest.fixture
def fit(monkeypatch):
    """`fitted` on examples in the place of cases: training and validation."""

    def run(of, training, validation):
        given = iter([training, validation])
        monkeypatch.setattr(refit, "_examples", lambda *_: next(given))
        return refit.fitted(of, [], None, "trunk", None, None)

    return run


@pytest.mark.parametrize("labels", [2, 3, 4])
def test_it_learns_what_the_head_did_not_know(fit, labels, capsys):
    new, known = fit(head(labels), examples(labels, 200), examples(labels, 100, seed=1))
    tested = examples(labels, 200, seed=2)
    assert (new.scores(tested.bottlenecks).argmax(axis=1) == tested.targets).mean() > 0.95
    assert new.weights.shape == (FEATURES, labels) and new.weights.dtype == new.biases.dtype == np.float32
    before, after = known["cross_entropy"]
    assert before == pytest.approx(np.log(labels), abs=1e-3) and after < before / 3
    assert f"weight decay {known['decay']:g}, validation cross entropy {before:.3f}" in capsys.readouterr().out


@pytest.mark.parametrize("labels", [2, 3])
def test_scores_are_those_of_scikit_learn(labels):
    from sklearn.linear_model import LogisticRegression

    known, asked = examples(labels, 60), examples(labels, 20, seed=1)
    new = refit._with_decay(head(labels), known, np.ones(60), 0.01)
    model = LogisticRegression(C=1 / 0.6, max_iter=500).fit(known.bottlenecks, known.targets)
    np.testing.assert_allclose(new.scores(asked.bottlenecks), model.predict_proba(asked.bottlenecks), atol=1e-3)


def test_rare_labels_weigh_more():
    rows = np.r_[0:200:2, 1:21:2]  # 100 of one label, 10 of the other
    whole = examples(2, 200, noise=0.6)
    known = Examples(whole.bottlenecks[rows], whole.targets[rows])
    plain, rarer = (refit._with_decay(head(2), known, w, 0.01) for w in (np.ones(110), 1 + 9.0 * known.targets))
    assert rarer.scores(whole.bottlenecks)[:, 1].mean() > plain.scores(whole.bottlenecks)[:, 1].mean() + 0.1


def test_a_head_that_validation_likes_better_stays(fit, capsys):
    """Here all training cases are labelled wrongly."""
    good = head(2, np.float32([[4, -4], [-4, 4], *[[0, 0]] * 4]))
    wrong = examples(2, 100)
    new, known = fit(good, Examples(wrong.bottlenecks, 1 - wrong.targets), examples(2, 50, seed=1))
    assert new is good and known["decay"] is None and known["cross_entropy"][0] == known["cross_entropy"][1]
    assert "left as it was" in capsys.readouterr().out


def test_without_validation_cases_it_stays(fit):
    nothing = Examples(np.zeros((0, FEATURES), np.float32), np.zeros(0, np.int64))
    asked = head(3)
    new, known = fit(asked, examples(3, 60), nothing)
    assert new is asked and known["validation_cases"] == 0


def test_a_label_without_cases_is_named(fit):
    with pytest.raises(UsageError, match="No case of lungs: 'c' is there to train on"):
        fit(head(3), examples(2, 60), examples(2, 30))


def test_a_hidden_layer_stays(fit):
    """The last layer alone is fitted, to what comes out of the one before."""
    rng = np.random.default_rng(0)
    hidden = (rng.normal(size=(FEATURES, 8)).astype(np.float32), np.zeros(8, np.float32))
    asked = Head("lungs", ("a", "b"), np.zeros((8, 2), np.float32), np.zeros(2, np.float32), hidden=hidden)
    new, _ = fit(asked, examples(2, 200), examples(2, 100, seed=1))
    tested = examples(2, 100, seed=2)
    assert new.hidden is hidden and (new.scores(tested.bottlenecks).argmax(axis=1) == tested.targets).mean() > 0.9
