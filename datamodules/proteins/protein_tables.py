"""Tables of proteins: CSV with a column of sequences and one of labels."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

SEQUENCE_COLUMN, LABEL_COLUMN = "seq", "label"


def csv_records(path: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of a CSV file under the names that TAPE's JSON has: `primary`, and `fold_label` as an integer.

    Columns are found by their names, in any order; others are passed over. A label that is no integer stays text.

    Raises:
        ValueError: the file is no CSV, or has not both columns; names the file.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            found = rows.fieldnames or []
            if sorted(set(found) & {SEQUENCE_COLUMN, LABEL_COLUMN}) != sorted((LABEL_COLUMN, SEQUENCE_COLUMN)):
                raise ValueError(
                    f"expected the columns {SEQUENCE_COLUMN!r} and {LABEL_COLUMN!r} in its first line, "
                    f"got {', '.join(map(repr, found)) or 'none'}. Rename them"
                )
            for row in rows:
                label = row[LABEL_COLUMN]
                known = label is not None and re.fullmatch(r"-?[0-9]+", label)
                yield {"primary": row[SEQUENCE_COLUMN], "fold_label": int(label) if known else label}
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{path}: expected a CSV file of proteins ({error}).") from error
