"""Synthetic languages to train bodies on: what they ask for, by hand, and what they refuse."""

import numpy as np
import pytest
import torch

from datamodules.checks import find_faults
from datamodules.contract import TEST, VALIDATION
from datamodules.listops.expressions import SYMBOLS
from datamodules.listops.masked import MASK, WINDOW, ListOpsMaskedDataModule, masked
from datamodules.metrics import IGNORED
from datamodules.procedural import DyckDataModule, IdentityDataModule, SetDataModule


def test_identity_asks_for_what_was_shown() -> None:
    module = IdentityDataModule(symbols=3, vocabulary=9, batch_size=8)
    batch = module.training_batch(2)
    assert module.task.input_size == 12
    for inputs, labels in zip(batch.inputs, batch.labels.tolist(), strict=True):
        assert inputs[:3].tolist() == [label + 1 for label in labels]
        assert module.words(inputs)[3:] == ["|", "_", "_", "_"]


def test_set_asks_for_each_symbol_once_and_then_for_the_end() -> None:
    module = SetDataModule(symbols=6, vocabulary=4, test_examples=300)
    ends = set()
    for inputs, labels in zip(module.examples(TEST).inputs, module.examples(TEST).labels.tolist(), strict=True):
        shown = [int(token) - 1 for token in inputs[:6]]
        first = sorted(set(shown), key=shown.index)
        assert labels == [*first, 4, *[IGNORED] * (5 - len(first))]
        ends.add(len(first))
    assert ends == {1, 2, 3, 4} or ends == {2, 3, 4}
    whole = SetDataModule(symbols=1, vocabulary=4, test_examples=3).examples(TEST).labels
    assert IGNORED not in whole
    assert 4 not in whole, "there is no room for an end"


def nested(module: DyckDataModule, tokens: list[int], labels: list[int]) -> int:
    """Return the depth of brackets, each closing one of the kind that it closes."""
    stack, deepest = [], 0
    for token, label in zip(tokens, labels, strict=True):
        if token <= module.brackets:
            assert label == IGNORED
            stack.append(token - 1)
        else:
            closed = stack.pop()
            assert closed == (label if token == 2 * module.brackets + 1 else token - module.brackets - 1)
            assert (label == IGNORED) is (token != 2 * module.brackets + 1)
        deepest = max(deepest, len(stack))
    assert not stack
    return deepest


@pytest.mark.parametrize("max_depth", [1, 3, 8])
def test_brackets_nest_and_each_masked_one_is_of_the_kind_that_it_closes(max_depth: int) -> None:
    module = DyckDataModule(length=20, kinds=5, max_depth=max_depth, test_examples=200)
    test = module.examples(TEST)
    depths = [nested(module, *row) for row in zip(test.inputs.tolist(), test.labels.tolist(), strict=True)]
    assert max(depths) == max_depth
    share = np.mean(test.labels != IGNORED)
    assert share == pytest.approx(0.25, abs=0.03), "half of those that close"
    assert module.words(torch.tensor([2, 7, 11])) == ["(2", "2)", "_"]


def test_something_is_asked_of_every_example() -> None:
    dyck = DyckDataModule(length=6, kinds=500, mask_rate=0.01, test_examples=200)
    assert find_faults(dyck) == []
    assert ((dyck.examples(TEST).labels != IGNORED).sum(axis=1) >= 1).all()
    windows = np.ones((40_000, WINDOW), dtype=np.int64)
    inputs, labels = masked(windows, 0, "test")
    assert (labels != IGNORED).any(axis=1).all()
    assert (inputs == MASK).mean() == pytest.approx(0.15, abs=0.001)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"max_depth": 0}, "expected max_depth of at least 1, got 0: no bracket could open"),
        ({"length": 7}, "expected length to be an even number of at least 2, got 7"),
        ({"kinds": 1}, "expected at least 2 kinds of brackets, got 1"),
        ({"mask_rate": 0.0}, "expected mask_rate above 0 and up to 1, got 0.0"),
        ({"test_examples": 0}, "expected at least 1 validation and 1 test example"),
    ],
)
def test_a_dyck_language_that_cannot_be_is_refused(arguments: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=f"dyck: {said}"):
        DyckDataModule(**arguments)


@pytest.mark.parametrize("made", [IdentityDataModule, SetDataModule])
def test_symbols_of_one_kind_are_refused(made: type[IdentityDataModule]) -> None:
    with pytest.raises(ValueError, match=f"{made.task_name}: expected at least 1 symbol of at least 2 kinds"):
        made(vocabulary=1)


def test_listops_masked_asks_for_the_symbols_that_are_hidden_and_for_no_value() -> None:
    trees = {"min_length": 4, "max_length": 14, "max_depth": 3, "train_examples": 300, "validation_examples": 100}
    module = ListOpsMaskedDataModule(**trees, test_examples=100, batch_size=32)
    batch = module.training_batch(0)
    hidden = batch.inputs == MASK
    assert torch.equal(hidden, batch.labels != IGNORED)
    assert hidden.float().mean().item() == pytest.approx(0.15, abs=0.03)
    assert module.words(batch.inputs[0])[0] in (*SYMBOLS, "_")
    whole = np.where(hidden, batch.labels, batch.inputs)
    line = np.concatenate(module._splits["train"].sequences)
    text = line.astype(np.uint8).tobytes()
    assert all(row.astype(np.uint8).tobytes() in text for row in whole), "windows of the training trees"
    assert module.splits == (VALIDATION, TEST)
    with pytest.raises(ValueError, match="expected at least 64 symbols in test, got "):
        ListOpsMaskedDataModule(**trees, test_examples=2).examples(TEST)
    with pytest.raises(ValueError, match="expected at least 64 symbols in train, got "):
        ListOpsMaskedDataModule(**{**trees, "train_examples": 2}).training_batch(0)
