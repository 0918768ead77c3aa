"""A task is checked: a sound one passes, and each mistake of an author is a sentence that names it."""

import re
from collections.abc import Callable
from typing import NoReturn, Unpack

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from datamodules.bits import BitMemoryDataModule
from datamodules.checks import check_task, count_test_examples_in_training, find_faults, require_sound
from datamodules.contract import TEST, TRAIN, VALIDATION, Batch, RecordCounts, SharedArguments, TaskDataModule, TaskSpec
from datamodules.examples import ArrayExamples, SequenceExamples
from datamodules.shuffled import ShuffledDataModule

SIZES = {TRAIN: 60, VALIDATION: 20, TEST: 40}
Split = tuple[NDArray[np.generic], NDArray[np.generic]]


class Vectors(TaskDataModule):
    """A sound task: 3 vectors of 2 random numbers, of 2 classes that are equally common."""

    kinds = ("real",)
    source = "random numbers"
    spec = TaskSpec("vectors", "vectors", 2, 3, 2, trivial={"guess": 0.5})

    @property
    def task(self) -> TaskSpec:
        return self.spec

    def draw(self, split: str) -> Split:
        chance = np.random.default_rng(list(SIZES).index(split))
        inputs = chance.normal(size=(SIZES[split], 3, 2)).astype(np.float32)
        return inputs, np.arange(SIZES[split])[:, None] % 2

    def examples(self, split: str) -> ArrayExamples:
        return ArrayExamples(*self.draw(split))  # type: ignore[arg-type]


class Tokens(TaskDataModule):
    """A sound task on tokens of different lengths: does a sequence start with an even one?"""

    kinds = ("real",)
    source = "random tokens"
    spec = TaskSpec("tokens", "tokens", 9, 6, 2, read_positions=1, trivial={"guess": 0.6})

    @property
    def task(self) -> TaskSpec:
        return self.spec

    def draw(self, split: str) -> tuple[NDArray[np.int64], ...]:
        chance = np.random.default_rng(list(SIZES).index(split))
        return tuple(chance.integers(1, 9, size=2 + row % 5) for row in range(SIZES[split]))

    def examples(self, split: str) -> SequenceExamples:
        rows = self.draw(split)
        return SequenceExamples(rows, np.array([[row[0] % 2] for row in rows]))


def spoil(split: str, change: Callable[[NDArray[np.generic], NDArray[np.generic]], Split]) -> type[Vectors]:
    """A task of which one split is another than it says."""

    class Spoiled(Vectors):
        def draw(self, name: str) -> Split:
            inputs, labels = super().draw(name)
            return change(inputs, labels) if name == split else (inputs, labels)

    return Spoiled


def put(array: NDArray[np.generic], index: object, value: object) -> NDArray[np.generic]:
    changed = array.copy()
    changed[index] = value  # type: ignore[index]
    return changed


class SeedDecides(Vectors):
    def draw(self, split: str) -> Split:
        inputs, labels = super().draw(split)
        return (inputs + np.float32(self.seed)), labels


class OneSplit(Vectors):
    def draw(self, split: str) -> Split:
        return super().draw(TRAIN)


class SelectsOnTest(Vectors):
    def draw(self, split: str) -> Split:
        inputs, labels = super().draw(VALIDATION if split == TEST else split)
        return inputs, labels


class LowFloor(Vectors):
    spec = TaskSpec("vectors", "vectors", 2, 3, 4)

    def draw(self, split: str) -> Split:
        inputs, _ = super().draw(split)
        return inputs, np.where(np.arange(SIZES[split]) % 10 < 7, 0, 3)[:, None]

    def floors(self) -> dict[str, float]:
        return {"guess": 0.25}


class NoFloor(LowFloor):
    def floors(self) -> dict[str, float]:
        return {}


class PercentFloor(LowFloor):
    def floors(self) -> dict[str, float]:
        return {"copy": 70.0}


class LeftPadded(Vectors):
    def examples(self, split: str) -> ArrayExamples:
        class Padded(ArrayExamples):
            def batch(self, indices: NDArray[np.int64]) -> Batch:
                whole = super().batch(indices)
                mask = whole.mask.clone()
                mask[:, 0] = False
                return whole._replace(mask=mask)

        return Padded(*self.draw(split))  # type: ignore[arg-type]


class NeverTheSame(Vectors):
    def training_batch(self, step: int) -> Batch:
        batch = super().training_batch(step)
        return batch._replace(inputs=batch.inputs + torch.rand(1))


class CountsItsCalls(Vectors):
    made = 0

    def __init__(self, **shared: Unpack[SharedArguments]) -> None:
        super().__init__(**shared)
        CountsItsCalls.made += 1
        self.number = self.made

    def training_batch(self, step: int) -> Batch:
        batch = super().training_batch(step)
        return batch._replace(inputs=batch.inputs + self.number)


class SmallBatches(Vectors):
    def training_batch(self, step: int) -> Batch:
        return super().training_batch(step).part(0, 5)


class NoValidation(Vectors):
    splits = (TRAIN, TEST)  # type: ignore[assignment]


class NoSource(Vectors):
    source = None  # type: ignore[assignment]


class FloatLabels(Vectors):
    def training_batch(self, step: int) -> Batch:
        batch = super().training_batch(step)
        return batch._replace(labels=batch.labels.float())


class LongTokens(Tokens):
    spec = TaskSpec("tokens", "tokens", 9, 5, 2, trivial={"guess": 0.6})


class FewTokens(Tokens):
    spec = TaskSpec("tokens", "tokens", 8, 6, 2, trivial={"guess": 0.6})


class ReadsMore(Tokens):
    spec = TaskSpec("tokens", "tokens", 9, 6, 2, num_labels=3, read_positions=3, trivial={"guess": 0.6})


FAULTS: list[tuple[type[TaskDataModule], str]] = [
    (spoil(TEST, lambda x, y: (x.astype(np.float64), y)), "test, examples 0 to 39: expected inputs of float32, got fl"),
    (spoil(TRAIN, lambda x, y: (x[:, :, :1], y)), "expected inputs of the shape (B, T, 2) for 60 examples, got (60"),
    (spoil(TEST, lambda x, y: (put(x, 7, np.nan), y)), "expected finite inputs, got NaN or infinity in 1 of 40"),
    (spoil(TEST, lambda x, y: (x, put(y, 39, 2))), "expected labels from 0 to 1 (num_classes is 2), got 2"),
    (spoil(TEST, lambda x, y: (x, put(y, 3, -1))), "expected labels from 0 to 1 (num_classes is 2), got -1"),
    (spoil(VALIDATION, lambda x, y: (x, y[:, 0])), "expected labels of the shape (20, 1), got (20,)"),
    (spoil(TEST, lambda x, y: (x[:0], y[:0])), "test: expected at least 1 example, got none"),
    (LongTokens, "expected 1 to 5 positions (the task's max_length), got 6"),
    (FewTokens, "expected tokens from 0 to 7 (input_size is 8), got 8"),
    (ReadsMore, "expected at least 3 real positions in every example, which are read out, got 2"),
    (LeftPadded, "expected padding on the right alone"),
    (OneSplit, "test: expected examples that do not stand in train, got 60 of 60 with the same inputs"),
    (SelectsOnTest, "test: expected examples that do not stand in validation, got 20 of 20"),
    (SeedDecides, "validation: expected the same examples whatever the seed, got others with seed 1 than with 0"),
    (NeverTheSame, "training batch of step 0: expected the same examples each time it is asked for"),
    (CountsItsCalls, "expected the training batch of step 1 to depend on seed and step alone"),
    (SmallBatches, "training batch of step 0: expected inputs of the shape (B, T, 2) for 16 examples, got (5, 3, 2)"),
    (LowFloor, "expected a floor of at least 70.0 %, which the best constant scores on test, got 25.0 %"),
    (NoFloor, "task 'vectors': expected at least one rule that needs no learning, got none"),
    (PercentFloor, "expected accuracies from 0 to 1 from `floors`, got 70.0 for 'copy'"),
    (FloatLabels, "expected labels of int64 where they are classes, got float32. Where labels are numbers, say la"),
    (NoValidation, "expected `splits` with validation and at least one test set, got train, test"),
    (NoSource, "expected `source`, one sentence"),
]  # fmt: skip


@pytest.mark.parametrize("task", [Vectors, Tokens])
def test_a_sound_task_has_no_faults(task: type[TaskDataModule]) -> None:
    assert find_faults(task()) == []
    check_task(task, seed=3, batch_size=8)
    require_sound(task(seed=2))
    require_sound(ShuffledDataModule(task()))


@pytest.mark.parametrize(("task", "message"), FAULTS)
def test_a_fault_is_a_sentence_for_pytest_and_before_training(task: type[TaskDataModule], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_task(task)
    with pytest.raises(ValueError, match=re.escape(message)):
        require_sound(task())


def test_all_of_a_task_is_looked_at_once_a_process_and_again_when_it_has_changed() -> None:
    class Counted(Vectors):
        made, more = 0, 0.0

        def __init__(self, **shared: Unpack[SharedArguments]) -> None:
            super().__init__(**shared)
            Counted.made += 1

        def draw(self, split: str) -> Split:
            inputs, labels = super().draw(split)
            return inputs + np.float32(self.more), labels

    looked_at = []
    for seed, more in ((0, 0.0), (1, 0.0), (1, 0.5)):
        Counted.made, Counted.more = 0, more
        require_sound(Counted(seed=seed))
        looked_at.append(Counted.made > 1)
    assert looked_at == [True, False, True]


def test_float_labels_are_refused_not_cut() -> None:
    floats = np.array([[0.9], [1.2]])
    for make in (
        lambda: ArrayExamples(np.zeros((2, 1, 1), dtype=np.float32), floats),  # type: ignore[arg-type]
        lambda: SequenceExamples((np.array([1]), np.array([2])), floats),  # type: ignore[arg-type]
    ):
        with pytest.raises(
            ValueError, match=r"expected labels as integers from 0 to C - 1, or as float32.*got float64"
        ):
            make()
    with pytest.raises(ValueError, match="as a numpy array"):
        ArrayExamples(np.zeros((2, 1, 1)), torch.zeros(2, 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected labels for each of 2 examples, got 1"):
        ArrayExamples(np.zeros((2, 1, 1)), np.zeros((1, 1), dtype=np.int64))


def test_what_is_abstract_is_said_where_a_datamodule_is_made() -> None:
    class Unfinished(TaskDataModule):
        source = "nothing"

        def examples(self, split: str) -> ArrayExamples:
            raise NotImplementedError

    with pytest.raises(TypeError, match=r"Unfinished.*task"):
        Unfinished()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_classes": 1}, "expected num_classes of at least 2, got 1"),
        ({"read_positions": 0}, "expected read_positions of at least 1, got 0"),
        ({"max_length": 0}, "expected max_length of at least 1, got 0"),
        ({"input_kind": "vector"}, "expected input_kind to be one of vectors, tokens, got 'vector'"),
        ({"trivial": {"guess": 50.0}}, "expected accuracies from 0 to 1 in trivial, got 50.0 for 'guess'"),
    ],
)
def test_a_spec_of_sizes_that_cannot_be_is_refused(sizes: dict[str, object], message: str) -> None:
    usual = {"name": "x", "input_kind": "vectors", "input_size": 1, "max_length": 3, "num_classes": 2}
    with pytest.raises(ValueError, match=re.escape(message)):
        TaskSpec(**{**usual, **sizes})  # type: ignore[arg-type]


def test_test_examples_that_stand_in_training_are_counted() -> None:
    def first_of_training(inputs: NDArray[np.generic], labels: NDArray[np.generic]) -> Split:
        return np.concatenate([Vectors().draw(TRAIN)[0][:7], inputs[7:]]), labels

    shared = spoil(TEST, first_of_training)
    assert find_faults(shared()) == [], "chance may do that: counted, not refused"
    assert count_test_examples_in_training(shared()) == 7
    assert count_test_examples_in_training(ShuffledDataModule(shared())) == 7
    assert count_test_examples_in_training(Vectors()) == 0
    assert count_test_examples_in_training(BitMemoryDataModule(pattern_bits=100)) is None, "drawn fresh"


def test_padding_and_labels_do_not_make_examples_different() -> None:
    class Padded(Tokens):
        def examples(self, split: str) -> SequenceExamples:
            # The only short one among the training examples, alone in its test set.
            rows = (np.array([3, 4]), np.array([3, 4, 5, 6])) if split == TRAIN else (np.array([3, 4]),)
            return SequenceExamples(rows, np.full((len(rows), 1), int(split == TRAIN)))

    assert count_test_examples_in_training(Padded()) == 1


def test_records_that_were_left_out_are_not_read() -> None:
    assert RecordCounts(10).read == 10
    assert RecordCounts(10, {"too long": 3, "seen before": 1}).read == 6
    assert Vectors().record_counts() is None


def test_a_shuffled_example_of_training_keeps_its_order_each_time_it_is_seen() -> None:
    module = ShuffledDataModule(Vectors(batch_size=20))  # 60 examples: steps 3 and 7 see some again
    for step in (0, 3, 7):
        expected = module.examples(TRAIN).batch(module.training_indices(step))
        assert torch.equal(module.training_batch(step).inputs, expected.inputs)


def refuses(_inputs: object) -> NoReturn:
    raise KeyError("no such word")


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("words", lambda _: [1, 2, 3], "expected `words` to be a list of strings, got"),
        ("words", refuses, "expected `words` and `picture` of an example, got KeyError"),
        ("picture", lambda _: np.zeros((4, 4, 3)), r"of uint8, got (4, 4, 3) of float64"),
        ("picture", lambda _: np.zeros((4, 4), np.uint8), r"of uint8, got (4, 4) of uint8"),
        ("picture", lambda _: "a cat", "of uint8, got () of str"),
    ],
)
def test_what_is_shown_after_a_training_is_tried_before(
    name: str, given: Callable[[object], object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vectors, "picture", lambda _self, _inputs: np.zeros((4, 4, 3), np.uint8))
    assert find_faults(Vectors()) == []
    monkeypatch.setattr(Vectors, name, lambda _self, inputs: given(inputs))
    (fault,) = find_faults(Vectors())
    assert message in fault
