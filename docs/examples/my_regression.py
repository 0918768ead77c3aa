"""An own task whose label is a number: which share of the bits says 1?"""

import numpy as np
from my_task import MajorityDataModule

from datamodules.contract import TaskSpec
from datamodules.examples import ArrayExamples


class ShareDataModule(MajorityDataModule):
    """Say which share of a row of bits says 1.

    One example with `length=5` (T = 5 tokens of D = 1)::

        inputs   +1 -1 -1 +1 +1
        labels              0.6
    """

    @property
    def task(self) -> TaskSpec:
        trivial = {"always a half": 0.123}  # on rows of 11 bits
        metric = "mean-absolute-error"
        return TaskSpec("share", "vectors", 1, self.length, label_kind="numbers", metric=metric, trivial=trivial)

    def examples(self, split: str) -> ArrayExamples:
        inputs = super().examples(split).inputs
        return ArrayExamples(inputs, (inputs[:, :, 0] > 0).mean(axis=1, keepdims=True, dtype=np.float32))
