"""What simple learners make of a protein: which residues and which three in a row it has, and how long it is."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.learners import SimpleLearner, linear_softmax, nearest_by_cosine
from datamodules.proteins.protein_files import VOCABULARY_SIZE


def composition_and_length(inputs: Tensor, mask: Tensor) -> NDArray[np.float32]:
    """Return the share of each residue in proteins (B, T), and the logarithm of their length: (B, V + 1)."""
    counts = torch.zeros(len(inputs), VOCABULARY_SIZE).scatter_add_(1, inputs, mask.float())
    lengths = mask.sum(1, keepdim=True).float()
    return torch.cat([counts / lengths, lengths.log()], dim=1).numpy()


def root_3mers(inputs: Tensor, mask: Tensor) -> Any:
    """Return the square root of how often each three residues stand in a row in proteins (B, T): sparse, (B, V ** 3).

    Example:
        >>> inputs = torch.tensor([[1, 2, 1, 2, 1]])
        >>> root_3mers(inputs, inputs > 0).power(2).data.round().tolist()
        [2.0, 1.0]
    """
    from scipy import sparse

    whole = (mask[:, 2:]).numpy()
    words = ((inputs[:, :-2] * VOCABULARY_SIZE + inputs[:, 1:-1]) * VOCABULARY_SIZE + inputs[:, 2:]).numpy()[whole]
    rows = np.repeat(np.arange(len(inputs)), whole.sum(axis=1))
    shape = len(inputs), VOCABULARY_SIZE**3
    counts = sparse.coo_array((np.ones(len(words), dtype=np.float32), (rows, words)), shape=shape).tocsr()
    return counts.sqrt()


KMER_LEARNERS = {
    "nearest protein by 3-mers": SimpleLearner(root_3mers, nearest_by_cosine),
    "logistic on composition and length": SimpleLearner(composition_and_length, linear_softmax),
}
