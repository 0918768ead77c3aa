"""What the Trainer draws batches from: training by optimizer step, a fixed split in its own order."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from datamodules.batch import Batch, Examples

if TYPE_CHECKING:
    from datamodules.contract import TaskDataModule


def training_loader(module: "TaskDataModule") -> "DataLoader[Batch]":
    """Load training batches from the module's first step on, of several processes each its share of a batch."""
    batches, steps = _TrainingBatches(module), _Steps(module.first_step)
    return DataLoader(batches, batch_size=None, sampler=steps, pin_memory=torch.cuda.is_available())


def split_loader(examples: Examples, size: int, rank: int = 0, world_size: int = 1) -> "DataLoader[Batch]":
    """Load a split in its own order, `size` examples a batch; the last batch may be smaller, none is dropped.

    Of several processes each takes one batch in turn; all take all where there are too few to go round.
    """
    firsts = range(0, len(examples), size)
    firsts = firsts[rank::world_size] if len(firsts) >= world_size else firsts
    indices = [np.arange(first, min(first + size, len(examples))) for first in firsts]
    pin = torch.cuda.is_available()
    return DataLoader(indices, batch_size=None, collate_fn=examples.batch, pin_memory=pin)  # type: ignore[arg-type]


class _TrainingBatches(Dataset[Batch]):
    """Whole training batches, indexed by optimizer step."""

    def __init__(self, module: "TaskDataModule") -> None:
        self.module = module

    def __getitem__(self, step: int) -> Batch:
        rank, batch = self.module.rank, self.module.training_batch(step)
        share = len(batch.labels) // self.module.world_size
        return batch.part(rank * share, (rank + 1) * share)


class _Steps(Sampler[int]):
    """Optimizer steps from `first` on, without end: the Trainer's `max_steps` ends them."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.first)
