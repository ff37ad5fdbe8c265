"""What a report is asked for, without the command line that asks."""

from dataclasses import dataclass
from pathlib import Path

from tosa.training.metrics import PREVALENCE


@dataclass(frozen=True)
class ReportOptions:
    """Where a report goes and what it counts as health."""

    report_dir: Path  # folder for report.json, report.md and their pictures
    plot: Path | None = None  # PNG of the training curves
    prevalence: float = PREVALENCE  # share of the ill at which the positive predictive value is given
    negative_label: str | None = None  # label that stands for health; None: the first of metrics.HEALTHY
    print_misclassified: bool = False  # list the test files that were answered wrongly
    split: str = "testing"  # the split that the answered cases are from, or all
