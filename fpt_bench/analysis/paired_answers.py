"""Do two models answer one test set differently? McNemar's exact test, on examples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True)
class Paired:
    """Two models' answers to the same examples, example by example."""

    examples: int
    first_better: int
    """Examples of which the first model says more labels, or whose numbers it is nearer to."""
    second_better: int
    p: float
    """Of McNemar's exact test: two-sided, that each of these examples falls to either model as likely."""

    @property
    def alike(self) -> int:
        return self.examples - self.first_better - self.second_better


def compare_answers(first: NDArray[np.float64], second: NDArray[np.float64]) -> Paired:
    """Compare merits of two models on the same N examples, (N,) each, the higher the better.

    With one label an example and merits of 0 and 1 this is McNemar's test (1947) in its exact, binomial form. Labels of
    one example are no draws of their own, so examples are counted, whatever the number of labels.

    Raises:
        ValueError: not as many of both, or none.

    Example:
        >>> found = compare_answers(np.array([1.0, 1, 1, 1, 1, 1, 0]), np.array([0.0, 0, 0, 0, 0, 0, 0]))
        >>> found.first_better, found.second_better, found.alike, round(found.p, 4)
        (6, 0, 1, 0.0312)
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"expected merits of the same examples, (N,) twice, got {first.shape} and {second.shape}")
    better, worse = int((first > second).sum()), int((first < second).sum())
    p = float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0
    return Paired(len(first), better, worse, p)
