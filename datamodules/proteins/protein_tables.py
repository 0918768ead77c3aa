"""Tables of proteins, CSV and Parquet: a column of sequences and one of labels."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from datamodules.sources.csv_headers import require_commas
from datamodules.sources.parquet import table_rows
from datamodules.sources.quotes import quote, shorten

SEQUENCE_COLUMNS, LABEL_COLUMNS = ("seq", "sequence", "primary"), ("label", "fold_label")
"""What the two columns may be called."""


def csv_records(path: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of a CSV file under the names that TAPE's JSON has: `primary`, and `fold_label` as an integer.

    Columns are found by their names, in any order; others are passed over. A label that is no integer stays text.

    Raises:
        ValueError: the file is no CSV, has not both columns, or a row has more fields than columns; names the file.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as lines:
            rows = csv.DictReader(_whole_lines(lines), strict=True)
            sequence, label = _columns(list(rows.fieldnames or []))
            for number, row in enumerate(rows):
                if None in row:
                    raise ValueError(f"record {number}: expected a field for each column, got more: {quote(row[None])}")
                text = row[label]
                known = text is not None and re.fullmatch(r"-?[0-9]+", text)
                yield {"primary": row[sequence], "fold_label": int(text) if known else text}
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{path}: expected a CSV file of proteins ({error}).") from error


def parquet_records(path: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of a Parquet table as `csv_records` does.

    Raises:
        ValueError: the file is no Parquet table, or has not both columns; names the file.
        MissingPackageError: pyarrow is not installed.
    """
    for sequence, label in table_rows(path, (SEQUENCE_COLUMNS, LABEL_COLUMNS)):
        yield {"primary": sequence, "fold_label": label}


def _whole_lines(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines that end as one does: of "\\r\\r\\n" a reader would make an empty row, too."""
    return (re.sub(r"\r+\n?$", "\n", line) for line in lines)


def _columns(found: list[str]) -> tuple[str, str]:
    """Return the names of the two columns among those of the first line."""
    named = [[name for name in found if name in known] for known in (SEQUENCE_COLUMNS, LABEL_COLUMNS)]
    if [len(each) for each in named] == [1, 1]:
        return named[0][0], named[1][0]
    is_record = len(found) == 2 and any(re.fullmatch("[0-9]+", name or "") for name in found)
    require_commas(found)
    what_to_do = "It has no such line: put `seq,label` before it" if is_record else "Rename them"
    raise ValueError(
        f"expected the columns {SEQUENCE_COLUMNS[0]!r} and {LABEL_COLUMNS[0]!r} in its first line, "
        f"got {shorten(', '.join(map(repr, found))) or 'none'}. {what_to_do}"
    )
