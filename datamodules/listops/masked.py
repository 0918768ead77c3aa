"""ListOps without its answers: masked symbols of its expressions, to train a body on the inputs of a task itself."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from datamodules.constants import constant_scores
from datamodules.contract import TRAIN, VALIDATION, Batch, TaskSpec
from datamodules.examples import ArrayExamples
from datamodules.floors import labels_of
from datamodules.learners import SimpleLearner
from datamodules.listops.expressions import SYMBOLS
from datamodules.listops.listops import DATA_SEED, ListOpsDataModule
from datamodules.metrics import IGNORED
from datamodules.randomness import random_integers, random_uniform

MASK = len(SYMBOLS)
WINDOW = 64
"""Symbols that are read at once."""
MASK_RATE = 0.15
"""Of BERT."""


class ListOpsMaskedDataModule(ListOpsDataModule):
    """Say the masked symbols of ListOps expressions: pretraining on the task's own inputs, as BERT's on text.

    After Amos et al. 2023 (arXiv 2310.02980). Expressions stand one after another, and windows of 64 symbols are cut
    out of them. Those of ListOps' training trees are trained on, with masks drawn anew every time; no value of an
    expression is ever seen.

    A part of one example (T = R = 64, V = 17)::

        symbols  [MAX  2  _  [MIN  4  7  _   ]
        labels     -   -  3    -   -  -  15  -

    Its arguments are those of :class:`ListOpsDataModule`.
    """

    @property
    def task(self) -> TaskSpec:
        guess = {"guess": 1 / (len(SYMBOLS) - 1)}
        return TaskSpec("listops-masked", "tokens", MASK + 1, WINDOW, MASK, WINDOW, WINDOW, guess, ragged=True)

    @property
    def splits(self) -> tuple[str, ...]:
        return (VALIDATION, *self.test_splits)

    def record_counts(self) -> None:
        """Say nothing: an example is a window over many trees, and no record is one."""

    def examples(self, split: str) -> ArrayExamples:  # type: ignore[override]  # of one length
        if split not in self.splits:
            raise ValueError(f"listops-masked: expected one of the splits {sorted(self.splits)}, got {split!r}")
        rows = self._lines[split]
        cut = rows[: len(rows) - len(rows) % WINDOW].reshape(-1, WINDOW)
        if not len(cut):
            raise ValueError(f"listops-masked: expected at least {WINDOW} symbols in {split}, got {len(rows)}")
        return ArrayExamples(*masked(cut, DATA_SEED, "masked", split))

    def training_batch(self, step: int) -> Batch:
        line = self._lines[TRAIN]
        if len(line) < WINDOW:
            raise ValueError(f"listops-masked: expected at least {WINDOW} symbols in {TRAIN}, got {len(line)}")
        starts = random_integers(self.batch_size, len(line) - WINDOW + 1, self.seed, TRAIN, step)
        windows = line[starts[:, None] + np.arange(WINDOW)]
        return ArrayExamples(*masked(windows, self.seed, "masked", step)).batch(np.arange(self.batch_size))

    def floors(self) -> Mapping[str, float]:
        return constant_scores(self.task, labels_of(self.examples(self.test_splits[0])), None)

    def simple_learners(self) -> Mapping[str, SimpleLearner]:
        return {}

    def words(self, inputs: Tensor) -> list[str]:
        return [(*SYMBOLS, "_")[token] for token in inputs.tolist()]

    @cached_property
    def _lines(self) -> dict[str, NDArray[np.int64]]:
        """All expressions of each split, one behind the other."""
        return {split: np.concatenate(found.sequences).astype(np.int64) for split, found in self._splits.items()}

    def _describe(self) -> str:
        return f"{super()._describe()}; its inputs alone, {MASK_RATE:.0%} of the symbols masked"


def masked(windows: NDArray[np.int64], seed: int, *address: int | str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return windows (N, WINDOW) with a mask over some symbols, and which these were; IGNORED elsewhere."""
    numbers = random_uniform(windows.size, seed, *address).reshape(windows.shape)
    # Of a window in which nothing would be hidden, one symbol is.
    hidden = numbers <= np.maximum(numbers.min(axis=1, keepdims=True), MASK_RATE)
    return np.where(hidden, MASK, windows), np.where(hidden, windows, IGNORED)
