"""Remote homology on ASTRAL's protein domains (Fox et al. 2014): a FASTA file, split by superfamily."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, NamedTuple, Unpack

import numpy as np
from Bio import SeqIO
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION, DataKind, RecordCounts, SharedArguments, TaskSpec
from datamodules.examples import SequenceExamples
from datamodules.proteins.protein_files import encode_residues
from datamodules.proteins.protein_task import ProteinDataModule
from datamodules.randomness import random_permutation
from datamodules.sequence_files import SPLITS_FILE, key_of_files, load_splits, save_splits
from datamodules.sources.caches import cache_root, made_once
from datamodules.sources.downloads import data_root
from datamodules.sources.quotes import quote

HELD_SHARE = 0.15
"""Share of a fold's superfamilies that is held out for validation, and the same for test; at least one each."""
TWIN, OTHER_FOLD = "the same sequence as an earlier one", "of a fold with too few superfamilies"
"""Why a domain is left out, besides its length."""
_CLASSIFICATION = re.compile(r"[a-l](\.\d+){3}")


class Domain(NamedTuple):
    """A protein domain and where SCOP puts it."""

    fold: str
    """Such as `a.1`."""
    superfamily: str
    """Such as `a.1.1`."""
    residues: NDArray[np.uint8]
    """(T,) ids."""


def read_astral(path: Path) -> list[Domain]:
    """Read the domains of a FASTA file with headers such as `>d1dlwa_ a.1.1.1 (A:) Hemoglobin {...}`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no FASTA, no records, or one with a bad header, a duplicate name or a bad sequence; names it.
    """
    try:
        with open(path, encoding="utf-8-sig") as lines:
            records = list(SeqIO.parse(lines, "fasta"))  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ValueError(f"{path}: expected a FASTA file ({str(error)[:80]}). Fetch it again.") from error
    if not records:
        raise ValueError(f"{path}: expected a FASTA file with domains, got an empty one. Fetch it again.")
    domains, names = [], set()
    for record in records:
        words = record.description.split()
        if len(words) < 2 or not _CLASSIFICATION.fullmatch(words[1]):
            raise ValueError(
                f"{path}: expected a header such as '>d1dlwa_ a.1.1.1 (A:) ...', got {quote('>' + record.description)}"
            )
        if record.id in names:
            raise ValueError(f"{path}: expected each domain once, got {quote(record.id)} again")
        names.add(record.id)
        try:
            residues = encode_residues(str(record.seq))
        except ValueError as error:
            raise ValueError(f"{path}, {record.id}: {error}") from None
        parts = words[1].split(".")
        domains.append(Domain(".".join(parts[:2]), ".".join(parts[:3]), residues))
    return domains


def split_domains(
    domains: list[Domain], num_folds: int, min_superfamilies: int, seed: int
) -> tuple[dict[str, SequenceExamples], dict[str, dict[str, list[str]]], dict[str, int]]:
    """Hold out whole superfamilies of the folds that have most of them.

    Of identical sequences the first is kept, so that no split shares one with another; of folds with as many
    superfamilies, the first by name.

    Returns:
        The splits; the class map, which is the folds in the order of their labels, each with its superfamilies by
        split; and how many domains were left out, by reason.

    Raises:
        ValueError: fewer folds than that have so many superfamilies.
    """
    groups: dict[str, dict[str, list[NDArray[np.uint8]]]] = defaultdict(lambda: defaultdict(list))
    seen: set[bytes] = set()
    for domain in domains:
        if domain.residues.tobytes() not in seen:
            seen.add(domain.residues.tobytes())
            groups[domain.fold][domain.superfamily].append(domain.residues)
    eligible = sorted(fold for fold, members in groups.items() if len(members) >= min_superfamilies)
    if len(eligible) < num_folds:
        raise ValueError(
            f"expected {num_folds} folds of at least {min_superfamilies} superfamilies, got {len(eligible)}. "
            "Lower num_folds or min_superfamilies, or take a larger FASTA file."
        )
    chosen = sorted(sorted(eligible, key=lambda fold: -len(groups[fold]))[:num_folds])
    class_map = {fold: _assign(sorted(groups[fold]), seed, fold) for fold in chosen}
    splits = {}
    for split in (TRAIN, VALIDATION, TEST):
        rows = [
            (sequence, label)
            for label, fold in enumerate(chosen)
            for superfamily in class_map[fold][split]
            for sequence in groups[fold][superfamily]
        ]
        labels = np.array([[label] for _, label in rows])
        splits[split] = SequenceExamples(tuple(sequence for sequence, _ in rows), labels)
    kept = sum(len(examples) for examples in splits.values())
    left_out = {TWIN: len(domains) - len(seen), OTHER_FOLD: len(seen) - kept}
    return splits, class_map, left_out


def _assign(superfamilies: list[str], seed: int, fold: str) -> dict[str, list[str]]:
    """Return the superfamilies of a fold by split."""
    order = [superfamilies[index] for index in random_permutation(len(superfamilies), seed, "homology-scope", fold)]
    held = max(1, round(HELD_SHARE * len(order)))
    return {VALIDATION: order[:held], TEST: order[held : 2 * held], TRAIN: order[2 * held :]}


class HomologyScopeDataModule(ProteinDataModule):
    """Say the fold of a protein domain: built from an ASTRAL FASTA file of SCOP or SCOPe.

    Not TAPE's benchmark, and never to be compared with it: other domains, other folds, other splits. The `num_folds`
    folds with most superfamilies are kept. About 15 % of a fold's superfamilies, at least one, are held out for
    validation, and as many for test. Of identical sequences the first is kept. FASTA files:
    https://scop.berkeley.edu/astral (Fox et al. 2014), such as `astral-scopedom-seqres-gd-sel-gs-bib-40-2.08.fa`.

    One example: the header, the row, and the label, which is the index of fold a.1 in the class map (T = 8)::

        header   >d1dlwa_ a.1.1.1 (A:) Protozoan/bacterial hemoglobin {...}
        residues  s  l  f  e  q  l  g  g
        inputs   18 11  6  5 16 11  7  7
        labels                         0

    The class map is kept beside the splits, as `classes.json`: each label's fold and its superfamilies by split, and
    how many domains were left out.

    Args:
        fasta: the file; None takes `astral*.fa` under the data root, the last by name.
        num_folds: C, folds to keep.
        min_superfamilies: superfamilies a fold must have, at least 3.
        split_seed: decides which superfamilies are held out.
        max_length: as in :class:`HomologyDataModule`.
    """

    task_name = "homology-scope"
    kinds: ClassVar[tuple[DataKind, ...]] = ("real",)

    def __init__(
        self,
        *,
        fasta: Path | str | None = None,
        num_folds: int = 50,
        min_superfamilies: int = 3,
        split_seed: int = 0,
        max_length: int | None = None,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(max_length=max_length, **shared)
        if num_folds < 2 or min_superfamilies < 3:
            raise ValueError(
                "homology-scope: expected num_folds of at least 2 and min_superfamilies of at least 3, one a split, "
                f"got num_folds={num_folds} and min_superfamilies={min_superfamilies}"
            )
        self.fasta = self.real_data_at(self.root) if fasta is None else Path(fasta)
        self.as_published = False
        self.num_folds, self.min_superfamilies, self.split_seed = num_folds, min_superfamilies, split_seed
        self.source = (
            f"{'an ASTRAL FASTA file' if self.fasta is None else self.fasta.name}: {num_folds} folds of at least "
            f"{min_superfamilies} superfamilies, whole superfamilies held out, seed {split_seed}; not TAPE's benchmark"
        )

    @property
    def task(self) -> TaskSpec:
        return self.folds_task(self.num_folds)

    @classmethod
    def real_data_at(cls, root: Path | None) -> Path | None:
        """Return `astral*.fa` under `root`, the last by name, which is the newest release of a kind."""
        return max(data_root(root).glob("astral*.fa"), default=None)

    def all_proteins(self) -> dict[str, SequenceExamples]:
        return load_splits(self.folder / SPLITS_FILE, self.splits)

    def record_counts(self) -> Mapping[str, RecordCounts]:
        by_split = super().record_counts().values()
        assert self.fasta is not None, "its examples have been read"
        left_out = Counter(json.loads((self.folder / "classes.json").read_text(encoding="utf-8"))["left_out"])
        held = left_out.total() + sum(counts.held for counts in by_split)
        for counts in by_split:
            left_out.update(counts.left_out)
        return {self.fasta.name: RecordCounts(held, dict(left_out))}

    @cached_property
    def folder(self) -> Path:
        """The folder of the built set: `splits.npz` and `classes.json`."""
        if self.fasta is None or not self.fasta.is_file():
            raise FileNotFoundError(
                f"{self.fasta or data_root(self.root) / 'astral*.fa'} is missing. Get a FASTA file of domains from "
                "https://scop.berkeley.edu/astral and put it there, or name it by the argument fasta."
            )
        name = f"{key_of_files(self.fasta)}-{self.num_folds}-{self.min_superfamilies}-seed{self.split_seed}-counted"
        return made_once(cache_root(self.root) / "homology-scope" / name, partial(self._build, self.fasta))

    def _build(self, fasta: Path, folder: Path) -> None:
        try:
            domains = read_astral(fasta)
            splits, class_map, left_out = split_domains(
                domains, self.num_folds, self.min_superfamilies, self.split_seed
            )
        except ValueError as error:
            raise ValueError(str(error) if str(fasta) in str(error) else f"{fasta}: {error}") from None
        save_splits(folder / SPLITS_FILE, splits)
        classes = {"fasta": fasta.name, "split_seed": self.split_seed, "folds": class_map, "left_out": left_out}
        (folder / "classes.json").write_text(json.dumps(classes, indent=1) + "\n", encoding="utf-8")
