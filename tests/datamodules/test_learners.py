"""Simple learners: what they see, who chooses, and their features by hand."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION, Batch, TaskDataModule, TaskSpec
from datamodules.examples import ArrayExamples
from datamodules.images.pixel_learners import pixels
from datamodules.learners import SimpleLearner, _labelled, learn, nearest_by_cosine, nearest_centroid
from datamodules.listops.count_learners import count_symbols, count_symbols_and_root
from datamodules.listops.expressions import encode
from datamodules.metrics import IGNORED
from datamodules.proteins.kmer_learners import composition_and_length, root_3mers
from datamodules.proteins.protein_files import encode_residues
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.simple_measure import require_learners

SEEN: list[NDArray[Any]] = []


class Remembers:
    """A model that keeps what it was fitted to, and says the class it is told to say."""

    def __init__(self, says: int) -> None:
        self.says = says

    def fit(self, features: NDArray[Any], labels: NDArray[Any]) -> "Remembers":
        SEEN.append(np.column_stack([features, labels]))
        return self

    def predict(self, features: NDArray[Any]) -> NDArray[np.int64]:
        return np.full(len(features), self.says)


class Numbers(TaskDataModule):
    """Numbers and whether they are large; validation has large ones alone, test one large of four."""

    kinds = ("real",)
    source = "numbers"
    drawn = False

    @property
    def task(self) -> TaskSpec:
        return TaskSpec("numbers", "vectors", 1, 1, 2)

    @property
    def splits(self) -> tuple[str, ...]:
        return (VALIDATION, TEST) if self.drawn else super().splits

    def examples(self, split: str) -> ArrayExamples:
        first, last = {TRAIN: (0, 100), VALIDATION: (200, 210), TEST: (47, 51)}[split]
        return self.made(np.arange(first, last))

    def made(self, numbers: NDArray[np.int64]) -> ArrayExamples:
        return ArrayExamples(numbers.astype(np.float32)[:, None, None], (numbers >= 50)[:, None].astype(np.int64))

    def simple_learners(self) -> Mapping[str, SimpleLearner]:
        return {"says one thing": SimpleLearner(pixels, lambda: [Remembers(0), Remembers(1)])}


class DrawnNumbers(Numbers):
    drawn = True

    def training_batch(self, step: int) -> Batch:
        return self.made(np.arange(10 * step, 10 * step + self.batch_size)).batch(np.arange(self.batch_size))


def test_a_learner_sees_what_a_run_sees_and_each_example_once() -> None:
    module = Numbers(batch_size=8, seed=3)
    for steps, count in ((5, 40), (20, 100)):
        SEEN.clear()
        learn(module.simple_learners()["says one thing"], module, steps)
        shown = {float(number) for step in range(steps) for number in module.training_batch(step).inputs.flatten()}
        assert set(SEEN[0][:, 0]) == shown
        assert len(SEEN[0]) == len(shown) == count
        assert np.array_equal(SEEN[0][:, 1], SEEN[0][:, 0] >= 50)


def test_a_learner_sees_the_batches_that_are_drawn_fresh() -> None:
    SEEN.clear()
    module = DrawnNumbers(batch_size=4)
    learn(module.simple_learners()["says one thing"], module, 200)
    assert SEEN[0][:, 0].tolist() == [10 * step + row for step in range(200) for row in range(4)]


def test_validation_chooses_and_test_is_what_is_told() -> None:
    module = Numbers(batch_size=10)
    assert learn(module.simple_learners()["says one thing"], module, 10) == 0.25, "the one that is right on validation"


def test_a_centroid_learns() -> None:
    assert learn(SimpleLearner(pixels, nearest_centroid), Numbers(batch_size=10), 10) == 1.0


def test_counts_by_hand() -> None:
    tree = torch.from_numpy(encode("[MAX 2 9 9 ]").astype(np.int64))
    inputs = torch.stack([tree, tree.where(torch.arange(5) < 3, 0)])
    counts = count_symbols(inputs, inputs > 0)
    assert counts[0].nonzero()[0].tolist() == [3, 10, 12, 15]
    assert counts[0, [3, 10, 12, 15]].tolist() == [1, 2, 1, 1]
    assert counts[:, 0].tolist() == [0, 0], "padding is not counted"
    assert count_symbols_and_root(inputs, inputs > 0)[1, 16:].nonzero()[0].tolist() == [12]


def test_kmers_by_hand() -> None:
    inputs = torch.zeros(2, 5, dtype=torch.int64)
    for row, protein in enumerate(("MKMKM", "MKM")):
        inputs[row, : len(protein)] = torch.from_numpy(encode_residues(protein).astype(np.int64))
    words = root_3mers(inputs, inputs > 0)
    assert np.square(words[[0]].data).round(6).tolist() == [1, 2], "KMK and MKM"
    assert words[[1]].data.tolist() == [1], "none across the end"
    found = composition_and_length(inputs, inputs > 0)
    assert found[0, [10, 12, -1]].tolist() == pytest.approx([2 / 5, 3 / 5, np.log(5)])


def test_the_nearest_protein_by_3mers_is_the_one_of_its_family() -> None:
    families = {"MKTAYIAKQR": 0, "GGSGGSGGSG": 1}
    inputs = torch.stack([torch.from_numpy(encode_residues(name).astype(np.int64)) for name in families])
    (model,) = nearest_by_cosine()
    model.fit(root_3mers(inputs, inputs > 0), [*families.values()])
    asked = torch.from_numpy(encode_residues("AYIAKQRGGS").astype(np.int64))[None]
    assert model.predict(root_3mers(asked, asked > 0)).tolist() == [0]


class SomeUnlabelled(Numbers):
    """Every third number of training says nothing of its size."""

    @property
    def task(self) -> TaskSpec:
        return TaskSpec("numbers", "vectors", 1, 1, 2, ragged=True)

    def made(self, numbers: NDArray[np.int64]) -> ArrayExamples:
        labels = np.where(numbers % 3 == 0, IGNORED, numbers >= 50)
        return ArrayExamples(numbers.astype(np.float32)[:, None, None], labels[:, None].astype(np.int64))


def test_examples_without_a_label_teach_a_learner_nothing() -> None:
    SEEN.clear()
    learn(SomeUnlabelled(batch_size=10).simple_learners()["says one thing"], SomeUnlabelled(batch_size=10), 10)
    assert len(SEEN[0]) == 66
    assert set(SEEN[0][:, 1]) == {0, 1}
    features, labels = np.zeros((2, 1)), torch.tensor([[1, 0], [IGNORED, 1]])
    with pytest.raises(ValueError, match="all of its 2 labels for a simple learner, got 1 that are missing"):
        _labelled(features, labels)


@pytest.mark.parametrize(
    ("candidates", "got"),
    [
        (lambda: Remembers(0), "got Remembers$"),
        (list, "got none$"),
        (lambda: [Remembers(0), "ridge"], "got Remembers, str$"),
        (lambda: {"ridge": Remembers(0)}, "got dict$"),
    ],
)
def test_candidates_that_are_no_list_of_models_are_a_sentence(candidates: Callable[[], Any], got: str) -> None:
    with pytest.raises(ValueError, match=f"a list of models with `fit` and `predict`, {got}"):
        learn(SimpleLearner(pixels, candidates), Numbers(batch_size=10), 10)


def test_simple_learners_that_are_no_simple_learners_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = RunSpec(task="numbers:Numbers", data="real")
    for wrong in ([SimpleLearner(pixels, nearest_centroid)], {"centroid": nearest_centroid}):
        monkeypatch.setattr(Numbers, "simple_learners", lambda _, found=wrong: found)
        with pytest.raises(ValueError, match="task Numbers: expected `simple_learners` to return SimpleLearners by na"):
            require_learners(spec, Numbers(batch_size=10))
