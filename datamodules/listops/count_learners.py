"""What simple learners make of a tree: how often each symbol stands in it, in whatever order."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from datamodules.learners import SimpleLearner, linear_softmax, small_mlp
from datamodules.listops.expressions import SYMBOLS


def count_symbols(inputs: Tensor, mask: Tensor) -> NDArray[np.float32]:
    """Return how often each symbol stands in sequences (B, T): (B, V).

    Example:
        >>> inputs = torch.tensor([[12, 3, 3, 15, 0]])
        >>> counts = count_symbols(inputs, inputs > 0)[0]
        >>> counts[[3, 12, 15]].tolist(), counts.sum()
        ([2.0, 1.0, 1.0], np.float32(4.0))
    """
    counts = torch.zeros(len(inputs), len(SYMBOLS))
    return counts.scatter_add_(1, inputs, mask.float()).numpy()


def count_symbols_and_root(inputs: Tensor, mask: Tensor) -> NDArray[np.float32]:
    """Return the counts, and which symbol is the first: (B, 2 V)."""
    return np.concatenate([count_symbols(inputs, mask), one_hot(inputs[:, 0], len(SYMBOLS)).float().numpy()], axis=1)


COUNT_LEARNERS = {
    "logistic on token counts": SimpleLearner(count_symbols, linear_softmax),
    "MLP on token counts": SimpleLearner(count_symbols, small_mlp),
    "MLP on token counts and root operator": SimpleLearner(count_symbols_and_root, small_mlp),
}
