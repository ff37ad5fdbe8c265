import numpy as np
import pytest

from tosa.training.head import train_head
from tosa.training.head.examples import Examples
from tosa.training.head.head import Head, softmax
from tosa.training.head.train_head import HeadRecipe


def clouds(count=300, features=8, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, count)
    values = rng.normal(size=(count, features)) + 1.5 * targets[:, None]
    return Examples(values.astype(np.float32), targets)


def pair(examples):
    return examples.bottlenecks, examples.targets


def quietly(*args, **kwargs):
    return train_head.train_head("t", ["a", "b"], *args, lambda *_, **__: None, **kwargs)


def test_learns_and_logs_as_the_classic_does(capsys):
    seen = []
    recipe = HeadRecipe(steps=300, learning_rate=0.1)
    curves = lambda *row, **_: seen.append(row)  # noqa: E731
    trained = train_head.train_head("cough", ["a", "b"], clouds(), clouds(seed=1), recipe, curves)
    accuracy, loss = train_head.measure(trained, *pair(clouds(seed=2)))
    assert accuracy > 0.95 and loss < 0.2
    out = capsys.readouterr().out
    assert "Step 290: Train accuracy = " in out and "Cross entropy = 0." in out
    assert "Validation accuracy = " in out and "(N=100)" in out
    assert seen[0][0] == "train" and seen[-1][1] == 299


def test_few_validation_cases_are_counted_once(capsys):
    """Five cases are five, not a hundred draws of them; every evaluation is in the curves, with their number."""
    seen = []
    curves = lambda split, step, **values: seen.append((split, step, values))  # noqa: E731
    few = clouds(seed=1)
    few = Examples(few.bottlenecks[:5], few.targets[:5])
    quiet = HeadRecipe(steps=2000, eval_step_interval=2)
    head = train_head.train_head("cough", ["a", "b"], clouds(), few, quiet, curves)
    lines = [line for line in capsys.readouterr().out.splitlines() if "Validation accuracy = " in line]
    accuracy, loss = train_head.measure(head, *pair(few))
    assert lines[-1].endswith(f"Step 1999: Validation accuracy = {accuracy * 100:.1f}% (N=5)")
    validated = [(step, values) for split, step, values in seen if split == "validation"]
    assert [step for step, _ in validated] == [*range(0, 2000, 2), 1999]
    assert validated[-1][1] == {"accuracy_1": accuracy, "cross_entropy_1": loss, "cases_1": 5}
    assert 32 < len(lines) < 120, "the terminal shows a part of them"


def test_the_terminal_shows_ever_fewer_steps():
    shown = sorted(train_head.printed_steps(40_000, 10))
    assert shown[:5] == [0, 10, 20, 30, 40] and shown[-1] == 39_999 and len(shown) * 3 < 400
    gaps = np.diff(shown[:-1])
    assert (gaps[1:] >= gaps[:-1]).all()
    assert train_head.printed_steps(300, 10) == {*range(0, 300, 10), 299}, "short trainings are shown whole"


def test_same_seed_same_head():
    first, second = (
        train_head.train_head("t", ["a", "b"], clouds(), clouds(), HeadRecipe(steps=20), lambda *_, **__: None)
        for _ in range(2)
    )
    assert first.weights.tobytes() == second.weights.tobytes()


def test_same_head_on_any_number_of_threads():
    from threadpoolctl import threadpool_limits

    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            found.append(quietly(clouds(features=2048), clouds(features=2048), HeadRecipe(steps=5, hidden_units=64)))
    assert found[0].weights.tobytes() == found[1].weights.tobytes()
    assert found[0].hidden[0].tobytes() == found[1].hidden[0].tobytes()


def rings(count=400, seed=0):
    """What no linear layer tells apart."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, count)
    angle, radius = rng.uniform(0, 2 * np.pi, count), 1 + 2 * targets + rng.normal(0, 0.2, count)
    return Examples(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype(np.float32), targets)


def test_hidden_layer_learns_what_a_linear_one_cannot():
    recipe = HeadRecipe(steps=600, hidden_units=32, dropout=0.2, learning_rate=0.01)
    assert train_head.measure(quietly(rings(), rings(), recipe), *pair(rings(seed=1)))[0] > 0.95
    assert train_head.measure(quietly(rings(), rings(), HeadRecipe(steps=600)), *pair(rings(seed=1)))[0] < 0.8


@pytest.mark.parametrize("hidden, weighted", [(0, False), (0, True), (5, False), (5, True)])
def test_gradients_are_those_of_the_loss(hidden, weighted):
    """Against differences of the loss in double precision."""
    data, rng = clouds(20), np.random.default_rng(3)
    one = train_head.start_head("t", ["a", "b"], 8, HeadRecipe(hidden_units=hidden), rng)
    parameters = [p.astype(np.float64) for p in (*(one.hidden or ()), one.weights, one.biases)]
    *layer, weights, biases = parameters
    one = Head("t", ("a", "b"), weights, biases, hidden=tuple(layer) or None)
    each = data.weights.astype(np.float64) if weighted else np.ones(20)

    def loss():
        scores = softmax(one.logits(data.bottlenecks))
        return -(each * np.log(scores[np.arange(20), data.targets])).mean()

    found = train_head.gradients(one, data.bottlenecks, data.targets, data.weights if weighted else None, 0.0, rng)
    for parameter, slope in zip(parameters, found, strict=True):
        place = tuple(rng.integers(length) for length in parameter.shape)
        parameter[place] += 1e-5
        above = loss()
        parameter[place] -= 2e-5
        assert slope[place] == pytest.approx((above - loss()) / 2e-5, abs=1e-4)
        parameter[place] += 1e-5


def test_class_balance():
    """Of 10 and 90 cases, drawing takes as many of each, and the weights sum to as much."""
    targets = np.repeat([0, 1], [10, 90])
    examples, rng = Examples(np.zeros((100, 2), np.float32), targets), np.random.default_rng(0)
    assert targets[examples.rows(10_000, True, rng)].mean() == pytest.approx(0.5, abs=0.03)
    assert targets[examples.rows(10_000, False, rng)].mean() == pytest.approx(0.9, abs=0.03)
    assert sorted(set(examples.rows(10_000, True, rng))) == list(range(100))
    assert examples.weights[targets == 0].sum() == pytest.approx(examples.weights[targets == 1].sum())
    assert examples.weights.mean() == pytest.approx(1)
    assert (examples.rows(-1, True, rng) == np.arange(100)).all()


def test_store_sees_every_step():
    seen = []
    quietly(clouds(), clouds(), HeadRecipe(steps=3), store=lambda step, found: seen.append((step, found.task)))
    assert seen == [(0, "t"), (1, "t"), (2, "t")]


def test_no_validation_cases_is_no_fault():
    none = Examples(np.zeros((0, 8), np.float32), np.zeros(0, int))
    train_head.train_head("t", ["a", "b"], clouds(), none, HeadRecipe(steps=2), lambda *_, **__: None)


def test_gradient_step_is_softmax_regressions():
    data = clouds(4)
    trained = train_head.train_head(
        "t", ["a", "b"], data, data, HeadRecipe(steps=1, train_batch_size=-1), lambda *_, **__: None
    )
    start = np.random.default_rng(0).normal(0, 0.001, (8, 2)).astype(np.float32)
    slope = softmax(data.bottlenecks @ start) - np.eye(2)[data.targets]
    np.testing.assert_allclose(trained.weights, start - 0.01 / 4 * data.bottlenecks.T @ slope, atol=1e-6)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_temperature_finds_what_logits_were_multiplied_by(true):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 2
    targets = np.array([rng.choice(3, p=p) for p in softmax(logits)])
    assert train_head.temperature(logits * true, targets) == pytest.approx(true, rel=0.12)


def test_few_cases_do_not_make_sure():
    assert train_head.temperature(np.zeros((0, 2)), np.zeros(0, int)) == pytest.approx(1.0)
    assert train_head.temperature(np.array([[2.0, 0.0]] * 6), np.zeros(6, int)) > 0.5


def test_logits():
    linear = Head("t", ("a",), np.ones((2, 1)), np.array([0.5]))
    assert linear.logits(np.array([[1.0, 2.0]])).tolist() == [[3.5]]
