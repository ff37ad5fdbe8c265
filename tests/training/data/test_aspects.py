"""Aspect ratios that training takes X-rays to have had before they were squashed."""

import numpy as np
import pytest
from PIL import Image

from tosa.errors import UsageError
from tosa.training.data.aspects import Aspects
from tosa.training.data.dataset import Case, Percentages
from tosa.training.data.drawing import decode
from tosa.training.data.table import from_csv

DRAWS = 60


@pytest.fixture
def cases(tmp_path):
    """Wide and narrow pictures of two labels, and squashed ones."""

    def made(name, size, label, **extra):
        Image.new("L", size).save(tmp_path / f"{name}.png")
        return Case(tmp_path / f"{name}.png", "lungs", label, name, "training", extra=extra)

    return {
        "ill": made("ill", (90, 60), "ill"),
        "wider": made("wider", (80, 50), "ill", aspect=""),
        "well": made("well", (66, 60), "well"),
        "square": made("square", (60, 60), "well"),
        "true square": made("true_square", (60, 60), "well", aspect=""),
        "told": made("told", (60, 60), "ill", aspect="1.25"),
        "unknown": made("unknown", (64, 60), "ill", aspect="unknown"),
        "alone": made("alone", (60, 60), "rare", aspect="unknown"),
    }


def drawn(cases, name):
    aspects, rng = Aspects(list(cases.values())), np.random.default_rng(0)
    return {aspects.of(cases[name], decode(cases[name]), rng) for _ in range(DRAWS)}


@pytest.mark.parametrize("name, own", [("ill", 1.5), ("wider", 1.6), ("true square", 1), ("told", 1.25)])
def test_a_known_ratio_is_taken(cases, name, own):
    assert drawn(cases, name) == {own}


def test_a_squashed_picture_gets_the_ratio_of_one_of_its_label(cases):
    assert drawn(cases, "unknown") == {1.5, 1.6, 1.25}
    assert drawn(cases, "square") == {1.1, 1}  # without the column, a square is a squashed one


def test_without_a_likely_ratio_any_is_drawn(cases):
    found = drawn(cases, "alone")
    assert len(found) == DRAWS and 0.95 <= min(found) < 1.1 and 1.6 < max(found) <= 1.8


def test_the_name_follows_the_pictures_that_ratios_come_from(cases):
    every = list(cases.values())
    assert Aspects(every).digest() == Aspects([case for case in every if case.label != "rare"]).digest()
    assert Aspects(every).digest() != Aspects(every[1:]).digest()


@pytest.mark.parametrize("told, fits", [("", True), ("unknown", True), ("1.3", True), ("wide", False), ("-1", False)])
def test_the_column_is_checked_when_the_table_is_read(tmp_path, told, fits):
    Image.new("L", (60, 60)).save(tmp_path / "a.png")
    (tmp_path / "cases.csv").write_text(f"file,label,aspect\na.png,ill,{told}\n")
    if fits:
        (case,) = from_csv(tmp_path / "cases.csv", "lungs", Percentages())
        assert case.extra["aspect"] == told
    else:
        with pytest.raises(UsageError, match="the aspect of 'a.png' must be empty"):
            from_csv(tmp_path / "cases.csv", "lungs", Percentages())
