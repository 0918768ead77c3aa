"""Residues as ids, and TAPE's remote homology files: JSON, CSV, or LMDB read without running what is pickled in it."""

import io
import json
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.examples import SequenceExamples
from datamodules.proteins.protein_tables import csv_records

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


def tape_file(folder: Path, split: str) -> Path | None:
    """Return the JSON, LMDB or CSV of one of our splits in `folder`, or None where there is none of them.

    A CSV may have a name without `remote_homology_`, and the headline's may be `test.csv`.
    """
    name = TAPE_SPLITS[split]
    tables = [f"remote_homology_{name}.csv", f"{name}.csv", *(["test.csv"] if split == TEST else [])]
    found = (folder / file for file in (f"remote_homology_{name}.json", f"remote_homology_{name}.lmdb", *tables))
    return next((path for path in found if path.exists()), None)


def content_of(path: Path) -> Path:
    """Return the file that holds the content: `data.mdb` where an LMDB is a folder."""
    return path / "data.mdb" if path.is_dir() else path


def read_tape(path: Path) -> SequenceExamples:
    """Read one split of TAPE (Rao et al. 2019): residues from `primary`, the label from `fold_label`.

    A CSV has them in the columns `seq` and `label`.

    Raises:
        ValueError: the file is damaged, empty, or has a record that is wrong; names file and record.
        ImportError: an LMDB, and the package to read it is not there.
    """
    records = _READERS.get(path.suffix, _lmdb_records)(path)
    sequences, labels = [], []
    for number, record in enumerate(records):
        where = f"{path}, record {number}"
        if not isinstance(record, Mapping) or not {"primary", "fold_label"} <= record.keys():
            raise ValueError(f"{where}: expected a record with 'primary' and 'fold_label', got {str(record)[:80]!r}")
        sequence, label = record["primary"], record["fold_label"]
        label = label.integer if isinstance(label, _PlainArray) else label
        if not isinstance(sequence, str):
            raise ValueError(f"{where}: expected 'primary' to be text, got {type(sequence).__name__}")
        if type(label) is not int or not 0 <= label < TAPE_FOLDS:
            raise ValueError(
                f"{where}: expected 'fold_label' to be an integer from 0 to {TAPE_FOLDS - 1}, got {label!r}"
            )
        try:
            sequences.append(encode_residues(sequence))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        labels.append(label)
    if not sequences:
        raise ValueError(f"{path}: expected proteins, got an empty file. Fetch it again.")
    return SequenceExamples(tuple(sequences), np.array(labels, dtype=np.int64)[:, None])


def _json_records(path: Path) -> Iterator[object]:
    """Yield the records of a JSON list one at a time: all of TAPE's profiles at once would fill gigabytes."""
    decoder, gap = json.JSONDecoder(), re.compile(r"[\s,]*")
    try:
        text = path.read_text(encoding="utf-8")
        if not text.lstrip().startswith("["):
            raise ValueError(f"expected '[' first, got {text[:20]!r}")
        position = text.index("[") + 1
        while True:
            start = gap.match(text, position)
            assert start is not None, "the pattern matches the empty text"
            if text.startswith("]", start.end()):
                return
            record, position = decoder.raw_decode(text, start.end())
            yield record
    except ValueError as error:
        raise ValueError(f"{path}: expected a whole JSON list of proteins ({error}). Fetch it again.") from error


def _lmdb_records(path: Path) -> Iterator[object]:
    """Yield the records of an LMDB: `num_examples`, and a pickled dictionary under each number."""
    try:
        import lmdb
    except ImportError as error:
        raise ImportError(f"{path}: reading an LMDB needs lmdb. `pip install fpt_bench[lmdb]`") from error
    try:
        # Without a lock nothing is written, so that the folder may be read-only.
        with lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False) as database:
            pages, page_bytes = database.info()["last_pgno"] + 1, database.stat()["psize"]
            if content_of(path).stat().st_size < pages * page_bytes:  # reading a lost page would end the process
                raise ValueError(f"{path}: expected {pages} pages of {page_bytes} bytes, got fewer. Fetch it again.")
            with database.begin() as transaction:
                count = load_plain_pickle(transaction.get(b"num_examples"), f"{path}, num_examples")
                if type(count) is not int:
                    raise ValueError(f"{path}: expected num_examples to be an integer, got {count!r}")
                for number in range(count):
                    key = str(number)
                    yield load_plain_pickle(transaction.get(key.encode()), f"{path}, record {key}")
    except lmdb.Error as error:
        raise ValueError(f"{path}: expected an LMDB ({error}). Fetch it again.") from error


_READERS = {".json": _json_records, ".csv": csv_records}


def load_plain_pickle(data: bytes | None, where: str) -> object:
    """Return the plain value in a pickle; a pickle that names anything to call is refused, and nothing is called.

    numpy's arrays and scalars in it are read without numpy: of an array only a single integer is kept. `where` names
    file and record in the error.

    Raises:
        ValueError: missing, damaged, or refused.

    Example:
        >>> load_plain_pickle(pickle.dumps({"primary": "ACD", "fold_label": 3}), "here")
        {'primary': 'ACD', 'fold_label': 3}
        >>> load_plain_pickle(pickle.dumps(print), "here")
        Traceback (most recent call last):
        ...
        ValueError: here: expected plain values, got a pickle that asks for builtins.print: refused
    """
    if data is None:
        raise ValueError(f"{where}: expected a pickled value, got none. Fetch the file again.")
    try:
        return _PlainUnpickler(io.BytesIO(data)).load()
    except _RefusedError as error:
        raise ValueError(f"{where}: expected plain values, got a pickle that asks for {error}: refused") from None
    except Exception as error:  # a damaged pickle can raise almost anything
        raise ValueError(f"{where}: expected a whole pickle ({type(error).__name__}: {error})") from error


class _RefusedError(Exception):
    """A pickle names something that is no plain value."""


class _PlainType:
    """Stands in for numpy.dtype: only the code, such as `i8`, is kept."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code = str(code)

    def __setstate__(self, state: object) -> None:
        """Ignore byte order and fields: TAPE's arrays are little-endian and plain."""


class _PlainArray:
    """Stands in for numpy.ndarray, so that no array is ever made of foreign bytes."""

    integer: int | None = None
    """The value, of an array that holds one integer."""

    def __init__(self, *_: object) -> None:
        """Ignore class and shape."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, _shape, kind, _is_fortran, data = state
        self.integer = _integer(kind, data)


def _integer(kind: object, data: object) -> int | None:
    """Return the integer that the bytes of one numpy number spell; None for anything else."""
    if not isinstance(kind, _PlainType) or not isinstance(data, bytes | bytearray):
        return None
    matched = re.fullmatch("([iu])([1248])", kind.code)
    if matched is None or len(data) != int(matched[2]):
        return None
    return int.from_bytes(data, "little", signed=matched[1] == "i")


def _array_of_buffer(data: object, kind: object, *_: object) -> _PlainArray:
    array = _PlainArray()
    array.integer = _integer(kind, data)
    return array


class _PlainUnpickler(pickle.Unpickler):
    """Knows numpy's constructors, by stand-ins, and nothing else."""

    _known: Mapping[tuple[str, str], object] = {
        ("_codecs", "encode"): lambda text, _: text.encode("latin1"),  # how bytes look in older pickles
        ("numpy", "dtype"): _PlainType,
        ("numpy", "ndarray"): _PlainArray,
        **{
            (f"numpy.{core}.{module}", name): stand_in
            for core in ("core", "_core")
            for module, name, stand_in in (
                ("multiarray", "_reconstruct", _PlainArray),
                ("multiarray", "scalar", _integer),
                ("numeric", "_frombuffer", _array_of_buffer),
            )
        },
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._known:
            raise _RefusedError(f"{module}.{name}")
        return self._known[module, name]
