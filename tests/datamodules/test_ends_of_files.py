"""The end of what a file holds is the end of the file: of two that were joined none is read in part."""

import gzip
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datamodules.contract import TEST
from datamodules.images.image_files import read_idx
from datamodules.proteins.homology import HomologyDataModule
from datamodules.proteins.homology_scope import read_astral
from datamodules.proteins.protein_files import read_tape
from datamodules.sources.caches import unpack
from tests.datamodules.images.test_image_files import write_idx
from tests.datamodules.proteins.test_homology import ROWS, records_of, write_json, write_lmdb

PROTEINS = records_of([("MKV", 3), ("GG", 0)])
LIST = json.dumps(PROTEINS)


def text(name: str, *parts: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text("".join(parts))
        return folder / name

    return write


def lmdb_of(records: list[object], count: int | None = None) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        write_lmdb(folder / "x.lmdb", records, count)
        return folder / "x.lmdb"

    return write


def idx_of(name: str, join: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        write_idx(folder / name, np.zeros((2, 28, 28), dtype=np.uint8))
        (folder / name).write_bytes(join((folder / name).read_bytes()))
        return folder / name

    return write


def tar_of(name: str, behind: bytes | None) -> Callable[[Path], Path]:
    """Write an archive twice, one behind the other, or with other bytes behind it."""

    def write(folder: Path) -> Path:
        (folder / "a.txt").write_text("words")
        with tarfile.open(folder / name, "w") as archive:
            archive.add(folder / "a.txt", "a.txt")
        plain = (folder / name).read_bytes()
        joined = plain + (plain if behind is None else behind)
        (folder / name).write_bytes(gzip.compress(joined) if name.endswith("gz") else joined)
        return folder / name

    return write


def unpacked(archive: Path) -> None:
    unpack(archive, archive.parent / "set")


FASTA = ">d1_ a.1.1.1 (A:)\nACD\n"
JOINED: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object], str]] = {
    "two lists": (text("x.json", LIST, LIST), read_tape, r"characters behind its end"),
    "two lists, on lines of their own": (text("x.json", LIST, "\n", LIST), read_tape, "characters behind its end"),
    "a word behind a list": (text("x.json", LIST, "\n// end"), read_tape, "6 characters behind its end: '// end'"),
    "records on lines": (text("x.json", *(json.dumps(r) + "\n" for r in PROTEINS)), read_tape, r"expected '\[' first"),
    "two tables": (text("x.csv", *["seq,label\nMK,3\n"] * 2), read_tape, "record 1: .* got 'label'"),
    "two tables, no line between": (text("x.csv", *["seq,label\nMK,3"] * 2), read_tape, "record 0: expected a field"),
    "a row of two": (text("x.csv", "seq,label\nMK,3,GG,0\n"), read_tape, "record 0: .* got more: .'GG', '0'."),
    "semicolons": (text("x.csv", "seq;label\nMK;3\n"), read_tape, "expected fields with commas between them, got ';'"),
    "a pickle and more": (lmdb_of([pickle.dumps(PROTEINS[0]) * 2]), read_tape, "record 0: expected the end"),
    "more records than stated": (lmdb_of(list(PROTEINS), 1), read_tape, "num_examples says, 1, got 2"),
    "values behind an array": (idx_of("x-ubyte", lambda content: content + b"0"), read_idx, "got 1,569"),
    "two arrays": (idx_of("x-ubyte", lambda content: content * 2), read_idx, "expected 1,568 values"),
    "two packed arrays": (idx_of("x-ubyte.gz", lambda content: content * 2), read_idx, "expected 1,568 values"),
    "bytes behind a packed array": (
        idx_of("x-ubyte.gz", lambda c: c + b"more"),
        read_idx,
        "expected a whole gzip file",
    ),
    "two archives": (tar_of("x.tar", None), unpacked, "expected the end of the archive"),
    "two packed archives": (tar_of("x.tar.gz", None), unpacked, "expected the end of the archive"),
    "bytes behind an archive": (tar_of("x.tar", b"more"), unpacked, "expected the end of the archive"),
    "words before a FASTA file": (text("x.fa", "no header\n", FASTA), read_astral, "expected"),
    "two FASTA files": (text("x.fa", FASTA, FASTA), read_astral, "expected each domain once"),
    "two FASTA files, no line between": (text("x.fa", FASTA.strip(), FASTA), read_astral, "expected residues"),
}


@pytest.mark.parametrize("case", JOINED)
def test_what_goes_on_behind_its_end_is_refused(case: str, tmp_path: Path) -> None:
    write, read, message = JOINED[case]
    path = write(tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


WHOLE = {
    "a list with space behind it": text("x.json", LIST, " \n\n"),
    "a table without a last line's end": text("x.csv", "seq,label\nMKV,3\nGG,0"),
    "a table with ends made twice": text("x.csv", "seq,label\r\r\nMKV,3\r\r\nGG,0\r\r\n"),
    "a table of other names": text("x.csv", "fold_label,sequence\n3,MKV\n0,GG\n"),
    "an LMDB": lmdb_of(list(PROTEINS)),
    "an LMDB with keys of bytes": lmdb_of(
        [{b"primary": r["primary"], b"fold_label": r["fold_label"]} for r in PROTEINS]
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_whole_files_are_read(case: str, tmp_path: Path) -> None:
    assert read_tape(WHOLE[case](tmp_path)).labels.tolist() == [[3], [0]]


def test_a_mark_of_byte_order_before_a_fasta_file_is_no_word(tmp_path: Path) -> None:
    assert [domain.fold for domain in read_astral(text("x.fa", "\ufeff", FASTA)(tmp_path))] == ["a.1"]


def test_a_packed_array_with_zeros_behind_it_and_a_padded_archive_are_whole(tmp_path: Path) -> None:
    assert read_idx(idx_of("x-ubyte.gz", lambda content: content + bytes(100))(tmp_path)).shape == (2, 28, 28)
    unpacked(tar_of("y.tar", bytes(4096))(tmp_path))
    assert (tmp_path / "set" / "a.txt").read_text() == "words"


def test_proteins_of_joined_lists_are_never_a_training_set(tmp_path: Path) -> None:
    write_json(tmp_path / "homology")
    path = tmp_path / "homology" / "remote_homology_train.json"
    path.write_text(path.read_text() * 2)
    with pytest.raises(ValueError, match="behind its end"):
        HomologyDataModule(data="real", root=tmp_path).examples(TEST)
    assert len(ROWS[TEST]) == 2
