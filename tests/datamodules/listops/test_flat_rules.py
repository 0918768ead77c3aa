"""Rules that read no nesting: by hand, and on the trees that the embedded headline used to have."""

from pathlib import Path

import numpy as np
import pytest

from datamodules.contract import TEST
from datamodules.listops.expressions import answer_by_own_digits, answer_flat, encode, evaluate
from datamodules.listops.flat_rules import flat_scores
from datamodules.listops.listops import ListOpsAsPublishedDataModule, ListOpsDataModule

BY_HAND = {
    # tree: what it is, the root operator of all its digits, of its own digits alone
    "[MAX 2 [MIN 9 3 ] ]": (3, 9, 2),
    "[SM 4 [SM 5 6 ] 7 ]": (2, 2, 1),
    "[MED 1 [MAX 9 2 ] 3 ]": (3, 2, 2),
    "[MIN [MAX 8 3 ] [SM 9 9 ] ]": (8, 3, None),
}


@pytest.mark.parametrize("expression", BY_HAND)
def test_rules_by_hand(expression: str) -> None:
    tree = encode(expression).tolist()
    assert (evaluate(tree), answer_flat(tree), answer_by_own_digits(tree)) == BY_HAND[expression]


def test_scores_by_hand() -> None:
    trees = [encode(expression) for expression in BY_HAND]
    values = np.array([value for value, _, _ in BY_HAND.values()])
    found = flat_scores(trees, values)
    assert found == {"nesting ignored": 1 / 4, "nested parts skipped": 0.0, "constant by root operator": 1.0}


def test_floors_are_measured_on_the_test_trees(tmp_path: Path) -> None:
    sizes = {"train_examples": 10_000, "validation_examples": 500, "test_examples": 1000}
    module = ListOpsDataModule(min_length=5, max_length=20, root=tmp_path, **sizes)
    assert module.task.trivial == {"guess": 0.1}
    floors = module.all_floors()
    assert floors["nesting ignored"] == pytest.approx(0.77)
    test = module.examples(TEST)
    assert floors["best constant"] == np.bincount(test.labels[:, 0]).max() / 1000
    assert max(floors.values()) >= 0.77


def test_without_brackets_the_flat_rule_is_asked_of_what_is_left(tmp_path: Path) -> None:
    few = {"train_examples": 40, "validation_examples": 6, "test_examples": 60}
    module = ListOpsAsPublishedDataModule(min_length=5, max_length=20, root=tmp_path, **few)
    whole = ListOpsDataModule(min_length=5, max_length=20, root=tmp_path, **few)
    assert module.floors()["nesting ignored"] == whole.floors()["nesting ignored"]
