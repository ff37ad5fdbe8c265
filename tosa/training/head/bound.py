"""The bound of a task's scores: with few cases, no score may claim that the network is never wrong.

If n cases of a label were all answered rightly, the next one is right with a probability of (n + 1) / (n + 2). That is
Laplace's rule of succession, the mean of the posterior under a uniform prior. So no score exceeds that for the n groups
(patients, sources) of the label that has the fewest among the cases that the head was calibrated on. Each score is
scaled towards equal ones, which keeps their order: score x (1 - labels x floor) + floor. The graph carries both numbers
behind the softmax, so that every program that reads its scores gets bounded ones.
"""


def largest_score(groups: int) -> float:
    """Returns the largest score that so many groups of the label with the fewest support; 0 counts as 1."""
    return (max(groups, 1) + 1) / (max(groups, 1) + 2)


def score_floor(groups: int, labels: int) -> float:
    """Returns the smallest score of a head with so many labels: with all others at it, one has largest_score."""
    return (1 - largest_score(groups)) / (labels - 1) if labels > 1 else 0.0
