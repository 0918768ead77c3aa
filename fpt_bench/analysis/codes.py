"""Stable codes of what there is to note on a cell."""

from fpt_bench.analysis.cells import Cell


def codes_of(cell: Cell) -> tuple[str, ...]:  # noqa: ARG001
    """Return the codes of a cell's notes, in ascending order: there are none yet."""
    return ()
