"""Floors: what needs no learning, by hand, and as a task has them that says nothing of its own."""

import numpy as np
import pytest
import torch

from datamodules.bits import COPY_AND_AVERAGE, BitMemoryDataModule, BitXorDataModule
from datamodules.constants import constant_scores
from datamodules.contract import TEST, TRAIN, VALIDATION, TaskDataModule, TaskSpec
from datamodules.examples import ArrayExamples
from datamodules.floors import labels_of
from datamodules.listops.listops import ListOpsDataModule
from datamodules.shuffled import ShuffledDataModule

LABELS = {TRAIN: [[2], [2], [2], [0], [1]], VALIDATION: [[0]], TEST: [[0], [0], [0], [2], [1]]}


class Nothing(TaskDataModule):
    """A task of somebody who says nothing of floors."""

    kinds = ("real",)
    source = "five numbers"

    @property
    def task(self) -> TaskSpec:
        return TaskSpec("nothing", "vectors", 1, 1, 3)

    def examples(self, split: str) -> ArrayExamples:
        labels = np.array(LABELS[split])
        return ArrayExamples(np.zeros((len(labels), 1, 1), dtype=np.float32), labels)


def test_constants_by_hand() -> None:
    task, asked, seen = Nothing().task, torch.tensor(LABELS[TEST]), torch.tensor(LABELS[TRAIN])
    assert constant_scores(task, asked, seen) == {"commonest class of training": 0.2, "best constant": 0.6}
    two_labels = torch.tensor([[0, 1], [0, 1], [1, 1], [1, 0]])
    assert constant_scores(task, two_labels, None) == {"best constant": pytest.approx(5 / 8)}, "each label has its own"


def test_a_task_that_says_nothing_has_floors() -> None:
    assert Nothing().all_floors() == {"commonest class of training": 0.2, "best constant": 0.6}
    assert Nothing().simple_learners() == {}


def test_what_a_task_knows_without_a_file_stands_beside_what_is_measured() -> None:
    floors = BitXorDataModule().all_floors()
    assert floors["guess"] == 0.5
    answers = BitXorDataModule().examples(TEST).labels
    assert floors["best constant"] == pytest.approx(np.maximum(answers.mean(0), 1 - answers.mean(0)).mean())


def test_labels_are_read_in_their_order_however_many_there_are() -> None:
    labels = np.arange(2500)[:, None] % 7
    assert np.array_equal(labels_of(ArrayExamples(np.zeros((2500, 1, 1), dtype=np.float32), labels)), labels)


def test_shuffled_tokens_leave_constants_alone() -> None:
    """Rules of a task need the order; what constants score does not change with it."""
    memory = BitMemoryDataModule(pattern_bits=50)
    assert COPY_AND_AVERAGE in memory.floors()
    assert ShuffledDataModule(memory).floors() == {"best constant": memory.floors()["best constant"]}
    assert ShuffledDataModule(Nothing()).all_floors() == Nothing().all_floors()


def test_simple_learners_of_a_derived_task_are_those_of_the_task() -> None:
    trees = ListOpsDataModule(min_length=5, max_length=20)
    assert ShuffledDataModule(trees).simple_learners() == trees.simple_learners() != {}
