"""Evolved protein families: what they hold, and what a k-mer baseline scores on them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.examples import SequenceExamples
from datamodules.proteins.evolution import AMINO_ACIDS, Chain, FamilyRules, draw_ancestor, evolve
from datamodules.proteins.homology import HomologyDataModule
from datamodules.proteins.protein_files import VOCABULARY_SIZE, encode_residues

SMALL = {"folds": 4, "superfamilies": 3, "min_residues": 30, "max_residues": 60}


PINNED_FINGERPRINT = "cb3f0a7f6424ea6022632ed52f9b558aef20b525286ab649051b452961ed1e2f"


DOCUMENTED = {1: [0.158, 0.173, 0.204, 0.300], 2: [0.133, 0.114, 0.215, 0.543], 3: [0.483, 0.486, 0.791, 0.980]}
"""Accuracy of the nearest training protein by k, on validation and the three test sets: as in the docstring."""


@pytest.fixture(scope="module")
def evolved(tmp_path_factory: pytest.TempPathFactory) -> HomologyDataModule:
    return HomologyDataModule(root=tmp_path_factory.mktemp("data"))


def kmer_frequencies(examples: SequenceExamples, k: int) -> NDArray[np.float32]:
    """Square roots of how often each of 20**k k-mers occurs, scaled to length 1: (N, 20**k)."""
    index = np.zeros(VOCABULARY_SIZE, dtype=np.int64)
    index[encode_residues(AMINO_ACIDS)] = np.arange(20)
    rows = np.zeros((len(examples), 20**k), dtype=np.float32)
    for row, sequence in zip(rows, examples.sequences, strict=True):
        count = len(sequence) - k + 1
        codes = sum(index[sequence[start : start + count]] * 20**start for start in range(k))
        row[:] = np.bincount(codes, minlength=20**k)
    rows = np.sqrt(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nearest_accuracies(module: HomologyDataModule, k: int) -> dict[str, float]:
    """Return the accuracy of the label of the training protein with the most similar k-mers, by split."""
    train = module.examples(TRAIN)
    known = kmer_frequencies(train, k)
    accuracies = {}
    for split in module.splits[1:]:
        examples = module.examples(split)
        nearest = (kmer_frequencies(examples, k) @ known.T).argmax(axis=1)
        accuracies[split] = float(np.mean(train.labels[nearest] == examples.labels))
    return accuracies


def lengths_of(examples: SequenceExamples) -> NDArray[np.int64]:
    return np.array([len(sequence) for sequence in examples.sequences])


def test_kmer_baseline_is_as_documented(evolved: HomologyDataModule) -> None:
    found = {k: nearest_accuracies(evolved, k) for k in DOCUMENTED}
    for k, accuracies in DOCUMENTED.items():
        assert [found[k][split] for split in evolved.splits[1:]] == pytest.approx(accuracies, abs=0.005)
    assert 0.2 < found[3][VALIDATION] < 0.6
    assert 0.2 < found[3][TEST] < 0.6
    assert found[1][TEST] > 2 / 20, "composition alone says something, and the docstring says so"


def test_floor_is_the_commonest_fold(evolved: HomologyDataModule) -> None:
    assert set(evolved.all_floors().values()) == {1 / 20}
    for split in evolved.splits:
        counts = np.bincount(evolved.examples(split).labels[:, 0], minlength=20)
        assert set(counts / counts.sum()) == {1 / 20}


def test_length_alone_says_little(evolved: HomologyDataModule) -> None:
    train, test = evolved.examples(TRAIN), evolved.examples(TEST)
    nearest = np.abs(lengths_of(test)[:, None] - lengths_of(train)).argmin(axis=1)
    assert np.mean(train.labels[nearest] == test.labels) == pytest.approx(0.128, abs=0.005)


def test_evolved_proteins_are_as_asked(evolved: HomologyDataModule) -> None:
    sizes = {split: len(evolved.examples(split)) for split in evolved.splits}
    assert sizes == {TRAIN: 1600, VALIDATION: 640, TEST: 640, "test-superfamily": 800, "test-family": 400}
    sequences = [sequence for split in evolved.splits for sequence in evolved.examples(split).sequences]
    assert len({sequence.tobytes() for sequence in sequences}) == len(sequences)
    lengths = np.array([len(sequence) for sequence in sequences])
    assert 60 <= lengths.min() < 80
    assert 300 < lengths.max() <= 400 == evolved.task.max_length
    assert set(np.concatenate(sequences)) == set(encode_residues(AMINO_ACIDS))
    assert all(found.read == found.held for found in evolved.record_counts().values())
    assert "synthetic" in evolved.source


def test_evolved_proteins_are_the_same_everywhere(tmp_path: Path) -> None:
    first, second = (
        HomologyDataModule(root=tmp_path / name, seed=seed, **SMALL) for name, seed in (("a", 0), ("b", 4))
    )
    assert first.fingerprint() == second.fingerprint() == PINNED_FINGERPRINT


def test_small_settings_and_batches(tmp_path: Path) -> None:
    module = HomologyDataModule(root=tmp_path, batch_size=6, max_length=40, **SMALL)
    assert (module.task.num_classes, module.task.max_length) == (4, 40)
    batch = module.training_batch(2)
    assert batch.inputs.shape[0] == 6
    assert batch.inputs.shape[1] <= 40
    assert (batch.inputs > 0).equal(batch.mask)
    assert batch.labels.shape == (6, 1)
    assert [len(list(loader)) for loader in module.test_dataloader()] == [2, 1, 1]
    with pytest.raises(ValueError, match="expected one of the splits"):
        module.examples("test-fold")


def test_change_follows_distance_and_rate() -> None:
    rules = FamilyRules(min_residues=4000, max_residues=4000)  # no room for insertions and deletions
    parent = Chain(np.full(4000, AMINO_ACIDS.index("L")), np.repeat([0, 3], 2000))
    child = evolve(parent, 0.3, rules, 0, "test")
    kept = [float(np.mean(child.residues[child.rates == rate] == AMINO_ACIDS.index("L"))) for rate in (0, 3)]
    # By BLOSUM62 a change of leucine gives leucine again in 33.6 %: 1 - 0.664 * (1 - exp(-0.3 * rate)).
    assert kept == pytest.approx([0.973, 0.661], abs=0.03)
    after = np.bincount(evolve(parent, 50.0, rules, 0, "test").residues, minlength=20)
    assert after[AMINO_ACIDS.index("I")] > 3 * after[AMINO_ACIDS.index("D")], "leucine turns into isoleucine"
    assert (evolve(parent, 0.0, rules, 0, "test").residues == parent.residues).all()


def test_insertions_and_deletions_change_length_within_bounds() -> None:
    rules = FamilyRules(min_residues=60, max_residues=120)
    ancestors = [draw_ancestor(rules, number, "test") for number in range(200)]
    descendants = [evolve(ancestor, 2.0, rules, 0, "test", number) for number, ancestor in enumerate(ancestors)]
    before, after = ([len(chain.residues) for chain in chains] for chains in (ancestors, descendants))
    assert after == [len(chain.rates) for chain in descendants]
    assert 60 <= min(before) < 65
    assert 110 < max(before) <= 120
    assert 60 <= min(after) < max(after) <= 120
    changes = np.subtract(after, before)
    assert min((changes > 0).mean(), (changes < 0).mean()) > 0.25
