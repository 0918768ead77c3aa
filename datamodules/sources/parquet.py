"""Parquet tables as hubs carry data sets: a file a split, or numbered parts of one."""

import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datamodules.sources.packages import MissingPackageError
from datamodules.sources.quotes import quote

SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
"""How files and folders of a split are called."""
_PLACES = ("", "data", "plain_text", "default", "main")
"""Where hubs put tables inside a data set's folder."""
_MAGIC = b"PAR1"
"""A table's first and last bytes."""
_ROWS_AT_ONCE = 1000


def table_folders(base: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield the folders in which a data set of one of these names may have its tables, under `base` or at it."""
    for name in (*names, ""):
        for place in dict.fromkeys((*_PLACES, name)):
            yield base / name / place


def tables_of(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return a split's tables in their order: `train.parquet`, `train-00000-of-00002.parquet` or `train/*.parquet`.

    Raises:
        ValueError: of numbered parts some are missing, or there are several of these forms.
    """
    forms = {}
    for name in names:
        forms[f"{name}.parquet"] = [path for path in [folder / f"{name}.parquet"] if path.is_file()]
        forms[f"{name}-*.parquet"] = _parts(folder, name)
        forms[f"{name}/"] = sorted(p for p in (folder / name).glob("*.parquet") if not p.name.startswith("."))
    found = {form: paths for form, paths in forms.items() if paths}
    if len(found) > 1:
        raise ValueError(f"{folder}: expected a split's tables in one form, got {' and '.join(found)}. Move one away.")
    return next(iter(found.values()), [])


def _parts(folder: Path, name: str) -> list[Path]:
    """Return the numbered parts of a table, all of them."""
    form = re.compile(rf"{re.escape(name)}-(\d+)-of-(\d+)(-[0-9a-f]+)?\.parquet")
    numbered = sorted(
        (m for path in folder.glob(f"{name}-*.parquet") if (m := form.fullmatch(path.name))), key=lambda m: m[0]
    )
    stated = {int(matched[2]) for matched in numbered}
    numbers = [int(matched[1]) for matched in numbered]
    if numbered and (len(stated) > 1 or numbers != list(range(stated.pop()))):
        raise ValueError(
            f"{folder}: expected all parts of {name}, each once, got {quote([m[0] for m in numbered])}. "
            "Copy the others there."
        )
    return [folder / matched[0] for matched in numbered]


def has_columns(folder: Path, split: str, *wanted: Sequence[str]) -> bool:
    """Return whether a split has tables in a folder with one column of each group; so where they cannot be read.

    Who reads them says what is wrong.
    """
    if not folder.is_dir():
        return False
    try:
        tables = tables_of(folder, SPLIT_NAMES[split])
        columns = column_names(tables[0]) if tables else []
    except (ValueError, MissingPackageError):
        return True
    return bool(tables) and all(set(columns) & set(group) for group in wanted)


def column_names(path: Path) -> list[str]:
    """Return the names of a table's columns."""
    return list(_open(path).schema_arrow.names)


def count_rows(paths: Sequence[Path]) -> int:
    """Return how many rows tables say that they hold."""
    return sum(_open(path).metadata.num_rows for path in paths)


def table_rows(path: Path, columns: Sequence[Sequence[str]]) -> Iterator[list[Any]]:
    """Yield each row's values of the wanted columns, of each of which several names are known.

    Raises:
        ValueError: the file is no Parquet table, a column is not there, or there under two of its names.
        MissingPackageError: pyarrow is not installed.
    """
    table = _open(path)
    _require_one(path)
    chosen = [_one_column(path, list(table.schema_arrow.names), names) for names in columns]
    import pyarrow

    try:
        for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=chosen):
            yield from zip(*(batch.column(name).to_pylist() for name in chosen), strict=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}: expected a whole Parquet table ({str(error)[:80]}). Fetch it again.") from error


def _require_one(path: Path) -> None:
    """Raise a ValueError where a second table follows the first: its footer would be read for both."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(_MAGIC * 2) >= 0:
            raise ValueError(
                f"{path}: expected one Parquet table, got one behind another. Keep them in files of their own."
            )


def _one_column(path: Path, there: Sequence[str], names: Sequence[str]) -> str:
    found = [name for name in names if name in there]
    if len(found) != 1:
        raise ValueError(
            f"{path}: expected one column called {' or '.join(names)}, got the columns {quote(list(there))}"
        )
    return found[0]


def _open(path: Path) -> Any:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackageError(
            f"{path}: reading a Parquet table needs pyarrow. `pip install fpt_bench[parquet]`"
        ) from error
    try:
        return parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}: expected a Parquet table ({str(error)[:80]}). Fetch it again.") from error
