"""Remote homology: say the fold of a protein from its residues, for superfamilies never seen in training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Unpack

import numpy as np

from datamodules import randomness
from datamodules.contract import TEST, TRAIN, SharedArguments, TaskSpec
from datamodules.examples import SequenceExamples
from datamodules.proteins import evolution, protein_files, protein_tables
from datamodules.proteins.evolution import AMINO_ACIDS, FamilyRules, evolve_families
from datamodules.proteins.protein_files import (
    TAPE_FOLDS,
    TAPE_SPLITS,
    content_of,
    encode_residues,
    read_tape,
    require_one_form,
    tape_files,
)
from datamodules.proteins.protein_tables import LABEL_COLUMNS, SEQUENCE_COLUMNS
from datamodules.proteins.protein_task import ProteinDataModule
from datamodules.records import what_lies_in
from datamodules.sequence_files import cached_splits, key_of_code, key_of_files
from datamodules.sources.archives import unpack_into
from datamodules.sources.caches import cache_root, is_whole, made_once, unpack_foreign
from datamodules.sources.downloads import RemoteFile, data_root, fetch
from datamodules.sources.parquet import column_names

DATA_SEED = 0
"""Seed of the evolved families, which are the same for every run."""
TAPE = RemoteFile(
    "remote_homology.tar.gz",
    ("http://s3.amazonaws.com/songlabdata/proteindata/data_pytorch/remote_homology.tar.gz",),
    # The checksum that TorchDrug's Fold dataset expects.
    "md5:1d687bdeb9e3866f77504d6079eed00a",
    None,
)
_OTHER_NAMES = ("homology/tape/remote_homology", "tape-homology")
_UNPACKED = "tape-1d687bde"
"""Folder of what is unpacked from it: named after its checksum, and kept with those of its files."""


class HomologyDataModule(ProteinDataModule):
    """Say the fold of a protein: remote homology.

    Real data is TAPE's (Rao et al. 2019, section 3, after DeepSF, Hou et al. 2018), as in Lu et al. 2021: 12,312
    proteins to train on, 736 to validate, 1,195 folds, and three test sets, each with what training never saw: `test`
    new superfamilies (718, the headline), `test-superfamily` new families of known superfamilies (1,254),
    `test-family` new proteins of known families (1,272). Nothing is put before or behind the residues. Of the published
    code's 30 ids four are special words that carry nothing here; there are 25 letters and the padding. Always
    saying one fold of real data is right on 4.2 % of `test` for the best one, on 2.8 % for the commonest of training.
    Files: JSON, LMDB, CSV or Parquet (columns `seq` and `label`), training, validation and `test`; of the other two
    test sets those that are there. They are called TAPE only where they were unpacked from its own archive.

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
            others = (split for split in type(self).test_splits[1:] if tape_files(folder, split))
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
        if self.data == "real":
            self.as_published = folder is None or is_tape(folder)
        self.source = self._describe(folder) if self.data == "real" else stand_in

    @property
    def task(self) -> TaskSpec:
        is_real = self.data == "real"
        num_classes = TAPE_FOLDS if is_real else self.rules.folds
        return self.folds_task(num_classes, None if is_real else self.rules.max_residues)

    @classmethod
    def real_data_at(cls, root: Path | None) -> Path | None:
        """Return the folder with a training file in TAPE's form: of a usual name under `root`, or `root` itself.

        Else that of an archive that lies where TAPE's would be downloaded to, and is another one.
        """
        base = data_root(root)
        found = _find(base, ("remote_homology", "homology", f"homology/{_UNPACKED}/remote_homology", *_OTHER_NAMES, ""))
        for archive in (base / TAPE.name, base / "homology" / TAPE.name):
            if found is None and (unpacked := unpack_foreign(TAPE, archive, cache_root(root))):
                found = _find(unpacked, ("remote_homology", *_OTHER_NAMES, ""))
        return found

    @classmethod
    def fetch_real(cls, root: Path | None, offline: bool) -> Path:
        """Return TAPE's folder, downloaded and unpacked where it is missing."""
        archive = fetch(TAPE, data_root(root) / "homology", offline)
        folder = cache_root(root) / "homology" / _UNPACKED
        return made_once(folder, lambda unfinished: unpack_into(archive, unfinished)) / "remote_homology"

    def _describe(self, folder: Path | None) -> str:
        """Return one sentence that says what the files are; they are TAPE's where nothing is there yet."""
        if folder is None or self.as_published:
            return "TAPE remote homology (Rao et al. 2019)"
        kind = tape_files(folder, TRAIN)[0].suffix.removeprefix(".")
        return f"proteins in the form of TAPE's remote homology ({kind}), by no checksum TAPE's own files"

    def all_proteins(self) -> dict[str, SequenceExamples]:
        return self._read() if self.data == "real" else self._evolve()

    def _read(self) -> dict[str, SequenceExamples]:
        """Read files in TAPE's form, parsed once."""
        folder = self.real_data(self.root, self.offline)
        files = {split: tape_files(folder, split) for split in self.splits}
        found = {split: paths for split, paths in files.items() if paths}
        missing = [f"remote_homology_{TAPE_SPLITS[split]}" for split in self.splits if split not in found]
        if missing:
            raise FileNotFoundError(
                f"{folder}: expected also {', '.join(missing)} (.json, .lmdb or .csv, or tables as train.parquet). "
                f"{what_lies_in(folder)} Copy them there."
            )
        require_one_form(folder, found)
        key = key_of_files(*(content_of(path) for paths in found.values() for path in paths))
        path = cache_root(self.root) / "homology" / f"tape-{key}-{key_of_code(__name__, protein_files, protein_tables)}"
        return cached_splits(path, self.splits, lambda: _read_splits(found))

    def _evolve(self) -> dict[str, SequenceExamples]:
        letters = encode_residues(AMINO_ACIDS)

        def make() -> dict[str, SequenceExamples]:
            return {
                split: SequenceExamples(tuple(letters[sequence] for sequence in found.sequences), found.labels)
                for split, found in evolve_families(self.rules, DATA_SEED).items()
            }

        rules = "-".join(str(value) for value in vars(self.rules).values())
        name = f"evolved-{rules}-seed{DATA_SEED}-{key_of_code(__name__, evolution, randomness)}"
        path = cache_root(self.root) / "homology" / name
        return cached_splits(path, self.splits, make)


def is_tape(folder: Path) -> bool:
    """Return whether a folder is what was unpacked from TAPE's own archive, and has not changed since."""
    return folder.parent.name == _UNPACKED and is_whole(folder.parent)


def _find(base: Path, names: Sequence[str]) -> Path | None:
    folders = (base / name / place for name in names for place in ("", "data"))
    return next((folder for folder in folders if _holds_training(folder)), None)


def _holds_training(folder: Path) -> bool:
    """Return whether a training file in TAPE's form lies in a folder; a table needs the two columns."""
    files = tape_files(folder, TRAIN) if folder.is_dir() else []
    return bool(files) and (files[0].suffix != ".parquet" or _has_columns(files[0]))


def _has_columns(path: Path) -> bool:
    columns = column_names(path)
    return bool(set(columns) & set(SEQUENCE_COLUMNS)) and bool(set(columns) & set(LABEL_COLUMNS))


def _read_splits(files: Mapping[str, Sequence[Path]]) -> dict[str, SequenceExamples]:
    """Read files in TAPE's form by split.

    Raises:
        ValueError: a protein's fold is none of training's, so that its label means something else or nothing.
    """
    splits = {split: read_tape(*paths) for split, paths in files.items()}
    for split, examples in splits.items():
        foreign = np.flatnonzero(~np.isin(examples.labels, splits[TRAIN].labels))
        if len(foreign):
            raise ValueError(
                f"{files[split][0]}, record {foreign[0]}: expected a fold that a protein of {files[TRAIN][0].name} "
                f"has, got the label {examples.labels[foreign[0], 0]} ({len(foreign)} such records). "
                "Take all files from one copy."
            )
    return splits
