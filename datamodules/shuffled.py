"""Control: a task whose examples have their tokens in random order, to see what a model needs the order for."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.contract import TRAIN, Batch, Examples, TaskDataModule
from datamodules.derived import DerivedDataModule
from datamodules.randomness import random_permutation

ORDER_SEED = 0
"""Seed of all orders: they are a property of the data, the same for every run."""


def shuffle_tokens(batch: Batch, addresses: Sequence[tuple[int | str, ...]]) -> Batch:
    """Put the real tokens of each of B examples into the order of its address, of B; padding stays behind them.

    Example:
        >>> mask = torch.tensor([[True, True, True, False]])
        >>> batch = Batch(torch.tensor([[5, 6, 7, 0]]), mask, torch.tensor([[1]]))
        >>> once, again = (shuffle_tokens(batch, [("test", 3)]).inputs[0].tolist() for _ in range(2))
        >>> once == again, sorted(once[:3]), once[3]
        (True, [5, 6, 7], 0)
    """
    inputs = batch.inputs.clone()
    for row, length, address in zip(range(len(inputs)), batch.mask.sum(1).tolist(), addresses, strict=True):
        order = random_permutation(length, ORDER_SEED, "token order", *address)
        inputs[row, :length] = batch.inputs[row, torch.from_numpy(order)]
    return Batch(inputs, batch.mask, batch.labels)


@dataclass(frozen=True)
class ShuffledExamples:
    """A split with the tokens of each example in an order that depends on the split and its index alone."""

    inner: Examples
    split: str

    def __len__(self) -> int:
        return len(self.inner)

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        return shuffle_tokens(self.inner.batch(indices), [(self.split, int(index)) for index in indices])

    def fingerprint(self) -> str:
        return hashlib.sha256(f"tokens shuffled, seed {ORDER_SEED}: {self.inner.fingerprint()}".encode()).hexdigest()


class ShuffledDataModule(DerivedDataModule):
    """A task with the tokens of each example in one fixed random order of its own; labels and mask stay.

    Every example has another order, which no model can learn: what is still learned needs no order. An example of a
    fixed training set keeps its order each time it is seen, augmented or not; one drawn fresh has that of its step and
    row in the batch. Asked for by the data argument `shuffled`, which every task takes.

    One example, as it was and shuffled (T = 4)::

        inputs   +1 -1 | -1 +1        -1 +1 | +1 -1
        labels           1  0                 1  0
    """

    def __init__(self, inner: TaskDataModule) -> None:
        super().__init__(inner)
        self.source = f"{inner.source}; the tokens of each example in a random order of its own"

    @property
    def splits(self) -> tuple[str, ...]:
        return self.inner.splits

    @property
    def trains_on_fixed_examples(self) -> bool:
        return self.inner.trains_on_fixed_examples

    def floors(self) -> Mapping[str, float]:
        """Return what constants score, and rules of the task that need no order; labels are those of the task."""
        return self.inner.floors_without_order()

    def words(self, inputs: Tensor) -> list[str]:
        return self.inner.words(inputs)

    def examples(self, split: str) -> ShuffledExamples:
        return ShuffledExamples(self.inner.examples(split), split)

    def training_batch(self, step: int) -> Batch:
        batch = self.inner.training_batch(step)
        if TRAIN in self.splits:
            return shuffle_tokens(batch, [(TRAIN, int(index)) for index in self.training_indices(step)])
        return shuffle_tokens(batch, [(TRAIN, step, row) for row in range(len(batch.labels))])
