"""Folds from an ASTRAL FASTA: whole superfamilies held out, and broken files."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.proteins.evolution import AMINO_ACIDS
from datamodules.proteins.homology_scope import OTHER_FOLD, TWIN, HomologyScopeDataModule, read_astral
from datamodules.proteins.protein_task import TOO_LONG
from tests.datamodules.unseen_edits import edit_unseen


def domain_lines(fold: str, superfamily: int, copies: int) -> list[str]:
    lines = []
    for copy in range(copies):
        text = "".join(
            AMINO_ACIDS[(ord(fold[0]) + superfamily * 5 + copy * position + position) % 20] for position in range(20)
        )
        lines += [f">d{fold.replace('.', '')}{superfamily}{copy}_ {fold}.{superfamily}.1 (A:) Made up", text.lower()]
    return lines


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    """Folds a.1 and b.1 with 4 superfamilies, c.1 with 3, d.1 with 2."""
    lines = []
    for fold, count in (("b.1", 4), ("a.1", 4), ("c.1", 3), ("d.1", 2)):
        for superfamily in range(1, count + 1):
            lines += domain_lines(fold, superfamily, 3)
    path = tmp_path / "astral-made-up.fa"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_scope_holds_out_whole_superfamilies(fasta: Path) -> None:
    module = HomologyScopeDataModule(root=fasta.parent, num_folds=3)
    assert module.task.num_classes == 3
    assert "astral-made-up.fa" in module.source
    classes = json.loads((module.folder / "classes.json").read_text())
    assert list(classes["folds"]) == ["a.1", "b.1", "c.1"]
    domains = {domain.residues.tobytes(): domain for domain in read_astral(fasta)}
    sizes = {}
    for split in module.splits:
        examples = module.examples(split)
        sizes[split] = len(examples)
        for sequence, label in zip(examples.sequences, examples.labels[:, 0], strict=True):
            domain = domains[sequence.tobytes()]
            assert list(classes["folds"])[label] == domain.fold
            assert domain.superfamily in classes["folds"][domain.fold][split]
    assert sizes == {TRAIN: 15, VALIDATION: 9, TEST: 9}
    for held in classes["folds"].values():
        assert len({name for names in held.values() for name in names}) == sum(map(len, held.values()))
    others = {
        HomologyScopeDataModule(root=fasta.parent, num_folds=3, split_seed=seed).fingerprint() for seed in range(4)
    }
    assert len(others) > 1
    assert module.fingerprint() in others


def test_scope_takes_the_file_that_is_named(fasta: Path, tmp_path: Path) -> None:
    moved = fasta.rename(tmp_path / "mine.fasta")
    module = HomologyScopeDataModule(root=tmp_path / "root", fasta=str(moved), num_folds=2)
    assert len(module.examples(TRAIN)) == 12
    with pytest.raises(FileNotFoundError, match=r"astral\*.fa is missing"):
        HomologyScopeDataModule(root=tmp_path / "root").examples(TRAIN)


def test_scope_keeps_identical_sequences_once(fasta: Path) -> None:
    whole = HomologyScopeDataModule(root=fasta.parent, num_folds=3)
    lines = fasta.read_text().splitlines()
    twin = fasta.with_name("twin.fa")
    twin.write_text("\n".join([*lines, ">dcopy_ c.1.9.1 (A:) Of another superfamily", lines[1].upper(), ""]))
    again = HomologyScopeDataModule(root=fasta.parent, fasta=twin, num_folds=3)
    assert again.fingerprint() == whole.fingerprint()


def test_scope_says_which_domains_it_leaves_out(fasta: Path) -> None:
    lines = fasta.read_text().splitlines()
    more = [">dcopy_ c.1.9.1 (A:) Of another superfamily", lines[1].upper(), ">dlong_ a.1.1.1 (A:) Long", "acd" * 400]
    fasta.write_text("\n".join([*lines, *more, ""]))
    module = HomologyScopeDataModule(root=fasta.parent, num_folds=3)
    found = module.record_counts()["astral-made-up.fa"]
    assert found.held == len(read_astral(fasta)) == 41
    assert found.read == sum(len(module.examples(split)) for split in module.splits)
    assert found.left_out == {TWIN: 1, OTHER_FOLD: 6, TOO_LONG: 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a FASTA file"),
        ("no header\nacd\n", "expected a FASTA file"),
        (">d1dlwa_\nacd\n", r"expected a header such as .* got '>d1dlwa_'"),
        (">d1dlwa_ a.1.1 (A:)\nacd\n", r"got '>d1dlwa_ a.1.1 \(A:\)'"),
        (
            ">d1 a.1.1.1 x\nacd\n>d2 a.1.1.1 x\n>d3 a.1.1.1 x\nacd\n",
            "d2: expected a sequence of residues",
        ),
        (">d1 a.1.1.1 x\nacd\n>d2 a.1.1.1 x\n", "d2: expected a sequence of residues"),
        (">d1 a.1.1.1 x\nac5\n", "d1: expected residues as letters A to Z, got '5'"),
        (">d1 a.1.1.1 x\nacd\n>d1 a.1.1.1 x\nace\n", "expected each domain once, got 'd1' again"),
        (">d1 a.1.1.1 x\nacd\n", "expected 2 folds of at least 3 superfamilies, got 0"),
    ],
)
def test_broken_fasta_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "astral.fa"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        HomologyScopeDataModule(root=tmp_path, num_folds=2).examples(TRAIN)
    assert str(path) in str(caught.value)
    assert not list((tmp_path / "homology-scope").glob("*"))


def test_a_file_of_the_same_size_and_time_is_read_anew(fasta: Path) -> None:
    old = HomologyScopeDataModule(root=fasta.parent, num_folds=3).fingerprint()
    edit_unseen(fasta, fasta.read_bytes().splitlines()[1], b"a" * 20)
    assert HomologyScopeDataModule(root=fasta.parent, num_folds=3).fingerprint() != old


def test_full_disk_leaves_nothing(fasta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(OSError, match="no space left") as caught:
            HomologyScopeDataModule(root=fasta.parent, num_folds=2).examples(TRAIN)
    assert str(fasta.parent) in str(caught.value)
    assert not [found for found in fasta.parent.rglob("*") if found.suffix in (".npz", ".json")]
    assert len(HomologyScopeDataModule(root=fasta.parent, num_folds=2).examples(TRAIN))
