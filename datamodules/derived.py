"""Another form of a task's examples: shuffled, or seen through a frozen body."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datamodules.contract import RecordCounts, TaskDataModule, TaskSpec

if TYPE_CHECKING:
    from datamodules.learners import SimpleLearner


class DerivedDataModule(TaskDataModule):
    """Another form of a task's examples, in the order in which the task gives them."""

    def __init__(self, inner: TaskDataModule) -> None:
        self.kinds, self.test_splits = inner.kinds, inner.test_splits  # type: ignore[misc]
        super().__init__(
            data=inner.data, seed=inner.seed, batch_size=inner.batch_size, eval_batch_size=inner.eval_batch_size
        )
        self.inner, self.source, self.as_published = inner, inner.source, inner.as_published

    @property
    def task(self) -> TaskSpec:
        return self.inner.task

    def training_indices(self, step: int) -> NDArray[np.int64]:
        return self.inner.training_indices(step)

    def floors(self) -> Mapping[str, float]:
        return self.inner.floors()

    def simple_learners(self) -> "Mapping[str, SimpleLearner]":
        return self.inner.simple_learners()

    def record_counts(self) -> Mapping[str, RecordCounts] | None:
        return self.inner.record_counts()
