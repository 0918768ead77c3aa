"""How far seeds alone move a table: what the gate allows where runs cannot be the same bit for bit. Pure functions.

Every figure is in shares of the way from its task's floor (0) to perfection (1), so that tasks can be pooled.

A cell's deviation is its own or that of all cells pooled, whichever is larger, from the baseline's seeds alone: the
seeds that are judged must not widen what they are allowed. It is a guess from 2 to 8 seeds, and cells differ by a
factor of ten; the quantile is therefore Student's of n + 1 degrees of freedom, at 5 % shared among all figures of the
table. tests/analysis/test_seed_noise.py simulates what that comes to.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from scipy import stats

FALSE_ALARMS = 0.05
"""Of tables in which nothing but the seeds has changed."""
FIGURES = 2
"""Of a cell that are compared: score and area."""
LEAST_DEVIATION = 0.005
"""A deviation is never taken to be smaller, however equal the baseline's seeds are."""
OUT_OF_REACH = (7.0, 5.0)
"""Deviations from the mean from which an end of the scale is beyond what seeds do: with two kept seeds, with more."""
MOST_OF_THE_WAY = 0.75
"""Share of the way to the floor or to perfection that a run must have gone to count as being there."""


@dataclass(frozen=True)
class Spread:
    """Where one cell's figures lay in the baseline, and how far seeds alone move them."""

    mean: float
    n: int
    deviation: float
    """Infinite where no cell has two seeds: then nothing can be said."""
    quantile: float

    def allowed(self, n: int) -> float:
        """Return how far the mean of n other seeds may be from this one's, either way."""
        return self.quantile * self.deviation * math.sqrt(1 / self.n + 1 / n)

    def has_moved(self, values: Sequence[float]) -> bool:
        """Return whether the mean of these seeds is farther away than seeds alone would take it."""
        return abs(mean(values) - self.mean) > self.allowed(len(values))

    def has_gone_to(self, end: float, value: float) -> bool:
        """Return whether one run is at an end of the scale, 0 or 1, that was out of its seeds' reach."""
        way = (end - self.mean) * (1 if end else -1)
        gone = (value - self.mean) * (1 if end else -1)
        return way > OUT_OF_REACH[self.n > 2] * self.deviation and gone >= MOST_OF_THE_WAY * way

    def is_above(self, other: "Spread") -> bool:
        """Return whether this cell was better than another by more than seeds alone would make it."""
        error = math.hypot(self.deviation / math.sqrt(self.n), other.deviation / math.sqrt(other.n))
        return self.mean - other.mean > max(self.quantile, other.quantile) * error


def spreads(cells: Sequence[Sequence[float]]) -> list[Spread]:
    """Return the spread of each cell of a baseline.

    Args:
        cells: a value for each seed of each cell, as shares of the way from floor to perfection.

    Example:
        >>> quiet, loud = spreads([[0.50, 0.50, 0.50], [0.40, 0.50, 0.60]])
        >>> round(quiet.deviation, 3), round(loud.deviation, 3)
        (0.071, 0.1)
    """
    variances = [_variance(values) if len(values) > 1 else 0.0 for values in cells]
    freedom = [len(values) - 1 for values in cells]
    total = sum(freedom)
    pooled = sum(v * d for v, d in zip(variances, freedom, strict=True)) / total if total else math.inf
    tail = FALSE_ALARMS / (2 * FIGURES * len(cells)) if cells else 0.0
    return [
        Spread(
            mean=mean(values),
            n=len(values),
            deviation=max(LEAST_DEVIATION, math.sqrt(max(variance, pooled))),
            quantile=_quantile(tail, len(values) + 1),
        )
        for values, variance in zip(cells, variances, strict=True)
    ]


def mean(values: Sequence[float]) -> float:
    """Return the mean: of a few numbers, thousands of times, numpy would take ten times as long."""
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    middle = mean(values)
    return math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)


@cache
def _quantile(tail: float, freedom: int) -> float:
    return float(stats.t.isf(tail, freedom))
