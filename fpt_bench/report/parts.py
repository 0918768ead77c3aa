"""What a table on the page is made of."""

import re
from dataclasses import dataclass

_NOT_REACHED = 1e15
"""Added to what a text is only a lower bound of."""


@dataclass(frozen=True)
class Entry:
    """One place of a table."""

    text: str
    order: float | None
    """What the column is sorted by, where it is a number."""
    link: str | None = None
    is_long: bool = False
    """Whether the text may run over several lines."""
    picture: str | None = None
    """A PNG in base64 to show instead of the text."""


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    css_class: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Table:
    """A table whose columns can be sorted."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def order_of(text: str) -> float | None:
    """Give the number that a table's text is sorted by; what was not reached (`>400`) comes after all that was.

    Example:
        >>> order_of("+9.5 ± 6.0"), order_of("79,588"), order_of(">400"), order_of("FAIL")
        (9.5, 79588.0, 1000000000000400.0, None)
    """
    found = re.match(r"(>?)([+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)", text.strip())
    if found is None:
        return None
    number = float(found[2].replace(",", ""))
    return number + _NOT_REACHED if found[1] else number
