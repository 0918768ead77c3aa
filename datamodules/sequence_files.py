"""Splits of token sequences kept in a file with its checksum, for data that is slow to make or to parse."""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from datamodules.examples import SequenceExamples
from datamodules.sources.caches import made_once
from datamodules.sources.packages import remembered_checksum

SPLITS_FILE = "splits.npz"


def save_splits(path: Path, splits: Mapping[str, SequenceExamples]) -> None:
    """Write splits of uint8 sequences to an npz file: the same bytes for the same splits.

    Every split has three arrays: all tokens in a row, the length of each sequence, and the labels.
    """
    arrays = {}
    for name, examples in splits.items():
        arrays[f"{name}.tokens"] = np.concatenate(examples.sequences).astype(np.uint8)
        arrays[f"{name}.lengths"] = np.array([len(sequence) for sequence in examples.sequences], dtype="<i4")
        arrays[f"{name}.labels"] = examples.labels.astype("<i4")
    np.savez(path, allow_pickle=False, **arrays)


def load_splits(path: Path, names: Sequence[str]) -> dict[str, SequenceExamples]:
    """Read the splits `names` of a file by :func:`save_splits`."""
    splits = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in names:
            ends = np.cumsum(arrays[f"{name}.lengths"])
            sequences = tuple(np.split(arrays[f"{name}.tokens"], ends[:-1]))
            splits[name] = SequenceExamples(sequences, arrays[f"{name}.labels"].astype(np.int64))
    return splits


def cached_splits(
    folder: Path, names: Sequence[str], make: Callable[[], Mapping[str, SequenceExamples]]
) -> dict[str, SequenceExamples]:
    """Read the splits `names` from a folder, where all that `make` returns is written if it is not there or damaged."""
    made_once(folder, lambda unfinished: save_splits(unfinished / SPLITS_FILE, make()))
    return load_splits(folder / SPLITS_FILE, names)


def key_of_files(*paths: Path) -> str:
    """Return 16 hexadecimal digits for names and contents of files, so that other contents are never taken for these.

    Each file is read once a process, and again after it has changed.
    """
    contents = [(path.name, remembered_checksum(path)) for path in paths]
    return hashlib.sha256(repr(contents).encode()).hexdigest()[:16]


def key_of_code(name: str, *modules: ModuleType) -> str:
    """Return 16 hexadecimal digits for the code of modules, so that what other code made is never taken for this.

    Args:
        name: `__name__` of the module that asks.
        modules: others that make or read the data.
    """
    return key_of_files(*(Path(str(module.__file__)) for module in (sys.modules[name], *modules)))
