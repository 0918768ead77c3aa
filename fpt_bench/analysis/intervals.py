"""Intervals for a number of seeds fixed beforehand, and those that hold at every look. numpy and scipy alone."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fpt_bench.analysis.e_values import Floats, welch_degrees

_FAR = 1e6
"""Further than any share of a gain is looked for."""
_ROUNDED = 1e-6
"""Scores are counted in 32 bits: of two that are equal one may lie this share of it below the other."""


@dataclass(frozen=True)
class Interval:
    """A difference, first minus second, and how far it is known. Without a spread to see, low = high."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class FixedDifference:
    """Welch's interval of a difference, and the two-sided p-value of its being zero; for a fixed number of seeds."""

    interval: Interval
    error: float
    """Standard error of the difference."""
    p: float


def welch_difference(first: ArrayLike, second: ArrayLike, level: float = 0.05) -> FixedDifference:
    """Compare two arms of at least two seeds each, their number fixed before the first look.

    Example:
        >>> found = welch_difference([0.88, 0.90, 0.92], [0.70, 0.74, 0.78])
        >>> round(found.interval.low, 3), round(found.interval.high, 3), round(found.p, 3)
        (0.077, 0.243, 0.009)
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    variances, counts = (a.var(ddof=1), b.var(ddof=1)), (len(a), len(b))
    difference = float(a.mean() - b.mean())
    error = math.sqrt(variances[0] / counts[0] + variances[1] / counts[1])
    if error == 0:
        return FixedDifference(Interval(difference, difference, difference), 0.0, float(difference == 0))
    df = float(welch_degrees(variances, counts))
    half = float(special.stdtrit(df, 1 - level / 2)) * error
    p = 2 * float(special.stdtr(df, -abs(difference) / error))
    return FixedDifference(Interval(difference, difference - half, difference + half), error, p)


def reaches(score: float, target: float, higher_is_better: bool = True) -> bool:
    """Return whether a score is as good as another, up to the rounding of scores.

    Example:
        >>> reaches(float(np.float32(0.9)), 0.9), reaches(0.8999, 0.9), reaches(0.2, 0.1, higher_is_better=False)
        (True, False, False)
    """
    ahead = score - target if higher_is_better else target - score
    return ahead >= -_ROUNDED * abs(target)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for a family: at most `level` means significant, any wrong one with that probability.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return [float(value) for value in adjusted]


def mean_over_tasks(pairs: Sequence[tuple[ArrayLike, ArrayLike]], level: float = 0.05) -> Interval:
    """Estimate the mean over tasks of the difference of two arms, with Satterthwaite's t.

    Seeds are drawn again, tasks are not: it says nothing about other tasks. For a fixed number of seeds.

    Args:
        pairs: the scores of the first and the second arm, task by task; at least two seeds each.

    Example:
        >>> found = mean_over_tasks([([0.9, 0.7], [0.5, 0.5]), ([0.6, 0.6], [0.6, 0.6])])
        >>> round(found.estimate, 3), round(found.low, 3), round(found.high, 3)
        (0.15, -0.485, 0.785)
    """
    return mean_of_means(
        [scores for pair in pairs for scores in pair], [1 / len(pairs), -1 / len(pairs)] * len(pairs), level
    )


def mean_of_means(groups: Sequence[ArrayLike], weights: Sequence[float], level: float = 0.05) -> Interval:
    """Estimate a weighted sum of the means of groups of seeds, with Satterthwaite's t; at least two seeds each.

    Example:
        >>> found = mean_of_means([[0.9, 0.7], [0.6, 0.6]], [0.5, 0.5])
        >>> round(found.estimate, 3), round(found.low, 3), round(found.high, 3)
        (0.7, 0.065, 1.335)
    """
    arms = [np.asarray(scores, dtype=float) for scores in groups]
    estimate = float(sum(weight * arm.mean() for weight, arm in zip(weights, arms, strict=True)))
    parts = np.array([arm.var(ddof=1) / len(arm) for arm in arms]) * np.asarray(weights) ** 2
    degrees = np.array([len(arm) - 1 for arm in arms])
    below = float((parts**2 / degrees).sum())
    if below == 0:
        return Interval(estimate, estimate, estimate)
    half = float(special.stdtrit(parts.sum() ** 2 / below, 1 - level / 2) * math.sqrt(parts.sum()))
    return Interval(estimate, estimate - half, estimate + half)


def share_of_gain(scores: ArrayLike, baseline: ArrayLike, best: ArrayLike) -> Interval | None:
    """Estimate the share of one arm's gain over a baseline that another arm has, all three independent.

    The interval is Fieller's: the shares s at which scores - baseline - s (best - baseline) is not told from 0, by
    Satterthwaite's t. It has no ends where the other arm has one seed.

    Returns:
        None where the gain is not above 0 by Welch's interval: then it has no shares.

    Example:
        >>> found = share_of_gain([0.58, 0.60, 0.62], [0.49, 0.50, 0.51], [0.89, 0.90, 0.91])
        >>> round(found.estimate, 3), round(found.low, 3), round(found.high, 3)
        (0.25, 0.144, 0.359)
    """
    ours, low, high = (np.asarray(values, dtype=float) for values in (scores, baseline, best))
    if min(len(low), len(high)) < 2 or welch_difference(high, low).interval.low <= 0:
        return None
    share = float((ours.mean() - low.mean()) / (high.mean() - low.mean()))
    if len(ours) < 2:
        return Interval(share, -math.inf, math.inf)

    def refuted(wrong: float) -> bool:
        found = mean_of_means([ours, low, high], [1.0, wrong - 1.0, -wrong])
        return not found.low <= 0 <= found.high

    return Interval(share, _border(refuted, share - _FAR, share), _border(refuted, share + _FAR, share))


def wilson_half_width(share: float, n: int, level: float = 0.05) -> float:
    """Return half the width of Wilson's interval of a share of n examples, which is above zero at 0 and 1, too.

    Example:
        >>> round(wilson_half_width(0.5, 1000), 4), round(wilson_half_width(1.0, 128), 4)
        (0.0309, 0.0146)
    """
    z = float(special.ndtri(1 - level / 2))
    return z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))


def confidence_sequence(
    estimate: float, width: float, level: float, above: Callable[[float], float], below: Callable[[float], float]
) -> Interval:
    """Return the differences that no evidence refutes: they hold the true one at all looks together, at 1 - `level`.

    Args:
        width: of the range of scores; a difference lies in [-width, width].
        above: log e-value against a difference <= c, falling in c.
        below: log e-value against a difference >= c, rising in c.
    """
    threshold = math.log(2 / level)
    low = _border(lambda c: above(c) >= threshold, -width, estimate)
    high = _border(lambda c: below(c) >= threshold, width, estimate)
    return Interval(estimate, low, high)


def _border(refuted: Callable[[float], bool], outer: float, inner: float) -> float:
    """Return where a statement stops being refuted on the way in, by halving; `outer` if it is not even there."""
    if not refuted(outer):
        return outer
    for _ in range(50):
        middle = (outer + inner) / 2
        outer, inner = (middle, inner) if refuted(middle) else (outer, middle)
    return outer


def groups_apart(scores: Floats, width: float) -> bool:
    """Tell whether an arm's scores fall into two groups far apart, as seeds that learn and seeds that do not.

    Example:
        >>> groups_apart(np.array([0.75, 0.75, 0.99]), 1.0), groups_apart(np.array([0.75, 0.80, 0.86]), 1.0)
        (True, False)
    """
    gaps = np.diff(np.sort(scores))
    return bool(gaps.max(initial=0) >= 0.15 * width and gaps.max(initial=0) > 0.5 * gaps.sum())
