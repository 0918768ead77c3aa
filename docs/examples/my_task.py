"""An own task in one file: do more than half of the bits say 1?"""

from functools import cached_property
from typing import Unpack

import numpy as np

from datamodules.contract import SharedArguments, TaskDataModule, TaskSpec
from datamodules.examples import ArrayExamples


class MajorityDataModule(TaskDataModule):
    """Say whether a row of bits has more ones than zeros.

    One example with `length=5` (T = 5 tokens of D = 1)::

        inputs   +1 -1 -1 +1 +1
        labels                1
    """

    kinds = ("real",)  # generated: there is nothing to stand in for
    source = "all rows of bits, shuffled once"

    def __init__(self, *, length: int = 11, **shared: Unpack[SharedArguments]) -> None:
        super().__init__(**shared)
        if not 7 <= length <= 15 or length % 2 == 0:
            raise ValueError(f"majority: expected an odd length from 7 to 15, got {length}")
        self.length = length

    @property
    def task(self) -> TaskSpec:
        return TaskSpec("majority", "vectors", 1, self.length, num_classes=2, trivial={"guess": 0.5})

    def examples(self, split: str) -> ArrayExamples:
        return self._splits[split]

    @cached_property
    def _splits(self) -> dict[str, ArrayExamples]:
        rows = np.random.default_rng(0).permutation(2**self.length)  # the same for every run: splits never overlap
        bits = rows[:, None] >> np.arange(self.length) & 1
        inputs, labels = (2.0 * bits - 1)[:, :, None].astype(np.float32), bits.sum(1, keepdims=True) > self.length / 2
        eighth = len(rows) // 8
        parts = {"test": slice(eighth), "validation": slice(eighth, 2 * eighth), "train": slice(2 * eighth, None)}
        return {split: ArrayExamples(inputs[part], labels[part].astype(np.int64)) for split, part in parts.items()}
