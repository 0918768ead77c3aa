"""How scores are written that are not accuracies, and tables in which not all are."""

import math
import re
from typing import TYPE_CHECKING

from fpt_bench.analysis.statistics import normalise, whole_way

if TYPE_CHECKING:
    from fpt_bench.analysis.cells import Cell
    from fpt_bench.analysis.statistics import Estimate

WAY_TO_PERFECT = "% of the way from floor to perfect"
UNITS = {" %": " %", ", %": " %", ", pp": " pp"}
"""By how the head of a column says it, the unit that a fraction has in it."""


_OF_SCORES = {
    "accuracies": "scores", "accuracy": "score", "Accuracy": "Score", "(1 - floor)": "(perfect - floor)",
    " (%)": "", " (pp)": "", " in percentage points": " in percentage points or the metric's own units",
    ", in pp": ", in pp or the metric's own units", " in percent": " in percent or the metric's own units",
    " pp and more": " pp, or % of the way from floor to perfect, and more",
}  # fmt: skip
"""What is said of accuracies, and of scores of several metrics."""
_SAID = re.compile("|".join(map(re.escape, sorted(_OF_SCORES, key=len, reverse=True))))
"""Any of it, the longest first: one begins as another does."""


def metric_in_words(cell: "Cell") -> str:
    """Write what a cell's scores are, such as `mean absolute error, lower is better`."""
    return f"{cell.metric.replace('-', ' ')}{'' if cell.higher_is_better else ', lower is better'}"


def worded(sentence: str, mixed: bool) -> str:
    """Return a sentence about accuracies as one about scores, where a bench has other ones, too.

    Example:
        >>> worded("Area: mean of (validation accuracy - floor) / (1 - floor).", mixed=True)
        'Area: mean of (validation score - floor) / (perfect - floor).'
        >>> worded("Difference in percentage points.", mixed=True)
        "Difference in percentage points or the metric's own units."
    """
    return _SAID.sub(lambda found: _OF_SCORES[found[0]], sentence) if mixed else sentence


def head_of(column: str, mixed: bool) -> str:
    """Return the head of a column, without a unit where a table is mixed.

    Example:
        >>> head_of("accuracy %", mixed=False), head_of("accuracy %", mixed=True), head_of("floor %", mixed=True)
        ('accuracy %', 'score', 'floor')
    """
    if not mixed:
        return column
    bare = next((column.removesuffix(end) for end in UNITS if column.endswith(end)), column)
    return bare.replace("accuracy", "score")


def unit_of(column: str, cell: "Cell", mixed: bool) -> str:
    """Return the unit that stands behind a cell's number in a column: none where the head of the column has it."""
    if not mixed or not cell.is_fraction:
        return ""
    return next((unit for end, unit in UNITS.items() if column.endswith(end)), "")


def significant(value: float, sign: str = "") -> str:
    """Write a number with three significant digits.

    Example:
        >>> significant(0.12345), significant(-12.345, "+"), significant(1.5e-7)
        ('0.123', '-12.3', '1.50e-07')
    """
    if value and not 1e-5 < abs(value) < 1e9:
        return f"{value:{sign}.2e}"
    return f"{value:{sign},.{_decimals(value, 3)}f}"


def with_half_width(estimate: "Estimate", sign: str = "") -> str:
    """Write a number with the half-width of its interval in two digits, where that is finite and above 0.

    Example:
        >>> from fpt_bench.analysis.statistics import Estimate
        >>> with_half_width(Estimate(12.345, 0.0, 12.305, 12.385, 3)), with_half_width(Estimate(0.5, 0.0, 0.5, 0.5, 3))
        ('12.345 ± 0.040', '0.500')
    """
    half = estimate.half_width
    if not math.isfinite(half) or not estimate.has_width:
        return significant(estimate.mean, sign)
    places = min(_decimals(half, 2), 2 + _decimals(estimate.mean, 3))
    return f"{estimate.mean:{sign},.{places}f} ± {half:,.{places}f}"


def _decimals(value: float, digits: int) -> int:
    """Return how many decimals show so many significant digits of a number."""
    return max(0, digits - 1 - (math.floor(math.log10(abs(value))) if value else 0))


def place_of(cell: "Cell", score: float, mixed: bool) -> float:
    """Return where a score is drawn among all tasks: in percent, or in percent of the way from its floor to perfect."""
    return 100 * (normalise(score, cell.data.floor, cell.data.perfect) if mixed else score)


def length_of(cell: "Cell", difference: float, mixed: bool) -> float:
    """Return how long a difference of scores is drawn among all tasks: to the right where it is for the better."""
    return 100 * (difference / whole_way(cell.data.floor, cell.data.perfect) if mixed else difference)


def scale_of(cell: "Cell") -> float:
    """Return what a cell's scores are multiplied by to be drawn: fractions are drawn in percent."""
    return 100.0 if cell.is_fraction else 1.0
