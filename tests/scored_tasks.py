"""Tiny tasks of every kind of label, which a readout of the last positions can learn without any body."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
import torchmetrics
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION, DataKind, TaskDataModule, TaskSpec
from datamodules.examples import ArrayExamples
from datamodules.metrics import IGNORED, Metric

SIZES = {TRAIN: 96, VALIDATION: 24, TEST: 32}


class Bits(TaskDataModule):
    """Rows of 4 positions of 3 random signs; what is said of them is a subclass's."""

    kinds: ClassVar[tuple[DataKind, ...]] = ("real",)
    source = "random signs"
    spec: ClassVar[TaskSpec]

    @property
    def task(self) -> TaskSpec:
        return self.spec

    def inputs(self, split: str) -> NDArray[np.float32]:
        chance = np.random.default_rng(list(SIZES).index(split))
        return (chance.integers(0, 2, (SIZES[split], 4, 3)) * 2 - 1).astype(np.float32)

    def labels(self, inputs: NDArray[np.float32]) -> NDArray[np.generic]:
        raise NotImplementedError

    def examples(self, split: str) -> ArrayExamples:
        inputs = self.inputs(split)
        return ArrayExamples(inputs, self.labels(inputs))  # type: ignore[arg-type]


class Share(Bits):
    """A number: which share of the last position's signs is positive, 0, 1/3, 2/3 or 1."""

    spec = TaskSpec(
        "share", "vectors", 3, 4, label_kind="numbers", metric="mean-absolute-error", trivial={"always a half": 0.1875},
    )  # fmt: skip

    def labels(self, inputs: NDArray[np.float32]) -> NDArray[np.generic]:
        return (inputs[:, -1] > 0).mean(axis=1, keepdims=True, dtype=np.float32)


class Scripted(torchmetrics.Metric):
    """A metric that says what a test has written down, evaluation by evaluation, whatever it is told."""

    script: ClassVar[list[float]] = []

    def update(self, said: torch.Tensor, labels: torch.Tensor) -> None:
        """Take note of nothing."""

    def compute(self) -> torch.Tensor:
        return torch.tensor(self.script.pop(0) if len(self.script) > 1 else self.script[0])


class ScriptedError(Share):
    """A task scored by a metric of its own, of which less is better."""

    error = Metric(
        "scripted-error", "tests.scored_tasks:Scripted", "numbers",
        higher_is_better=False, perfect=0.0, is_fraction=False,
    )  # fmt: skip
    spec = replace(Share.spec, name="scripted", metric=error, trivial={"mean": 0.0})


class Flags(Bits):
    """Multi-label: which of the last position's signs are positive."""

    spec = TaskSpec(
        "flags", "vectors", 3, 4, num_labels=3, label_kind="multi-label", metric="f1", trivial={"always all": 0.737},
    )  # fmt: skip

    def labels(self, inputs: NDArray[np.float32]) -> NDArray[np.generic]:
        return (inputs[:, -1] > 0).astype(np.int64)


class Easy(Bits):
    """Classes that a linear readout tells apart at once: whether the last position's first sign is positive."""

    spec = TaskSpec("easy", "vectors", 3, 4, 2, trivial={"guess": 0.5})

    def labels(self, inputs: NDArray[np.float32]) -> NDArray[np.generic]:
        return (inputs[:, -1, :1] > 0).astype(np.int64)


class Ragged(Bits):
    """Classes of which some are missing: at each position whether its first sign is positive, where its second is."""

    spec = TaskSpec("ragged", "vectors", 3, 4, 2, 4, 4, trivial={"guess": 0.5}, ragged=True)

    def inputs(self, split: str) -> NDArray[np.float32]:
        inputs = super().inputs(split)
        inputs[:, 0, 1] = 1  # no example without any label
        return inputs

    def labels(self, inputs: NDArray[np.float32]) -> NDArray[np.generic]:
        return np.where(inputs[:, :, 1] > 0, (inputs[:, :, 0] > 0).astype(np.int64), IGNORED)


class RaggedShares(Ragged):
    """Numbers of which some are missing, at each position."""

    spec = TaskSpec(
        "ragged-shares", "vectors", 3, 4, num_labels=4, read_positions=4, label_kind="numbers", metric="r2",
        trivial={"mean": 0.0}, ragged=True,
    )  # fmt: skip

    def labels(self, inputs: NDArray[np.float32]) -> NDArray[np.generic]:
        return np.where(inputs[:, :, 1] > 0, (inputs > 0).mean(axis=2), np.nan).astype(np.float32)
