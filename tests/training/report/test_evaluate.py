"""Answers to labelled cases, by a network of one line."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tosa.model.metadata import GraphMetadata
from tosa.training.data.dataset import Case
from tosa.training.features.bottlenecks import BATCH
from tosa.training.report.evaluate import answers


class Brightness:
    """A network whose one score is the mean of the picture."""

    size = (40, 40)
    metadata = GraphMetadata()

    def run(self, pictures, kind):
        assert len(pictures) <= BATCH and kind == "picture"
        return SimpleNamespace(scores=pictures.mean(axis=(1, 2, 3), dtype=np.float32)[:, None])


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 1, 2 * BATCH + 1, 3 * BATCH])
def test_each_case_gets_its_own_answer(count, tmp_path):
    levels = np.random.default_rng(0).permutation(count)
    cases = []
    for number, level in enumerate(levels):
        Image.new("L", (50, 50), int(level)).save(tmp_path / f"{number}.png")
        cases.append(Case(tmp_path / f"{number}.png", "t", "a", str(number), "testing"))
    np.testing.assert_array_equal(answers(Brightness(), cases, "picture"), levels[:, None])
