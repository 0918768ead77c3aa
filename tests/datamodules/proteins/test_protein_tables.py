"""Proteins in CSV files: a folder with the headline's test set alone, columns by name, and files that are wrong."""

from pathlib import Path

import pytest

from datamodules.checks import find_faults, survey
from datamodules.contract import TEST, TRAIN, VALIDATION, RecordCounts
from datamodules.proteins.homology import HomologyDataModule

FILES = {
    "train.csv": f"seq,label\nMKTAYIAKQ,17\n{'ACDEFGHIK' * 150},3\nacxjBZ,0\nMKTAYIAKQ,17\n",
    "valid.csv": "seq,label\nMKV,3\n",
    "test.csv": "seq,label\nGGGG,0\nMK,17\nMKL,17\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three small files, under a data root that is the folder above."""
    made = tmp_path / "tape-homology"
    made.mkdir()
    for name, content in FILES.items():
        (made / name).write_text(content)
    return made


def test_a_folder_with_the_headlines_test_set_alone_is_read(folder: Path) -> None:
    module = HomologyDataModule(data="real", root=folder.parent)
    assert module.splits == (TRAIN, VALIDATION, TEST)
    assert module.record_counts() == {
        TRAIN: RecordCounts(4, {"longer than 1,024 residues": 1}),
        VALIDATION: RecordCounts(1, {"longer than 1,024 residues": 0}),
        TEST: RecordCounts(3, {"longer than 1,024 residues": 0}),
    }
    assert module.examples(TRAIN).sequences[1].tolist() == [1, 3, 23, 23, 2, 25], "case does not matter, J is X"
    assert module.examples(TEST).labels.tolist() == [[0], [17], [17]]
    assert find_faults(module) == []
    assert {split: found.doubled for split, found in survey(module).items()} == {TRAIN: 1, VALIDATION: 0, TEST: 0}
    at_its_files = HomologyDataModule(data="real", root=folder)
    assert at_its_files.fingerprint() == module.fingerprint()


def test_more_test_sets_and_tapes_names_are_read_too(folder: Path) -> None:
    (folder / "test.csv").rename(folder / "remote_homology_test_fold_holdout.csv")
    (folder / "test_family_holdout.csv").write_text("seq,label\nMKL,17\n")
    module = HomologyDataModule(data="real", root=folder.parent)
    assert module.test_splits == (TEST, "test-family")
    assert len(module.examples(TEST)) == 3


def test_columns_are_found_by_name(folder: Path) -> None:
    before = HomologyDataModule(data="real", root=folder.parent).fingerprint()
    (folder / "valid.csv").write_text('\ufefflabel,id,seq\r\n3,"a, b",MKV\r\n')
    assert HomologyDataModule(data="real", root=folder.parent).fingerprint() == before


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "test.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected also remote_homology_test_fold_holdout"):
        HomologyDataModule(data="real", root=folder.parent).examples(TRAIN)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test.csv", "residues,label\nMK,3\n", "expected the columns 'seq' and 'label' .* got 'residues', 'label'"),
        ("test.csv", "", "expected the columns 'seq' and 'label' in its first line, got none"),
        ("test.csv", "seq,label\n", "expected proteins, got an empty file"),
        ("test.csv", "seq,label\nMK,3\nMK\n", "record 1: expected 'fold_label' to be an integer .* got None"),
        ("test.csv", "seq,label\nMK,3.0\n", "record 0: expected 'fold_label' to be an integer .* got '3.0'"),
        ("test.csv", "seq,label\nMK,1195\n", "record 0: .* got 1195"),
        ("test.csv", "seq,label\nM-K,3\n", "record 0: expected residues as letters A to Z, got '-'"),
        ("test.csv", "seq,label\n,3\n", "record 0: expected a sequence of residues, got an empty one"),
        ("test.csv", 'seq,label\n"MK,3\n', "expected a CSV file of proteins"),
        ("test.csv", "seq,label\nMK,3\nMK,18\nMK,19\n", "record 1: expected a fold .* the label 18 .2 such records"),
    ],
)
def test_wrong_files_are_named(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        HomologyDataModule(data="real", root=folder.parent).examples(TRAIN)
    assert str(folder / name) in str(caught.value)
    assert not list((folder.parent / "homology").glob("*")), "nothing is kept of them"
