"""Remote homology: say the fold of a protein from its residues, for superfamilies never seen in training."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Unpack

import numpy as np

from datamodules.contract import TEST, TRAIN, SharedArguments, TaskSpec
from datamodules.examples import SequenceExamples
from datamodules.proteins.evolution import AMINO_ACIDS, FamilyRules, evolve_families
from datamodules.proteins.protein_files import (
    TAPE_FOLDS,
    TAPE_SPLITS,
    content_of,
    encode_residues,
    read_tape,
    tape_file,
)
from datamodules.proteins.protein_task import ProteinDataModule
from datamodules.sequence_files import cached_splits, key_of_files
from datamodules.sources.caches import unpack
from datamodules.sources.downloads import RemoteFile, data_root, fetch

DATA_SEED = 0
"""Seed of the evolved families, which are the same for every run."""
TAPE = RemoteFile(
    "remote_homology.tar.gz",
    ("http://s3.amazonaws.com/songlabdata/proteindata/data_pytorch/remote_homology.tar.gz",),
    # The checksum that TorchDrug's Fold dataset expects.
    "md5:1d687bdeb9e3866f77504d6079eed00a",
    None,
)


class HomologyDataModule(ProteinDataModule):
    """Say the fold of a protein: remote homology.

    Real data is TAPE's (Rao et al. 2019, section 3, after DeepSF, Hou et al. 2018), as in Lu et al. 2021: 12,312
    proteins to train on, 736 to validate, 1,195 folds, and three test sets, each with what training never saw: `test`
    new superfamilies (718, the headline), `test-superfamily` new families of known superfamilies (1,254),
    `test-family` new proteins of known families (1,272). Nothing is put before or behind the residues. Of the published
    code's 30 ids four are special words that carry nothing here; there are 25 letters and the padding. Always
    saying one fold of real data is right on 4.2 % of `test` for the best one, on 2.8 % for the commonest of training.
    Files: JSON, LMDB or CSV (columns `seq` and `label`), training, validation and `test`; of the other two test sets
    those that are there.

    One example (T = 9 residues, V = 26, L = 1)::

        residues  M  K  T  A  Y  I  A  K  Q
        inputs   12 10 19  1 24  9  1 10 16
        labels                           17

    Embedded data is families that evolved from random ancestors (:mod:`datamodules.proteins.evolution`): another,
    smaller problem of the same form, with the same three test sets. By default 20 folds of 60-400 residues, 1,600 / 640
    proteins to train and validate, 640 / 800 / 400 to test, every fold as often as every other. Measured:

    ================================  ==========  ====  ================  ===========
    accuracy in %                     validation  test  test-superfamily  test-family
    ================================  ==========  ====  ================  ===========
    any one fold (chance, the floor)   5           5     5                 5
    nearest in length                 17.5        12.8  17.0              18.8
    nearest in composition (1-mers)   15.8        17.3  20.4              30.0
    nearest in 2-mers                 13.3        11.4  21.5              54.3
    nearest in 3-mers                 48.3        48.6  79.1              98.0
    ================================  ==========  ====  ================  ===========

    Nearest: the training protein of the highest cosine between square roots of k-mer frequencies. On `test` the 3-mers
    also have 48 % at `max_residues=120`, and 51 % with `folds=10, superfamilies=6` besides.

    Args:
        max_length: None leaves proteins of over 1,024 residues out (`record_counts` counts them); a number keeps every
            protein, but of longer ones only the first `max_length` residues.
        folds: C of embedded data; the other arguments are its, too.
        superfamilies: superfamilies a fold to train on.
        superfamily_distance: changes a residue from a fold's ancestor to each superfamily, where one may restore what
            another took; the larger, the less the 3-mers find (docs/tasks.md).
        min_residues: length of the shortest protein, and `max_residues` of the longest.
    """

    task_name = "homology"
    test_splits: ClassVar[tuple[str, ...]] = (TEST, "test-superfamily", "test-family")

    def __init__(
        self,
        *,
        max_length: int | None = None,
        folds: int = 20,
        superfamilies: int = 10,
        min_residues: int = 60,
        max_residues: int = 400,
        superfamily_distance: float = 2.4,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(max_length=max_length, **shared)
        folder = self.real_data_at(self.root) if self.data == "real" else None
        if folder is not None:
            others = (split for split in type(self).test_splits[1:] if tape_file(folder, split) is not None)
            self.test_splits = (TEST, *others)  # type: ignore[misc]
        self.rules = FamilyRules(
            folds,
            superfamilies,
            min_residues=min_residues,
            max_residues=max_residues,
            superfamily_distance=superfamily_distance,
        )
        stand_in = (
            f"synthetic protein families evolved from random ancestors with BLOSUM62, {folds} folds, "
            f"{min_residues}-{max_residues} residues, seed {DATA_SEED}; not TAPE's proteins, nor as remote: "
            "composition and short words of residues tell folds here, and hardly there"
        )
        self.source = "TAPE remote homology (Rao et al. 2019)" if self.data == "real" else stand_in

    @property
    def task(self) -> TaskSpec:
        is_real = self.data == "real"
        num_classes = TAPE_FOLDS if is_real else self.rules.folds
        return self.folds_task(num_classes, None if is_real else self.rules.max_residues)

    @classmethod
    def real_data_at(cls, root: Path | None) -> Path | None:
        """Return the folder with TAPE's training file: one of its usual names under `root`, or `root` itself."""
        base = data_root(root)
        names = ("remote_homology", "homology", "homology/tape/remote_homology", "tape-homology", "")
        folders = (base / name for name in names)
        return next((folder for folder in folders if tape_file(folder, TRAIN) is not None), None)

    @classmethod
    def fetch_real(cls, root: Path | None, offline: bool) -> Path:
        """Return TAPE's folder, downloaded and unpacked where it is missing."""
        folder = data_root(root) / "homology"
        archive = fetch(TAPE, folder, offline)
        return unpack(archive, folder / "tape") / "remote_homology"

    def all_proteins(self) -> dict[str, SequenceExamples]:
        return self._read() if self.data == "real" else self._evolve()

    def _read(self) -> dict[str, SequenceExamples]:
        """Read TAPE's files, parsed once."""
        folder = self.real_data(self.root, self.offline)
        files = {split: tape_file(folder, split) for split in self.splits}
        found = {split: path for split, path in files.items() if path is not None}
        missing = [f"remote_homology_{TAPE_SPLITS[split]}" for split in self.splits if split not in found]
        if missing:
            raise FileNotFoundError(
                f"{folder}: expected also {', '.join(missing)} (.json, .lmdb or .csv). Copy them there."
            )
        key = key_of_files(*(content_of(path) for path in found.values()))
        path = data_root(self.root) / "homology" / f"tape-{key}"
        return cached_splits(path, self.splits, lambda: _read_splits(found))

    def _evolve(self) -> dict[str, SequenceExamples]:
        letters = encode_residues(AMINO_ACIDS)

        def make() -> dict[str, SequenceExamples]:
            return {
                split: SequenceExamples(tuple(letters[sequence] for sequence in found.sequences), found.labels)
                for split, found in evolve_families(self.rules, DATA_SEED).items()
            }

        rules = "-".join(str(value) for value in vars(self.rules).values())
        path = data_root(self.root) / "homology" / f"evolved-{rules}-seed{DATA_SEED}"
        return cached_splits(path, self.splits, make)


def _read_splits(files: Mapping[str, Path]) -> dict[str, SequenceExamples]:
    """Read TAPE's files by split.

    Raises:
        ValueError: a protein's fold is none of training's, so that its label means something else or nothing.
    """
    splits = {split: read_tape(path) for split, path in files.items()}
    for split, examples in splits.items():
        foreign = np.flatnonzero(~np.isin(examples.labels, splits[TRAIN].labels))
        if len(foreign):
            raise ValueError(
                f"{files[split]}, record {foreign[0]}: expected a fold that a protein of {files[TRAIN].name} has, "
                f"got the label {examples.labels[foreign[0], 0]} ({len(foreign)} such records). "
                "Take all files from one copy."
            )
    return splits
