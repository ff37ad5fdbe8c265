"""What a graph is worth on labelled cases: counts, rates and their 95 % intervals."""

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import classification_report, confusion_matrix

HEALTHY = ("not sick", "normal")  # the label that counts as negative for sensitivity and specificity


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson, JASA 1927); (0, 1) for no cases."""
    if not count:
        return 0.0, 1.0
    z = 1.959964
    rate, spread = right / count, z * z / count
    middle, half = rate + spread / 2, z * np.sqrt(rate * (1 - rate) / count + spread / 4 / count)
    return float((middle - half) / (1 + spread)), float((middle + half) / (1 + spread))


def auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve of score (n,) for positive (n,) bool, as the Mann-Whitney statistic; ties count half."""
    count = positive.sum()
    ranks = rankdata(score)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (len(positive) - count)))


def bootstrap_auc(positive: np.ndarray, score: np.ndarray, groups: list[str], draws: int = 1000) -> tuple[float, float]:
    """95 % interval of the AUC of score (n,) for positive (n,), by drawing whole groups with replacement."""
    rng = np.random.default_rng(0)
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    indices = [np.array(m) for m in members.values()]
    found = []
    for _ in range(draws):
        chosen = np.concatenate([indices[i] for i in rng.integers(len(indices), size=len(indices))])
        if 0 < positive[chosen].sum() < len(chosen):
            found.append(auc(positive[chosen], score[chosen]))
    return tuple(float(q) for q in np.quantile(found, [0.025, 0.975]))


def text(task: str, labels: list[str], targets: np.ndarray, scores: np.ndarray, groups: list[str]) -> str:
    """The report of one task. targets: columns (n,); scores: probabilities (n, labels); groups: of each case."""
    predicted = scores.argmax(axis=1)
    columns = range(len(labels))
    lines = [
        f"== {task}: {len(targets)} cases of {len(set(groups))} groups",
        classification_report(targets, predicted, labels=columns, target_names=labels, digits=3, zero_division=0),
        "confusion matrix (rows: truth, columns: answer, in the order above)",
        str(confusion_matrix(targets, predicted, labels=columns)),
        _rate("accuracy", predicted == targets),
    ]
    healthy = [column for column in columns if labels[column] in HEALTHY]
    if healthy:
        lines += _ill_or_not(targets != healthy[0], predicted != healthy[0], 1 - scores[:, healthy[0]], groups)
    return "\n".join(lines)


def _ill_or_not(ill: np.ndarray, called_ill: np.ndarray, score: np.ndarray, groups: list[str]) -> list[str]:
    """Sensitivity, specificity and AUC of every label but the healthy one together."""
    lines = [_rate("sensitivity", called_ill[ill]), _rate("specificity", ~called_ill[~ill])]
    if 0 < ill.sum() < len(ill):
        low, high = bootstrap_auc(ill, score, groups)
        lines.append(f"{'AUC':12} {auc(ill, score):.3f}   95 % interval {low:.3f} to {high:.3f} over groups")
    return lines


def _rate(name: str, right: np.ndarray) -> str:
    low, high = wilson(int(right.sum()), len(right))
    return f"{name:12} {right.mean() if len(right) else 0:6.1%}  95 % interval {low:.1%} to {high:.1%} (N={len(right)})"
