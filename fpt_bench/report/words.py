"""How numbers and names are written for people: each way once."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpt_bench.report.metric_words import metric_in_words, significant, with_half_width

if TYPE_CHECKING:
    from fpt_bench.analysis.cells import Bench, Cell
    from fpt_bench.analysis.statistics import Estimate

DAGGER = "†"
"""Marks embedded data, small stand-ins."""


def percent(score: float | None, is_fraction: bool = True) -> str:
    """Write a score with its unit: a fraction as percent, another with three digits; a dash where there is none.

    Example:
        >>> percent(0.975), percent(None), percent(0.97512, is_fraction=False)
        ('97.5 %', '-', '0.975')
    """
    if score is None:
        return "-"
    return f"{100 * score:.1f} %" if is_fraction else significant(score)


def points(value: float | None, sign: str = "", is_fraction: bool = True) -> str:
    """Write a fraction in percent or percentage points, without a unit, or another score; nothing where there is none.

    Example:
        >>> points(0.975), points(0.02, "+"), points(None), points(1.2345, is_fraction=False)
        ('97.5', '+2.0', '', '1.23')
    """
    if value is None:
        return ""
    return f"{100 * value:{sign}.1f}" if is_fraction else significant(value, sign)


def plus_minus(estimate: "Estimate", sign: str = "", is_fraction: bool = True) -> str:
    """Write a fraction in percent, or another score, with the half-width of its interval, where that is finite.

    Example:
        >>> from fpt_bench.analysis.statistics import Estimate
        >>> plus_minus(Estimate(0.971, 0.0, 0.967, 0.975, 3))
        '97.1 ± 0.4'
    """
    if not is_fraction:
        return with_half_width(estimate, sign)
    width = f" ± {100 * estimate.half_width:.1f}" if math.isfinite(estimate.low) else ""
    return f"{points(estimate.mean, sign)}{width}"


def steps(count: float, max_steps: int) -> str:
    """Write optimizer steps to a target, or that it was not reached.

    Example:
        >>> steps(60.0, 400), steps(math.inf, 400)
        ('60', '>400')
    """
    return f"{count:.0f}" if math.isfinite(count) else f">{max_steps}"


def cell_label(cell: "Cell") -> str:
    """Write a cell's task, with a dagger where its data are embedded, and its metric where that is not accuracy."""
    metric = "" if cell.metric == "accuracy" else f" ({metric_in_words(cell)})"
    return f"{cell.task}{DAGGER if cell.is_embedded else ''}{metric}"


def line_label(bench: "Bench", cell: "Cell") -> str:
    """Write a cell's task as a line of a table says it: with its metric where not all tasks have the same."""
    label = cell_label(cell)
    return f"{label} (accuracy)" if bench.is_mixed and cell.runs and cell.metric == "accuracy" else label


def task_label(bench: "Bench", task: str) -> str:
    """Write a task's name, with a dagger where any of its data are embedded, and its metric as `cell_label` does."""
    return max((cell_label(cell) for cell in bench.of_task(task)), key=len, default=task)


def panel_label(bench: "Bench", task: str) -> str:
    """Write a task's name over a panel of its own: with metric and unit where not all panels have the same."""
    cell = next((cell for cell in bench.of_task(task) if cell.runs), None)
    if cell is None or not bench.is_mixed:
        return task_label(bench, task)
    label = line_label(bench, cell)
    return label.removesuffix(")") + ", %)" if cell.is_fraction else label


def listed(words: Sequence[str]) -> str:
    """Join words as a sentence does.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))
