"""Residues as ids, and remote homology in TAPE's form: JSON, tables, or LMDB without running what is pickled in it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.examples import SequenceExamples
from datamodules.proteins.protein_tables import csv_records, parquet_records
from datamodules.sources.packages import MissingPackageError
from datamodules.sources.parquet import SPLIT_NAMES, tables_of
from datamodules.sources.plain_pickle import by_text_keys, load_plain_pickle, plain_integer
from datamodules.sources.quotes import quote

LETTERS = "ABCDEFGHIKLMNOPQRSTUVWXYZ"
"""The 25 letters that IUPAC gives a meaning; a letter's id is its index here plus 1, and 0 is padding."""
VOCABULARY_SIZE = len(LETTERS) + 1
TAPE_FOLDS = 1195
TAPE_SPLITS = {
    TRAIN: "train",
    VALIDATION: "valid",
    TEST: "test_fold_holdout",
    "test-superfamily": "test_superfamily_holdout",
    "test-family": "test_family_holdout",
}
_IDS = np.zeros(128, dtype=np.uint8)
_IDS[[ord(letter) for letter in LETTERS + LETTERS.lower()]] = np.tile(np.arange(1, VOCABULARY_SIZE), 2)
_IDS[[ord("J"), ord("j")]] = LETTERS.index("X") + 1  # leucine or isoleucine, which IUPAC's 25 do not have


def encode_residues(sequence: str) -> NDArray[np.uint8]:
    """Return the ids of a sequence of one-letter residues, (T,) uint8 in [1, 26); case does not matter, J is read as X.

    Raises:
        ValueError: the sequence is empty, or has something that is no letter.

    Example:
        >>> encode_residues("ACxJ").tolist()
        [1, 3, 23, 23]
    """
    if not sequence:
        raise ValueError("expected a sequence of residues, got an empty one")
    codes = np.frombuffer(sequence.encode("utf-32-le"), dtype="<u4")
    ids: NDArray[np.uint8] = _IDS[np.minimum(codes, 127)]
    if not ids.all():
        raise ValueError(f"expected residues as letters A to Z, got {sequence[int(np.argmin(ids))]!r}")
    return ids


def tape_files(folder: Path, split: str) -> list[Path]:
    """Return the JSON, LMDB, CSV or Parquet of one of our splits in `folder`, a file or the parts of it; none: [].

    Tables may have names without `remote_homology_`, those of hubs too, such as `test.csv` for the headline's.

    Raises:
        ValueError: parts of a Parquet table are missing.
    """
    found = _single_files(folder, split)
    return found[:1] or tables_of(folder, _table_names(split))


def require_one_form(folder: Path, splits: Iterable[str]) -> None:
    """Raise a ValueError where the files of several splits, or of one, are not of one making: labels may differ.

    TAPE's own JSON beside its LMDB of the same split is no such case: the first is read.
    """
    read = {split: paths[0] for split in splits if (paths := tape_files(folder, split))}
    if len({path.suffix for path in read.values()}) > 1:
        said = ", ".join(f"{path.name} of {split}" for split, path in read.items())
        raise ValueError(f"{folder}: expected all splits in one form, got {said}: move those of the other form away")
    for split in read:
        tables = [path for path in _single_files(folder, split) if path.suffix == ".csv"]
        tables += tables_of(folder, _table_names(split))[:1]
        if len(tables) > 1:
            names = " and ".join(path.name for path in tables)
            raise ValueError(f"{folder}: expected one table of {split}, got {names}: move all but one away")


def _table_names(split: str) -> list[str]:
    name = TAPE_SPLITS[split]
    return list(dict.fromkeys((f"remote_homology_{name}", name, *SPLIT_NAMES.get(split, ()))))


def _single_files(folder: Path, split: str) -> list[Path]:
    """Return the files of a split that hold it whole, the one to read first."""
    name = TAPE_SPLITS[split]
    files = [f"remote_homology_{name}.json", f"remote_homology_{name}.lmdb"]
    files += [f"{each}.csv" for each in _table_names(split)]
    return [folder / file for file in files if (folder / file).exists()]


def content_of(path: Path) -> Path:
    """Return the file that holds the content: `data.mdb` where an LMDB is a folder."""
    return path / "data.mdb" if path.is_dir() else path


def read_tape(*paths: Path) -> SequenceExamples:
    """Read one split in TAPE's form (Rao et al. 2019): residues from `primary`, the label from `fold_label`.

    Several files are parts of one, in their order. Tables have other names for the two.

    Raises:
        ValueError: a file is damaged, empty, or has a record that is wrong; names file and record.
        ImportError: an LMDB, and the package to read it is not there.
    """
    sequences, labels = [], []
    for path in paths:
        records = _READERS.get(path.suffix, _lmdb_records)(path)
        for number, record in enumerate(records):
            sequence, label = _read_record(record, f"{path}, record {number}")
            sequences.append(sequence)
            labels.append(label)
    if not sequences:
        raise ValueError(f"{paths[0]}: expected proteins, got an empty file. Fetch it again.")
    return SequenceExamples(tuple(sequences), np.array(labels, dtype=np.int64)[:, None])


def _read_record(record: object, where: str) -> tuple[NDArray[np.uint8], int]:
    fields = by_text_keys(record, where) if isinstance(record, Mapping) else {}
    if not {"primary", "fold_label"} <= fields.keys():
        raise ValueError(f"{where}: expected a record with 'primary' and 'fold_label', got {quote(record)}")
    sequence, label = fields["primary"], plain_integer(fields["fold_label"])
    sequence = sequence.decode("latin1") if isinstance(sequence, bytes) else sequence
    if not isinstance(sequence, str):
        raise ValueError(f"{where}: expected 'primary' to be text, got {type(sequence).__name__}")
    if label is None or not 0 <= label < TAPE_FOLDS:
        raise ValueError(
            f"{where}: expected 'fold_label' to be an integer from 0 to {TAPE_FOLDS - 1}, "
            f"got {quote(fields['fold_label'])}"
        )
    try:
        return encode_residues(sequence), label
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _json_records(path: Path) -> Iterator[object]:
    """Yield the records of a JSON list one at a time: all of TAPE's profiles at once would fill gigabytes."""
    decoder, gap = json.JSONDecoder(), re.compile(r"[\s,]*")
    try:
        text = path.read_text(encoding="utf-8")
        if not text.lstrip().startswith("["):
            raise ValueError(f"expected '[' first, got {quote(text[:20])}")
        position = text.index("[") + 1
        while True:
            start = gap.match(text, position)
            assert start is not None, "the pattern matches the empty text"
            if text.startswith("]", start.end()):
                behind = text[start.end() + 1 :].strip()
                if behind:
                    raise ValueError(f"{len(behind):,} characters behind its end: {quote(behind)}")
                return
            record, position = decoder.raw_decode(text, start.end())
            yield record
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a whole JSON list of proteins ({error}). Fetch it again.") from error


def _lmdb_records(path: Path) -> Iterator[object]:
    """Yield the records of an LMDB: `num_examples`, and a pickled dictionary under each number."""
    try:
        import lmdb
    except ImportError as error:
        raise MissingPackageError(f"{path}: reading an LMDB needs lmdb. `pip install fpt_bench[lmdb]`") from error
    try:
        # Without a lock nothing is written, so that the folder may be read-only.
        with lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False) as database:
            pages, page_bytes = database.info()["last_pgno"] + 1, database.stat()["psize"]
            if content_of(path).stat().st_size < pages * page_bytes:  # reading a lost page would end the process
                raise ValueError(f"{path}: expected {pages} pages of {page_bytes} bytes, got fewer. Fetch it again.")
            with database.begin() as transaction:
                count = load_plain_pickle(transaction.get(b"num_examples"), f"{path}, num_examples")
                if type(count) is not int:
                    raise ValueError(f"{path}: expected num_examples to be an integer, got {quote(count)}")
                if (records := database.stat()["entries"] - 1) > count:
                    raise ValueError(
                        f"{path}: expected as many records as num_examples says, {count:,}, got {records:,}. "
                        "Fetch it again."
                    )
                for number in range(count):
                    key = str(number)
                    yield load_plain_pickle(transaction.get(key.encode()), f"{path}, record {key}")
    except lmdb.Error as error:
        raise ValueError(f"{path}: expected an LMDB ({error}). Fetch it again.") from error


_READERS: Mapping[str, Callable[[Path], Iterator[object]]] = {
    ".json": _json_records,
    ".csv": csv_records,
    ".parquet": parquet_records,
}
