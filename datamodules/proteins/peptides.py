"""Peptides: does one kill microbes? Real ones of a pip package, so split that no test peptide has kin in training."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION, DataKind, RecordCounts, SharedArguments, TaskSpec
from datamodules.examples import SequenceExamples
from datamodules.proteins.protein_files import VOCABULARY_SIZE, encode_residues
from datamodules.proteins.protein_task import ProteinDataModule
from datamodules.randomness import random_permutation
from datamodules.sources.packages import packaged_file

DATA_SEED = 0
"""Seed of the split, which is the same for every run."""
LONGEST_PEPTIDE = 174
"""Residues of the longest one."""
SIZES = {TEST: 900, VALIDATION: 450}
"""Peptides at least; the family that fills a split goes into it whole."""
LARGEST_HELD_OUT = 45
"""Larger families are trained on: one would be a good part of a test set."""
WORD, ALIKE = 4, 0.3
"""Two peptides are kin that share this part of the 4-mers of the one with fewer."""
_FILE = (
    "modlamp",
    "modlamp/data/AMPvsUniProt.csv",
    "sha256:e1db3dd659179118dcfca63723385f2f0c95c49d27060a90f7a9d5848250eb48",
)


class PeptidesDataModule(ProteinDataModule):
    """Say whether a peptide is antimicrobial.

    AMPvsUniProt of modlamp 4.3.3 (BSD-3): 5,200 rows, of which 4,642 are different and 22 stand in both classes and are
    left out; 4,620 peptides of 7 to 174 residues remain, 2,540 of them antimicrobial. A random split would leave kin of
    most test peptides in training. Here peptides that share 30 % of their 4-mers are kin, kin of kin are a family, and
    a family is in one split whole.

    One example (T = 13 residues, V = 26, L = 1)::

        residues  R L C R I V V I R V C R
        label     1

    Args:
        max_length: residues kept of every peptide.
    """

    task_name = "peptides"
    kinds: ClassVar[tuple[DataKind, ...]] = ("real",)
    source = "modlamp's AMPvsUniProt, each peptide once, split by families of similar ones"

    def __init__(self, *, max_length: int = LONGEST_PEPTIDE, **shared: Unpack[SharedArguments]) -> None:
        super().__init__(max_length=max_length, **shared)

    @cached_property
    def task(self) -> TaskSpec:
        length = min(self.max_length or LONGEST_PEPTIDE, LONGEST_PEPTIDE)
        return TaskSpec("peptides", "tokens", VOCABULARY_SIZE, length, 2, trivial={"guess": 0.5})

    @classmethod
    def choose_kind(
        cls,
        data: Literal["auto", "real", "embedded"],
        root: Path | None,
        offline: bool,
        arguments: Mapping[str, object] | None = None,
    ) -> tuple[DataKind, str | None]:
        packaged_file(*_FILE)
        return super().choose_kind(data, root, offline, arguments)

    def all_proteins(self) -> dict[str, SequenceExamples]:
        found, _ = self._rows
        members = split_by_family(families([peptide for peptide, _ in found]))
        labels = np.array([[label] for _, label in found], dtype=np.int64)
        return {
            split: SequenceExamples(tuple(encode_residues(found[i][0]) for i in rows), labels[rows])
            for split, rows in members.items()
        }

    def record_counts(self) -> Mapping[str, RecordCounts]:
        found, left_out = self._rows
        return {packaged_file(*_FILE).name: RecordCounts(len(found) + sum(left_out.values()), left_out)}

    @cached_property
    def _rows(self) -> tuple[list[tuple[str, int]], dict[str, int]]:
        return read_peptides(packaged_file(*_FILE))


def read_peptides(path: Path) -> tuple[list[tuple[str, int]], dict[str, int]]:
    """Return each peptide once with its class, in the file's order, and how many rows are left out, by reason.

    A peptide that stands in both classes is in none.
    """
    classes: dict[str, set[int]] = defaultdict(set)
    rows: Counter[str] = Counter()
    for line in path.read_text().splitlines()[1:]:
        peptide, label = line.split(",")
        classes[peptide.strip()].add(int(label))
        rows[peptide.strip()] += 1
    found = [(peptide, min(labels)) for peptide, labels in classes.items() if len(labels) == 1]
    both = sum(rows[peptide] for peptide, labels in classes.items() if len(labels) > 1)
    return found, {"repeated": rows.total() - both - len(found), "in both classes": both}


def families(peptides: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each peptide's family, (N,): kin, their kin, and so on.

    Example:
        >>> families(["ACDEFGHIK", "ACDEFGWWW", "YYYYYYY"]).tolist()
        [0, 0, 1]
    """
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    words = [{peptide[i : i + WORD] for i in range(len(peptide) - WORD + 1)} for peptide in peptides]
    numbers = {word: number for number, word in enumerate(sorted(set().union(*words)))}
    rows = np.repeat(np.arange(len(words)), [len(own) for own in words])
    columns = [numbers[word] for own in words for word in own]
    has = sparse.csr_array((np.ones(len(columns), dtype=np.int64), (rows, columns)), (len(words), len(numbers)))
    shared, counts = sparse.coo_array(has @ has.T), np.array([len(own) for own in words])
    kin = shared.data >= ALIKE * np.minimum(counts[shared.row], counts[shared.col])
    edges = sparse.coo_array((shared.data[kin], (shared.row[kin], shared.col[kin])), shape=shared.shape)
    found: NDArray[np.int64] = connected_components(edges, directed=False)[1].astype(np.int64)
    return found


def split_by_family(family: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the peptides of each split, ascending: families in random order fill test, then validation, then train."""
    sizes, split = np.bincount(family), np.full(family.max() + 1, TRAIN, dtype=object)
    left = dict(SIZES)
    for number in random_permutation(len(sizes), DATA_SEED, "peptides"):
        if (to := next(iter(left), None)) is None:
            break
        if sizes[number] <= LARGEST_HELD_OUT:
            split[number] = to
            left[to] -= sizes[number]
            if left[to] <= 0:
                del left[to]
    return {name: np.flatnonzero(split[family] == name) for name in (TRAIN, VALIDATION, TEST)}
