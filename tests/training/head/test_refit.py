"""Last layers fitted anew: the one that validation likes best, for two labels and for more."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tosa.errors import UsageError
from tosa.training.data.augmentation import Augmentation
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.features.bottlenecks import FeatureExtractor
from tosa.training.head import refit
from tosa.training.head.examples import Examples
from tosa.training.head.head import Head

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


@pytest.mark.parametrize("labels", [2, 3, 4])
def test_it_learns_what_the_head_did_not_know(labels, capsys):
    new, known = refit._chosen(head(labels), examples(labels, 200), examples(labels, 100, seed=1))
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


def test_rare_labels_weigh_more(monkeypatch):
    """By the square root of how rare they are: a hundred of one label weigh as ten times ten of the other."""
    seen = []
    monkeypatch.setattr(refit, "_with_decay", lambda head, training, weights, decay: seen.append(weights) or head)
    rows = np.r_[0:200:2, 1:3:2]
    whole = examples(2, 200)
    known = Examples(whole.bottlenecks[rows], whole.targets[rows])
    refit._chosen(head(2), known, examples(2, 20))
    assert len(seen) == len(refit.DECAYS)
    assert seen[0][known.targets == 1].sum() / seen[0][known.targets == 0].sum() == pytest.approx(0.1)


def test_weights_weigh():
    whole = examples(2, 200, noise=0.6)
    plain, second = (refit._with_decay(head(2), whole, w, 0.01) for w in (np.ones(200), 1 + 9.0 * whole.targets))
    assert second.scores(whole.bottlenecks)[:, 1].mean() > plain.scores(whole.bottlenecks)[:, 1].mean() + 0.1


def test_the_same_on_any_number_of_cores():
    """To the byte, as README says of the whole graph."""
    known = Examples(np.random.default_rng(0).random((900, 512), np.float32), np.arange(900) % 3)
    asked = Head("lungs", ("a", "b", "c"), np.zeros((512, 3), np.float32), np.zeros(3, np.float32))
    found = set()
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            new, _ = refit._chosen(asked, known, known)
        found.add(new.weights.tobytes() + new.biases.tobytes())
    assert len(found) == 1


def test_of_decays_alike_the_strongest_is_taken(monkeypatch):
    """Alike: no more than a standard error worse than the best."""
    losses = {decay: np.array([1.0, 3.0] * 50) for decay in (None, *refit.DECAYS)}
    losses[refit.DECAYS[-1]] = np.full(100, 0.5)
    losses[refit.DECAYS[2]] = np.array([0.0, 1.05] * 50)  # 0.025 worse, a standard error of 0.053
    losses[refit.DECAYS[1]] = np.array([0.1, 1.1] * 50)  # 0.1 worse, a standard error of 0.05
    monkeypatch.setattr(refit, "_with_decay", lambda head, training, weights, decay: decay)
    monkeypatch.setattr(refit, "_losses", lambda fit, validation: losses[fit if isinstance(fit, float | int) else None])
    new, known = refit._chosen(head(2), examples(2, 20), examples(2, 100))
    assert new == known["decay"] == refit.DECAYS[2] and known["cross_entropy"] == [2.0, 0.525]


def test_a_head_that_validation_likes_better_stays(capsys):
    """Here all training cases are labelled wrongly."""
    good = head(2, np.float32([[4, -4], [-4, 4], *[[0, 0]] * 4]))
    wrong = examples(2, 100)
    new, known = refit._chosen(good, Examples(wrong.bottlenecks, 1 - wrong.targets), examples(2, 50, seed=1))
    assert new is good and known is None
    assert "left as it was" in capsys.readouterr().out


def case(name, label, split):
    return Case(Path(name), "lungs", label, name, split)


def test_without_validation_cases_it_stays(capsys):
    asked = head(2)
    known = [case("a.png", "a", "training"), case("b.png", "b", "training")]
    extractor = FeatureExtractor(None, "trunk", Path())
    assert refit.refit_head(asked, known, Augmentation([]), extractor, SkippedFiles()) == (asked, None)
    assert "there are no validation cases to choose by" in capsys.readouterr().out


def test_a_label_without_cases_is_named():
    known = [case("a.png", "a", "training"), case("b.png", "b", "training"), case("c.png", "c", "testing")]
    with pytest.raises(UsageError, match="task lungs has the label 'c', but no training case"):
        refit.check_training_labels([head(3)], known)
    refit.check_training_labels([head(2)], known)


def test_each_case_is_seen_as_it_came_and_changed():
    """But for pictures of sounds: those are no photographs, and mirrored they would be sounds from their end."""
    seen = []

    def bottlenecks(drawings, *_):
        seen.extend((drawing.case.file.name, drawing.change is not None) for drawing in drawings)
        return SimpleNamespace(drawings=drawings, values=np.zeros((len(drawings), FEATURES), np.float32))

    extractor = SimpleNamespace(bottlenecks=bottlenecks)
    known = [case("a.wav", "a", "training"), case("b.png", "b", "training"), case("c.wav.png", "b", "training")]
    made = refit._examples(head(2), known, Augmentation([]), extractor, SkippedFiles())
    assert seen == [("a.wav", False), ("b.png", False), ("c.wav.png", False), ("a.wav", True), ("b.png", True)]
    assert made.targets.tolist() == [0, 1, 1, 0, 1]


def test_a_hidden_layer_stays():
    """The last layer alone is fitted, to what comes out of the one before."""
    rng = np.random.default_rng(0)
    hidden = (rng.normal(size=(FEATURES, 8)).astype(np.float32), np.zeros(8, np.float32))
    asked = Head("lungs", ("a", "b"), np.zeros((8, 2), np.float32), np.zeros(2, np.float32), hidden=hidden)
    new, _ = refit._chosen(asked, examples(2, 200), examples(2, 100, seed=1))
    tested = examples(2, 100, seed=2)
    assert new.hidden is hidden and (new.scores(tested.bottlenecks).argmax(axis=1) == tested.targets).mean() > 0.9
