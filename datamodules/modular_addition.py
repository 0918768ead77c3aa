"""Modular addition: (a + b) mod p, from two tokens and an equals sign."""

from functools import cached_property
from typing import ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from datamodules.contract import TEST, TRAIN, VALIDATION, DataKind, SharedArguments, TaskDataModule, TaskSpec
from datamodules.examples import ArrayExamples, count_held_out
from datamodules.randomness import random_integers, random_permutation

DATA_SEED = 0
"""Seed of the split of all sums, which is the same for every run."""


class ModularAdditionDataModule(TaskDataModule):
    """Say (a + b) mod p. All p x p sums are split once; validation and test sums are never trained on, nor b + a.

    Zhong and Andreas 2024 (arXiv 2410.04368) train embeddings of random transformers on 95 % of the sums modulo 199,
    where a + b may be trained on and b + a tested: by saying the one at the other 94 % are right.

    One example with `modulus=7` (T = 3 tokens, V = 8)::

        words   5 4 =
        ids     5 4 7
        label       2

    Args:
        modulus: p, from 5 to 1,000.
        validation_share: share of all pairs {a, b} held out for validation, in (0, 1), and `test_share` for test.
    """

    kinds: ClassVar[tuple[DataKind, ...]] = ("real",)
    source = "all sums modulo p, split once; validation and test sums are held out of training in either order"

    def __init__(
        self,
        *,
        modulus: int = 199,
        validation_share: float = 0.025,
        test_share: float = 0.025,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        if not 5 <= modulus <= 1000:
            raise ValueError(f"modular-addition: expected modulus from 5 to 1000, got {modulus}")
        self.modulus = modulus
        pairs = modulus * (modulus + 1) // 2
        self.held = count_held_out("modular-addition", "pairs", pairs, validation_share, test_share)

    @cached_property
    def task(self) -> TaskSpec:
        guess = {"guess": 1 / self.modulus}
        return TaskSpec("modular-addition", "tokens", self.modulus + 1, 3, self.modulus, trivial=guess)

    def examples(self, split: str) -> ArrayExamples:
        if split not in self._members:
            raise ValueError(f"modular-addition: expected one of the splits {sorted(self._members)}, got {split!r}")
        return self._members[split]

    def training_indices(self, step: int) -> NDArray[np.int64]:
        return random_integers(self.batch_size, len(self.examples(TRAIN)), self.seed, TRAIN, step)

    def words(self, inputs: Tensor) -> list[str]:
        return ["=" if token == self.modulus else str(token) for token in inputs.tolist()]

    @cached_property
    def _members(self) -> dict[str, ArrayExamples]:
        pairs = np.stack(np.triu_indices(self.modulus), axis=1)
        shuffled = pairs[random_permutation(len(pairs), DATA_SEED, "modular-addition")]
        validation, test, train = np.split(shuffled, np.cumsum(self.held))
        return {
            TRAIN: self._in_both_orders(train),
            VALIDATION: self._in_both_orders(validation),
            TEST: self._in_both_orders(test),
        }

    def _in_both_orders(self, pairs: NDArray[np.int64]) -> ArrayExamples:
        unequal = pairs[pairs[:, 0] != pairs[:, 1]]
        sums = np.concatenate([pairs, unequal[:, ::-1]])
        equals = np.full((len(sums), 1), self.modulus)
        return ArrayExamples(np.concatenate([sums, equals], axis=1), sums.sum(1, keepdims=True) % self.modulus)
