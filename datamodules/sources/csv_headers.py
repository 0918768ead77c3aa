"""What the first line of a CSV file says of the file before any row is read."""

from collections.abc import Sequence

OTHER_MARKS = ";\t|"
"""What spreadsheets and programs also write between fields."""


def require_commas(header: Sequence[str]) -> None:
    """Raise a ValueError where a first line, split at commas, has one field with another mark in it.

    Example:
        >>> require_commas(["task;seed"])
        Traceback (most recent call last):
        ValueError: expected fields with commas between them, got ';'. Write it with commas
    """
    if len(header) == 1 and (mark := next((each for each in OTHER_MARKS if each in header[0]), None)):
        raise ValueError(f"expected fields with commas between them, got {mark!r}. Write it with commas")
