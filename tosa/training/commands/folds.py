"""Cross-validation of a last layer over groups, for sets that are too small for one split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tosa.model.metadata import TaskMetadata
from tosa.settings import Settings
from tosa.training.commands.retrain import RetrainOptions, one_task, with_calibration
from tosa.training.data import dataset
from tosa.training.data.contamination import Inspection, SeenFiles, inspect_cases
from tosa.training.data.dataset import Case, Percentages, SkippedFiles
from tosa.training.data.duplicates import looking_alike
from tosa.training.data.folds import check_folds, fold_cases
from tosa.training.data.load_cases import load_cases
from tosa.training.data.summary import summarize_data
from tosa.training.features.bottlenecks import FeatureExtractor
from tosa.training.features.cluster import Cluster
from tosa.training.graph import finalize
from tosa.training.head.bottleneck_dataset import make_bottleneck_dataset
from tosa.training.head.train_head import train_head
from tosa.training.metrics import Answers
from tosa.training.report import outputs
from tosa.training.report.folds import fold_metrics
from tosa.training.trunk.resolve import load_trunk, trunk_preprocessing
from tosa.training.trunk.serialize import trunk_sha256


@dataclass(frozen=True, eq=False)
class _Trainer:
    """What trains and tests a last layer on the cases of one fold."""

    options: RetrainOptions
    task: str
    labels: list[str]
    extractor: FeatureExtractor
    skipped: SkippedFiles

    def tested(self, cases: Sequence[Case]) -> tuple[Answers, list[Case]]:
        """Returns the answers to the testing cases, and these, of a head trained on the others."""
        data = make_bottleneck_dataset(cases, self.extractor, self.skipped, self.options.variants)
        training, validation = (data.examples(self.labels, split) for split in ("training", "validation"))
        head = train_head(self.task, self.labels, training, validation, self.options.recipe, lambda *_, **__: None)
        described = TaskMetadata(self.task, dataset.input_of_task(cases, self.task))
        calibrated, _ = with_calibration(self.options, head, described, data)
        return finalize.answers_to_testing(calibrated, data)


def cross_validate(options: RetrainOptions, count: int, settings: Settings) -> None:
    """Trains a last layer on all folds but one, tests it on that one, for each fold, and writes one report.

    No graph is written: the same command without --folds trains the one to serve. Splits of a table are not used.
    """
    skipped = SkippedFiles(options.data.skip_unreadable)
    preprocessing = trunk_preprocessing(options.trunk, settings.graph)
    whole = replace(options.data, percentages=Percentages(0, 0))  # the folds are the splits
    cases = [replace(case, split="training") for case in load_cases(whole, skipped, preprocessing=preprocessing)]
    task = one_task(cases)
    check_folds(cases, count)
    folds = fold_cases(cases, count, options.data.percentages.validation)
    read, network = load_trunk(options.trunk, settings.graph)
    inspection = _inspect(folds, SeenFiles.of_graph(read.graph), options.data.allow_contaminated)
    name = trunk_sha256(read.graph.trunk())
    cluster = Cluster.of(options.data.executor, read.graph.data)
    extractor = FeatureExtractor(network, name, options.bottleneck_dir, preprocessing, cluster)
    trainer = _Trainer(options, task, dataset.labels_by_task(cases)[task], extractor, skipped)
    answered = []
    for number, fold in enumerate(folds, 1):
        print(f"Fold {number} of {count}.")
        answered.append(trainer.tested(fold))
    _report(options, answered, skipped, inspection)
    print("No graph was written: the same command without --folds trains one on all cases but those held out.")


def _inspect(folds: Sequence[list[Case]], seen: SeenFiles, allowed: bool) -> Inspection:
    """What is doubtful about the cases, all of which are tested on, and about files that are alike in two folds."""
    cases = [replace(case, split="testing") for case in folds[0]]
    inspection = inspect_cases(cases, seen, "testing", allowed)
    marks = dict(zip([case.file for case in cases], inspection.marks, strict=True))
    pairs: set[tuple[str, ...]] = set()
    for fold in folds:
        found = looking_alike(fold, [marks[case.file] for case in fold]) or []
        pairs |= {tuple(sorted(pair)) for pair in found}
    return Inspection(inspection.marks, _with_pairs(inspection.findings, sorted(pairs)))


def _with_pairs(findings: dict[str, Any], pairs: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    doubts = list(findings["doubts"])
    if pairs:
        doubts.append(
            f"{len(pairs)} pairs of files in two folds look or sound alike, such as '{pairs[0][0]}' and "
            f"'{pairs[0][1]}'. If they are copies, the results below are too good: give both the same group."
        )
        print(f"WARNING: {doubts[-1]}")
    return {**findings, "doubts": doubts, "looking_alike_across_splits": [list(pair) for pair in pairs]}


def _report(
    options: RetrainOptions,
    answered: Sequence[tuple[Answers, list[Case]]],
    skipped: SkippedFiles,
    inspection: Inspection,
) -> None:
    """Writes the report of all predictions together and of each fold."""
    each = [answers for answers, _ in answered]
    cases = [case for _, tested in answered for case in tested]
    pooled = replace(
        each[0],
        targets=np.concatenate([answers.targets for answers in each]),
        scores=np.concatenate([answers.scores for answers in each]),
        groups=[group for answers in each for group in answers.groups],
    )
    tested = outputs.task_reports(options.report, [(pooled, cases)])
    for task in tested:
        task.metrics["folds"] = fold_metrics(each, options.report.negative_label)
    outputs.write_outputs(options.report, tested, summarize_data(cases, skipped, inspection=inspection))
