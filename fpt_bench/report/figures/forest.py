"""The forest plot: what every arm differs from the baseline by, task by task, with the interval."""

import math
from collections.abc import Mapping

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.report.figures.rows import draw_rows_of
from fpt_bench.report.figures.style import Drawing, Look
from fpt_bench.report.metric_words import WAY_TO_PERFECT, length_of
from fpt_bench.report.words import cell_delta, cell_label, opponent_in_words


def draw_forest(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw each arm's difference to the arm that it is compared with on each task, with its interval."""
    cells = [cell for cell in bench.cells if cell.runs and cell.delta is not None]
    if not cells:
        return None
    values = {(cell.task, cell.arm): _drawn(cell, bench.is_mixed) for cell in cells}
    said = {(cell.task, cell.arm): _in_words(cell) for cell in cells}
    other = opponent_in_words(bench)
    axis = f"minus {other}, {WAY_TO_PERFECT}" if bench.is_mixed else f"accuracy minus {other} (pp)"
    return Drawing(
        "forest",
        draw_rows_of(bench, cells, values, looks, axis, said),
        f"Difference to {other}",
        f"Test accuracy minus that of {other}: difference of means with Welch's 95 % interval (cut at the "
        "edge). Whether an arm is better is the judge's word, which asks for more than an interval beside zero.",
        f"Difference in accuracy to {other} in percentage points. "
        + "; ".join(f"{cell_label(cell)} {_name(cell, bench)} {said[cell.task, cell.arm]}" for cell in cells),
        cells,
    )


def _name(cell: Cell, bench: Bench) -> str:
    return f"{cell.arm} minus {bench.opponent(cell.arm)}" if bench.own_opponents else cell.arm


def _drawn(cell: Cell, mixed: bool) -> tuple[float, float, float]:
    assert cell.delta is not None
    found = cell.delta.estimate
    mean, *ends = (length_of(cell, each, mixed) for each in (found.mean, found.low, found.high))
    low, high = sorted(ends) if all(map(math.isfinite, ends)) else (-math.inf, math.inf)
    return mean, low, high


def _in_words(cell: Cell) -> str:
    assert cell.delta is not None
    return f"{cell_delta(cell)}{' pp' if cell.is_fraction else ''}, {cell.delta.word}"
