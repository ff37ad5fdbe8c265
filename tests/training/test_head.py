import numpy as np
import pytest

from tosa.training import head
from tosa.training.export import Head, softmax
from tosa.training.head import Examples, HeadRecipe


def clouds(count=300, features=8, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, count)
    values = rng.normal(size=(count, features)) + 1.5 * targets[:, None]
    return Examples(values.astype(np.float32), targets)


def test_learns_and_logs_as_the_classic_does(capsys):
    seen = []
    trained = head.train("cough", ["a", "b"], clouds(), clouds(seed=1), HeadRecipe(steps=300, learning_rate=0.1),
                         lambda *row, **_: seen.append(row))  # fmt: skip
    accuracy, loss = head.measure(trained, clouds(seed=2))
    assert accuracy > 0.95 and loss < 0.2
    out = capsys.readouterr().out
    assert "Step 290: Train accuracy = " in out and "Cross entropy = 0." in out
    assert "Validation accuracy = " in out and "(N=100)" in out
    assert seen[0][0] == "train" and seen[-1][1] == 299


def test_same_seed_same_head():
    first, second = (
        head.train("t", ["a", "b"], clouds(), clouds(), HeadRecipe(steps=20), lambda *_, **__: None) for _ in range(2)
    )
    assert first.weights.tobytes() == second.weights.tobytes()


def test_no_validation_cases_is_no_fault():
    none = Examples(np.zeros((0, 8), np.float32), np.zeros(0, int))
    head.train("t", ["a", "b"], clouds(), none, HeadRecipe(steps=2), lambda *_, **__: None)


def test_gradient_step_is_softmax_regressions():
    data = clouds(4)
    trained = head.train("t", ["a", "b"], data, data, HeadRecipe(steps=1, train_batch_size=-1), lambda *_, **__: None)
    start = np.random.default_rng(0).normal(0, 0.001, (8, 2)).astype(np.float32)
    slope = softmax(data.bottlenecks @ start) - np.eye(2)[data.targets]
    np.testing.assert_allclose(trained.weights, start - 0.01 / 4 * data.bottlenecks.T @ slope, atol=1e-6)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_temperature_finds_what_logits_were_multiplied_by(true):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 2
    targets = np.array([rng.choice(3, p=p) for p in softmax(logits)])
    assert head.temperature(logits * true, targets) == pytest.approx(true, rel=0.12)


def test_few_cases_do_not_make_sure():
    assert head.temperature(np.zeros((0, 2)), np.zeros(0, int)) == pytest.approx(1.0)
    assert head.temperature(np.array([[2.0, 0.0]] * 6), np.zeros(6, int)) > 0.5


def test_logits():
    linear = Head("t", ("a",), np.ones((2, 1)), np.array([0.5]))
    assert linear.logits(np.array([[1.0, 2.0]])).tolist() == [[3.5]]
