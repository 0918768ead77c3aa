"""How rules that need no learning are scored on a test set."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from datamodules.contract import Examples

AT_ONCE = 1024
"""Examples read at once."""


def labels_of(examples: "Examples") -> Tensor:
    """Return all labels of a split, (N, L)."""
    firsts = range(0, len(examples), AT_ONCE)
    batches = (examples.batch(np.arange(first, min(first + AT_ONCE, len(examples)))) for first in firsts)
    return torch.cat([batch.labels for batch in batches])


def score_answers(answers: NDArray[np.int64], labels: NDArray[Any]) -> float:
    """Return the share of labels, (N, L), that answers, (N, L) or (L,), say right.

    Example:
        >>> score_answers(np.array([0, 1]), np.array([[0, 1], [1, 1]]))
        0.75
    """
    return float((answers == labels).mean())
