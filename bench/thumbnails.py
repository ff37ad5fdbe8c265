"""How far a classifier gets that sees pictures of 32 x 32 only, and so the exposure and the pose, hardly the lungs.

    python bench/thumbnails.py cases.csv

Logistic regression on the training split of each task of pictures, measured on the testing split, both as
`retrain.py --labels_csv=cases.csv` makes them. A network is worth what it adds to this.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tosa.training import dataset, report  # noqa: E402
from tosa.training.bottlenecks import draw  # noqa: E402
from tosa.training.figures import Answers  # noqa: E402


def thumbnails(cases: list[dataset.Case]) -> np.ndarray:
    """Gray pixels of each case's picture, float (cases, 1024)."""
    return np.stack([draw(case, (32, 32)).mean(axis=2).ravel() for case in cases])


def main(table: Path) -> None:
    cases = [case for case in dataset.from_csv(table, "pneumonia", dataset.Percentages()) if not case.is_sound]
    for task, labels in dataset.labels_by_task(cases).items():
        training, testing = ([c for c in dataset.in_split(cases, s) if c.task == task] for s in ("training", "testing"))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        model.fit(thumbnails(training), [labels.index(case.label) for case in training])
        targets = np.array([labels.index(case.label) for case in testing])
        scores = model.predict_proba(thumbnails(testing))
        groups = [case.group for case in testing]
        print(report.text(Answers(task, tuple(labels), targets, scores, groups)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
