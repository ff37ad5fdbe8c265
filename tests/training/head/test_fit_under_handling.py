"""What a head is fitted to: validation cases handled in each way, training cases as they came and changed once."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tosa.model.metadata import TaskMetadata
from tosa.training.data import handling
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.head import fit_under_handling
from tosa.training.head.fit_under_handling import Wanted
from tosa.training.head.head import Head


def extractor_of(seen):
    """Its bottlenecks tell the label; it notes each drawing."""

    def bottlenecks(drawings, *_):
        seen.extend(
            (each.case.file.name, str(getattr(each.change, "name", each.change and "changed"))) for each in drawings
        )
        rng = np.random.default_rng(len(drawings))
        ill = np.array([each.case.label == "b" for each in drawings])
        values = np.stack([~ill, ill], axis=1) + rng.normal(0, 0.2, (len(drawings), 2))
        return SimpleNamespace(drawings=drawings, values=values.astype(np.float32))

    return SimpleNamespace(bottlenecks=bottlenecks)


def test_each_case_is_seen_as_it_is_handled(monkeypatch):
    """But for pictures of sounds: those are no photographs, and mirrored they would be sounds from their end."""
    cases = [
        Case(Path(f"{split}{number}.{kind}"), "lungs", "ab"[number % 2], f"{split}{number}", split)
        for split in ("training", "validation")
        for number, kind in enumerate(("png", "png", "wav.png", "wav.png"))
    ]
    seen: list[tuple[str, str]] = []
    head = Head("lungs", ("a", "b"), np.zeros((2, 2), np.float32), np.zeros(2, np.float32))
    start = Head("lungs", ("a", "b"), head.weights, head.biases, shift=np.float32([3, 0]), floor=0.2)
    new, task = fit_under_handling.fit_under_handling(
        start, TaskMetadata("lungs", "picture"), cases, extractor_of(seen), SkippedFiles(), Wanted(refits=True)
    )
    ways = {file: {way for name, way in seen if name == file} for file, _ in seen}
    assert ways["validation0.png"] == {"None", *handling.OF_PICTURES} and ways["validation2.wav.png"] == {"None"}
    assert ways["training0.png"] == {"None", "changed"} and ways["training3.wav.png"] == {"None"}
    assert task.calibrated is False and task.refit["bottlenecks"] == 6
    assert new.shift is None and new.floor == 0.25  # of two groups a label: no score over 3 / 4
    only = Wanted(refits=False)
    seen.clear()
    fit_under_handling.fit_under_handling(
        start, TaskMetadata("lungs", "picture"), cases, extractor_of(seen), SkippedFiles(), only
    )
    assert {file for file, _ in seen} == {case.file.name for case in cases if case.split == "validation"}


def test_no_more_training_cases_than_told(monkeypatch):
    monkeypatch.setattr(fit_under_handling, "REFIT_CASES", 2)
    cases = [Case(Path(f"{n}.png"), "lungs", "ab"[n % 2], str(n), "training") for n in range(6)]
    seen: list[tuple[str, str]] = []
    head = Head("lungs", ("a", "b"), np.zeros((2, 2), np.float32), np.zeros(2, np.float32))
    fit_under_handling._training_views(head, cases, extractor_of(seen), SkippedFiles())
    assert len(seen) == 4
