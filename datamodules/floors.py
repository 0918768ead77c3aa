"""What needs no learning, measured on a test set: constants, and how rules are scored and compared. Without torch."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1024
"""Examples read at once."""
COMMONEST, CONSTANT = "commonest class of training", "best constant"


class _Labelled(Protocol):
    """A split; as `datamodules.contract.Examples`, which this file cannot name without torch."""

    def __len__(self) -> int: ...

    def batch(self, indices: NDArray[np.int64]) -> object: ...


def labels_of(examples: _Labelled) -> NDArray[np.int64]:
    """Return all labels of a split, (N, L) int64."""
    firsts = range(0, len(examples), AT_ONCE)
    batches = (examples.batch(np.arange(first, min(first + AT_ONCE, len(examples)))) for first in firsts)
    return np.concatenate([batch.labels.numpy() for batch in batches])  # type: ignore[attr-defined]


def constant_floors(asked: NDArray[np.int64], seen: NDArray[np.int64] | None) -> dict[str, float]:
    """Return what answers that do not look at the input score; each of the L labels has its own.

    Args:
        asked: labels of the headline test set, (N, L) int64.
        seen: labels of the training set, (M, L) int64; None where examples are drawn fresh.

    Returns:
        The commonest class of training, where there is a training set; the constant that happens to be best.

    Example:
        >>> constant_floors(np.array([[0], [0], [0], [1]]), np.array([[1], [1], [0]]))
        {'commonest class of training': 0.25, 'best constant': 0.75}
    """
    floors = {} if seen is None else {COMMONEST: score_answers(_commonest(seen), asked)}
    return {**floors, CONSTANT: score_answers(_commonest(asked), asked)}


def _commonest(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the commonest class at each label, (L,)."""
    return np.array([np.bincount(classes).argmax() for classes in labels.T])


def score_answers(answers: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Return the share of labels, (N, L), that answers, (N, L) or (L,), say right: the one place that scores a rule.

    Example:
        >>> score_answers(np.array([0, 1]), np.array([[0, 1], [1, 1]]))
        0.75
    """
    return float((answers == labels).mean())


def best_of(scores: Mapping[str, float], higher_is_better: bool = True) -> str:
    """Return the name of the best score, of equal ones the first: the one place that says what is better.

    Example:
        >>> best_of({"guess": 0.5, "copy": 0.75})
        'copy'
    """
    return (max if higher_is_better else min)(scores, key=scores.__getitem__)
