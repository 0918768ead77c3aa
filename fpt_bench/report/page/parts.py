"""What a table on the page is made of."""

from dataclasses import dataclass

from fpt_bench.report.tables import Entry


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    css_class: str
    entries: tuple[Entry, ...]
    find: str = ""
    """`name:value` words by which the search finds a run."""


@dataclass(frozen=True)
class Table:
    """A table whose columns can be sorted."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
