"""How batches are drawn: of which pools, labels and strata, and with which columns."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sounds import coughs, wav
from tosa.errors import UsageError
from tosa.training.data import dataset, drawing
from tosa.training.trunk.recipe import FineTuneRecipe
from tosa.training.trunk.sampler import Sampler, columns_of


def numbered(extra=None, **counts):
    """So many cases of each label, without files. extra: by label, the other columns of its n-th case."""
    return [
        dataset.Case(
            Path(f"{label}{n}.png"), "lungs", label, "g", "training", extra=(extra or {}).get(label, lambda _: {})(n)
        )
        for label, count in counts.items()
        for n in range(count)
    ]


def drawn(cases, monkeypatch, batches=1, **recipe):
    """The cases of some batches, each batch as a list."""
    for case in cases:
        vars(case)["kind"] = dataset.Kind.XRAY  # cached, so that no file is read
    chosen = []
    monkeypatch.setattr(Sampler, "_changed", lambda _, case, __: chosen.append(case) or np.zeros(1))
    sampler = Sampler(cases, FineTuneRecipe(**recipe), columns_of(cases))
    for step in range(batches):
        sampler.batch(step)
    size = len(chosen) // batches
    return [chosen[start : start + size] for start in range(0, len(chosen), size)]


def test_labels_and_strata_are_balanced_by_the_square_root_of_their_sizes(monkeypatch):
    """100 and 400 cases are drawn 1 to 2; of the 400, strata of 40 and 360 cases 1 to 3."""
    cases = numbered({"well": lambda n: {"stratum": "old" if n < 40 else "new"}}, ill=100, well=400)
    (batch,) = drawn(cases, monkeypatch, batch_size=9000)
    of_label = Counter(case.label for case in batch)
    of_stratum = Counter(case.extra["stratum"] for case in batch if case.label == "well")
    assert of_label["well"] / of_label["ill"] == pytest.approx(2, rel=0.1)
    assert of_stratum["new"] / of_stratum["old"] == pytest.approx(3, rel=0.1)
    assert len({case.file for case in batch}) == 500  # and all are drawn


def test_every_batch_has_the_shares_of_the_pools(monkeypatch):
    pools = {"ill": lambda _: {"pool": "coughs"}, "well": lambda n: {"pool": ("laughs", "rain")[n % 2]}}
    cases, shares = numbered(pools, ill=3, well=90), {"coughs": 1, "laughs": 1, "rain": 2}
    for batch in drawn(cases, monkeypatch, batches=5, batch_size=16, pool_shares=shares):
        assert Counter(case.extra["pool"] for case in batch) == {"coughs": 4, "laughs": 4, "rain": 8}
    counts = [
        Counter(case.extra["pool"] for case in batch)["coughs"]
        for batch in drawn(cases, monkeypatch, batches=80, batch_size=6, pool_shares=shares)
    ]
    assert set(counts) == {1, 2} and np.mean(counts) == pytest.approx(1.5, abs=0.2)  # shares that are not whole


def test_with_consistency_a_batch_has_two_views_of_half_as_many_cases(tmp_path):
    """Of the same file, one after the other, and each changed in another way."""
    cases = []
    for number in range(6):
        level = np.random.default_rng(number).integers(40 * number, 40 * number + 40, (80, 80), dtype=np.uint8)
        Image.fromarray(level).save(tmp_path / f"{number}.png")
        cases.append(dataset.Case(tmp_path / f"{number}.png", "lungs", f"label {number}", "g", "training"))
    columns = columns_of(cases)
    pictures, targets = Sampler(cases, FineTuneRecipe(batch_size=8, consistency=1), columns).batch(0)
    assert len(pictures) == 8 and (targets[::2] == targets[1::2]).all() and len(set(targets)) > 1
    assert (pictures[::2] != pictures[1::2]).any(axis=(1, 2, 3)).all()
    _, of_single_views = Sampler(cases, FineTuneRecipe(batch_size=4), columns).batch(0)
    assert of_single_views.tolist() == targets[::2].tolist()


@pytest.mark.parametrize("shares", [{"coughs": 1}, {"coughs": 1, "rain": 1, "music": 1}])
def test_shares_of_other_pools_are_refused(monkeypatch, shares):
    cases = numbered({"ill": lambda _: {"pool": "coughs"}, "well": lambda _: {"pool": "rain"}}, ill=2, well=2)
    with pytest.raises(UsageError, match="'coughs', 'rain': give each pool its share"):
        drawn(cases, monkeypatch, pool_shares=shares)
    with pytest.raises(UsageError, match="no case to train lungs: well on"):
        drawn(cases, monkeypatch, pool_shares={"coughs": 1, "rain": 0})


def test_sampler_and_network_agree_on_the_columns(tmp_path):
    """Where the first case is not one to train on, tasks appear in another order among those that are."""
    cases = []
    for number in range(4):
        split = ("testing", "training")[number // 2]
        Image.new("L", (60, 60), 50 * number).save(tmp_path / f"p{number}.png")
        (tmp_path / f"s{number}.wav").write_bytes(wav(coughs(seed=number)))
        cases.append(dataset.Case(tmp_path / f"s{number}.wav", "cough", ("not sick", "sick")[number % 2], "g", split))
        cases.append(dataset.Case(tmp_path / f"p{number}.png", "lungs", ("dark", "light")[number % 2], "g", split))
    cases[2:] = cases[2:][::-1]
    columns = columns_of(cases)
    sampler = Sampler(dataset.in_split(cases, "training"), FineTuneRecipe(), columns)
    pictures, targets = sampler.batch(0)
    gray = np.ptp(pictures.astype(int).mean(axis=(1, 2)), axis=1) < 1  # the lungs here are gray, sounds are in colour
    assert {bool(g) for g in gray} == {True, False}
    lungs = {column for (task, _), column in columns.items() if task == "lungs"}
    assert [target in lungs for target in targets] == gray.tolist()


def test_pictures_of_sounds_are_left_as_they_are(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (299, 299, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    for task, same in (("cough", True), ("lungs", False)):
        case = dataset.Case(tmp_path / "a.png", task, "sick", "a", "training")
        pictures, _ = Sampler([case], FineTuneRecipe(batch_size=2), columns_of([case])).batch(0)
        assert (pictures == drawing.draw(case)).all() == same


def test_a_label_without_training_cases_is_refused():
    cases = numbered(dark=2, light=3)
    columns = columns_of(cases)
    light = [case for case in cases if case.label != "dark"]
    with pytest.raises(UsageError, match="lungs: dark"):
        Sampler(light, FineTuneRecipe(), columns)
