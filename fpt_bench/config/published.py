"""Published figures, as configs/reference/published.yaml has them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fpt_bench.config.in_words import InWords
from fpt_bench.config.yaml_files import CONFIGS, read_yaml
from fpt_bench.names import require_known

PUBLISHED = CONFIGS / "reference" / "published.yaml"


@cache
def published_figures() -> Mapping[str, Any]:
    """Return the papers' figures by paper, then by table; accuracies in percent."""
    return read_yaml(PUBLISHED)


def published_arguments(task: str) -> Mapping[str, Any] | None:
    """Return the data arguments of the form in which a paper has a task; None for a task that is in none.

    Example:
        >>> published_arguments("cifar"), published_arguments("listops"), published_arguments("homology-scope")
        ({'augmentation': True}, {}, None)
    """
    of_tasks = (paper.get("tasks", {}) for paper in published_figures().values())
    return next((tasks[task].get("data_arguments", {}) for tasks in of_tasks if task in tasks), None)


def is_resized(task: str, kind: str, data_arguments: Mapping[str, Any]) -> bool:
    """Return whether a task's own data (kind `real`) have other sizes than a paper's; `shuffled` is no size.

    Example:
        >>> [is_resized("bit-memory", "real", arguments) for arguments in ({"pattern_bits": 250}, {"shuffled": True})]
        [True, False]
    """
    sizes = {name: value for name, value in data_arguments.items() if name != "shuffled"}
    published = published_arguments(task)
    return kind == "real" and published is not None and sizes != published


class PublishedRow(InWords):
    """A row of published figures.

    Example:
        >>> row = PublishedRow.model_validate("lu2021.table2_initializations.language")
        >>> row.accuracy(published_figures(), "listops"), str(row)
        (0.384, 'lu2021.table2_initializations.language')
    """

    form = "{paper}.{table}.{row}"
    paper: str
    table: str
    row: str

    def require(self, figures: Mapping[str, Any]) -> None:
        """Raise a ValueError that names the nearest paper, table or row unless this one is there."""
        require_known("published paper", self.paper, figures)
        tables = {name: t for name, t in figures[self.paper].items() if isinstance(t, Mapping) and "columns" in t}
        require_known(f"published table of {self.paper}", self.table, tables)
        rows = [name for name in tables[self.table] if name not in ("columns", "note")]
        require_known(f"row of {self.paper}.{self.table}", self.row, rows)

    def data_arguments(self, figures: Mapping[str, Any], task: str) -> dict[str, Any]:
        """Return the data arguments that the paper's form of a task has."""
        arguments: dict[str, Any] = figures[self.paper].get("tasks", {}).get(task, {}).get("data_arguments", {})
        return arguments

    def accuracy(self, figures: Mapping[str, Any], task: str) -> float | None:
        """Return the published accuracy on a task as a fraction; None where the table has no such column."""
        table = figures[self.paper][self.table]
        columns = table["columns"]
        if task not in columns:
            return None
        found = table[self.row]
        means = found["mean"] if isinstance(found, Mapping) else found
        return float(means[columns.index(task)] / 100)
