"""Needle and modular addition: what they ask for, by hand, and what they refuse."""

from typing import Any

import numpy as np
import pytest

from datamodules.bits import BitXorDataModule
from datamodules.checks import find_faults
from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.learners import learn
from datamodules.modular_addition import ModularAdditionDataModule
from datamodules.needle import NeedleDataModule
from datamodules.shuffled import ShuffledDataModule

SMALL = {"pairs": 3, "markers": 4, "values": 9, "validation_examples": 50, "test_examples": 400}


def test_the_label_is_the_value_behind_the_marker_that_is_asked_for() -> None:
    module = NeedleDataModule(**SMALL, batch_size=32)
    batch, lengths = module.training_batch(3), set()
    for inputs, mask, (label,) in zip(batch.inputs, batch.mask, batch.labels.tolist(), strict=True):
        words = module.words(inputs[mask])
        lengths.add(len(words))
        said = dict(zip(words[:-1:2], words[1:-1:2], strict=True))
        assert len(said) == len(words) // 2, "no marker stands twice"
        assert words[-1][-1] == "?"
        assert said[words[-1][0]] == str(label)
    assert lengths == {3, 5, 7}
    assert module.task.input_size == 1 + 9 + 4 + 4


def test_every_pair_is_asked_for_as_often() -> None:
    module = NeedleDataModule(**{**SMALL, "fewest_pairs": 3, "test_examples": 3000})
    shown = [tokens.tolist() for tokens in module.examples(TEST).sequences]
    places = [tokens[:-1:2].index(tokens[-1] - module.markers) for tokens in shown]
    assert np.bincount(places).min() > 900


def test_floors_of_needle_are_those_of_saying_what_was_shown() -> None:
    module = NeedleDataModule(pairs=2, fewest_pairs=2, markers=2, values=5, test_examples=4000)
    floors = module.floors()
    # One of two values is right at once, and the other wherever both are alike.
    for rule in ("any value shown", "first value shown", "last value shown"):
        assert floors[rule] == pytest.approx(0.5 + 0.5 / 5, abs=0.03)
    assert floors["best constant"] < 0.25


def test_the_commonest_value_shown_is_right_more_often_than_any() -> None:
    module = NeedleDataModule(pairs=3, fewest_pairs=3, markers=3, values=2, test_examples=4000)
    floors = module.floors()
    # Three values of two kinds are alike (1 in 4), or two of them are.
    assert floors["commonest value shown"] == pytest.approx(1 / 4 + 3 / 4 * 2 / 3, abs=0.03)
    assert floors["any value shown"] == pytest.approx(1 / 4 + 3 / 4 * (4 / 9 + 1 / 9), abs=0.03)


def test_counts_of_tokens_say_no_more_than_which_values_are_there() -> None:
    module = NeedleDataModule(pairs=2, fewest_pairs=2, markers=2, values=4, test_examples=500, batch_size=64)
    (learner,) = module.simple_learners().values()
    assert learn(learner, module, steps=30) < 0.75


def test_all_sums_are_there_once_and_none_is_trained_on_and_tested() -> None:
    module = ModularAdditionDataModule(modulus=7, validation_share=0.1, test_share=0.2)
    rows = [tuple(row) for split in (TRAIN, VALIDATION, TEST) for row in module.examples(split).inputs.tolist()]
    assert sorted(rows) == [(a, b, 7) for a in range(7) for b in range(7)]
    trained = {tuple(row) for row in module.examples(TRAIN).inputs.tolist()}
    assert not any(
        (b, a, 7) in trained for split in (VALIDATION, TEST) for a, b, _ in module.examples(split).inputs.tolist()
    )
    for split in (TRAIN, TEST):
        examples = module.examples(split)
        assert examples.labels[:, 0].tolist() == [(a + b) % 7 for a, b, _ in examples.inputs.tolist()]
    assert len({frozenset(row[:2]) for row in module.examples(TEST).inputs.tolist()}) == 6, "a fifth of 28 pairs"
    batch = module.training_batch(0)
    assert module.words(batch.inputs[0])[-1] == "="


def test_both_are_sound() -> None:
    assert find_faults(NeedleDataModule(**SMALL)) == []
    assert find_faults(ModularAdditionDataModule(modulus=11, validation_share=0.1, test_share=0.1)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pairs": 31}, "pairs up to markers, since no marker stands twice; got fewest_pairs=1, pairs=31, markers=30"),
        ({"fewest_pairs": 0}, "expected fewest_pairs from 1 to pairs"),
        ({"fewest_pairs": 9, "pairs": 8}, "expected fewest_pairs from 1 to pairs"),
        ({"values": 1}, "expected at least 2 values, got 1"),
        ({"test_examples": 0}, "expected at least 1 validation and 1 test example"),
    ],
)
def test_a_needle_that_cannot_be_is_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"needle: .*{message}"):
        NeedleDataModule(**arguments)


@pytest.mark.parametrize("arguments", [{"modulus": 4}, {"test_share": 0.0}, {"validation_share": 0.99}])
def test_sums_that_cannot_be_split_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="modular-addition: expected"):
        ModularAdditionDataModule(**arguments)  # type: ignore[arg-type]


def test_without_order_a_value_that_is_shown_is_still_the_best_guess() -> None:
    module = NeedleDataModule(**SMALL)
    floors = ShuffledDataModule(module).floors()
    assert floors["any value shown"] == module.floors()["any value shown"]
    assert "first value shown" not in floors


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        (BitXorDataModule, {"string_bits": 2, "validation_share": 0.5, "test_share": 0.49}),
        (ModularAdditionDataModule, {"modulus": 5, "validation_share": 0.52, "test_share": 0.47}),
        (BitXorDataModule, {"string_bits": 2, "validation_share": 0.04, "test_share": 0.5}),
        (BitXorDataModule, {"validation_share": float("inf")}),
        (ModularAdditionDataModule, {"test_share": float("nan")}),
    ],
)
def test_shares_that_leave_a_part_empty_are_refused(task: type, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="that leave something to train on"):
        task(**arguments)
