"""What the tasks on proteins share: residues as tokens, and no protein longer than a model takes."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Unpack

from torch import Tensor

from datamodules.contract import RecordCounts, SharedArguments, TaskDataModule, TaskSpec
from datamodules.examples import SequenceExamples
from datamodules.learners import SimpleLearner
from datamodules.proteins.kmer_learners import KMER_LEARNERS
from datamodules.proteins.protein_files import LETTERS, VOCABULARY_SIZE

LONGEST = 1024
"""Residues of the longest protein that is kept whole: the positions of GPT-2 (Radford et al. 2019)."""
TOO_LONG = f"longer than {LONGEST:,} residues"


class ProteinDataModule(TaskDataModule):
    """A task on proteins. A subclass defines `task_name`, `task`, `source` and `all_proteins`.

    Args:
        max_length: residues kept of every protein; None leaves those of over 1,024 residues out.
    """

    task_name: ClassVar[str]

    def __init__(self, *, max_length: int | None, **shared: Unpack[SharedArguments]) -> None:
        super().__init__(**shared)
        if max_length is not None and max_length < 1:
            raise ValueError(f"{self.task_name}: expected max_length of at least 1, or none, got {max_length}")
        self.max_length = max_length

    def folds_task(self, folds: int, longest: int | None = None) -> TaskSpec:
        """Return the task to say one of `folds` folds, of proteins of at most `longest` residues if known."""
        length = self.max_length or LONGEST
        length = length if longest is None else min(length, longest)
        return TaskSpec(self.task_name, "tokens", VOCABULARY_SIZE, length, folds, trivial={"guess": 1 / folds})

    @abstractmethod
    def all_proteins(self) -> dict[str, SequenceExamples]:
        """Return every split with proteins of any length, made or read."""

    def examples(self, split: str) -> SequenceExamples:
        if split not in self.splits:
            raise ValueError(f"{self.task_name}: expected one of the splits {list(self.splits)}, got {split!r}")
        return self._limited[0][split]

    def simple_learners(self) -> Mapping[str, SimpleLearner]:
        return KMER_LEARNERS

    def words(self, inputs: Tensor) -> list[str]:
        return [LETTERS[token - 1] for token in inputs.tolist()]

    def record_counts(self) -> Mapping[str, RecordCounts]:
        limited, sizes = self._limited
        return {split: RecordCounts(size, {TOO_LONG: size - len(limited[split])}) for split, size in sizes.items()}

    @cached_property
    def _limited(self) -> tuple[dict[str, SequenceExamples], dict[str, int]]:
        """The splits within the length, and how many proteins of any length each has."""
        whole = self.all_proteins()
        limited = {split: self._within_length(examples, split) for split, examples in whole.items()}
        return limited, {split: len(examples) for split, examples in whole.items()}

    def _within_length(self, examples: SequenceExamples, split: str) -> SequenceExamples:
        if self.max_length is not None:
            return SequenceExamples(tuple(s[: self.max_length] for s in examples.sequences), examples.labels)
        keep = [index for index, sequence in enumerate(examples.sequences) if len(sequence) <= LONGEST]
        if not keep:
            raise ValueError(
                f"{self.task_name}, {split}: expected proteins of at most {LONGEST} residues. Pass max_length."
            )
        return SequenceExamples(tuple(examples.sequences[index] for index in keep), examples.labels[keep])
