"""Rules on list operations that learn nothing and read no nesting."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.listops.expressions import answer_by_own_digits, answer_flat


def flat_scores(trees: Sequence[NDArray[np.integer]], labels: NDArray[Any]) -> dict[str, float]:
    """Return the accuracy of each rule on trees and what they evaluate to, (N,) int64.

    A root without digits of its own leaves `nested parts skipped` without an answer, which is none.
    `constant by root operator` is the one answer for each root operator that happens to be right most often.

    Example:
        >>> from datamodules.listops.expressions import encode
        >>> trees = [encode("[MAX 2 [MIN 9 3 ] ]"), encode("[MAX 1 2 ]"), encode("[MIN [MAX 8 3 ] 5 ]")]
        >>> {rule: round(score, 2) for rule, score in flat_scores(trees, np.array([3, 2, 5])).items()}
        {'nesting ignored': 0.33, 'nested parts skipped': 0.67, 'constant by root operator': 0.67}
    """
    lists = [tree.tolist() for tree in trees]
    roots = np.array([tree[0] for tree in lists])
    skipped = [answer_by_own_digits(tree) for tree in lists]
    by_root = sum(np.bincount(labels[roots == root]).max() for root in np.unique(roots))
    return {
        "nesting ignored": float(np.mean([answer_flat(tree) for tree in lists] == labels)),
        "nested parts skipped": float(np.mean([own == label for own, label in zip(skipped, labels, strict=True)])),
        "constant by root operator": float(by_root / len(labels)),
    }
