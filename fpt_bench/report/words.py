"""How numbers and names are written for people: each way once."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpt_bench.analysis.cells import Bench, Cell
    from fpt_bench.analysis.statistics import Estimate

DAGGER = "†"
"""Marks embedded data, small stand-ins."""


def percent(accuracy: float | None) -> str:
    """Write a fraction as percent, or a dash where there is none.

    Example:
        >>> percent(0.975), percent(None)
        ('97.5 %', '-')
    """
    return "-" if accuracy is None else f"{100 * accuracy:.1f} %"


def points(value: float | None, sign: str = "") -> str:
    """Write a fraction in percent or percentage points, without a unit; nothing where there is none.

    Example:
        >>> points(0.975), points(0.02, "+"), points(None)
        ('97.5', '+2.0', '')
    """
    return "" if value is None else f"{100 * value:{sign}.1f}"


def plus_minus(estimate: "Estimate", sign: str = "") -> str:
    """Write a fraction in percent with the half-width of its interval, where that is finite.

    Example:
        >>> from fpt_bench.analysis.statistics import Estimate
        >>> plus_minus(Estimate(0.971, 0.0, 0.967, 0.975, 3))
        '97.1 ± 0.4'
    """
    width = f" ± {100 * estimate.half_width:.1f}" if math.isfinite(estimate.low) else ""
    return f"{points(estimate.mean, sign)}{width}"


def steps(count: float, max_steps: int) -> str:
    """Write optimizer steps to a target, or that it was not reached.

    Example:
        >>> steps(60.0, 400), steps(math.inf, 400)
        ('60', '>400')
    """
    return f"{count:.0f}" if math.isfinite(count) else f">{max_steps}"


def times(estimate: "Estimate") -> str:
    """Write a ratio with its interval, where that is finite.

    Example:
        >>> from fpt_bench.analysis.statistics import Estimate
        >>> times(Estimate(9.25, math.nan, 6.12, 17.0, 3)), times(Estimate(2.0, math.nan, -math.inf, math.inf, 1))
        ('9.2x (6.1 to 17)', '2.0x')
    """
    ends = [f"{end:.0f}" if end >= 9.95 else f"{end:.1f}" for end in (estimate.low, estimate.high)]
    return f"{estimate.mean:.1f}x" + (f" ({' to '.join(ends)})" if math.isfinite(estimate.high) else "")


def cell_label(cell: "Cell") -> str:
    """Write a cell's task, with a dagger where its data are embedded."""
    return f"{cell.task}{DAGGER if cell.is_embedded else ''}"


def task_label(bench: "Bench", task: str) -> str:
    """Write a task's name, with a dagger where any of its data are embedded."""
    return f"{task}{DAGGER if any(cell.is_embedded for cell in bench.of_task(task)) else ''}"


def listed(words: Sequence[str]) -> str:
    """Join words as a sentence does.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))
