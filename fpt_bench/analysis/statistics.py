"""Intervals, paired differences and convergence measures, on scipy. Pure functions over numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from fpt_bench.analysis.intervals import mean_of_means, reaches, welch_difference

CONFIDENCE = 0.95
SEEN = 1e-9
"""A narrower spread is that of rounded floats."""

Curve = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its t-interval, which is infinite where n = 1, or where seeds fall into two groups."""

    mean: float
    deviation: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    @property
    def has_width(self) -> bool:
        """Whether seeds differ: an interval of no width says nothing of what other seeds would do."""
        return self.half_width > SEEN

    def without_interval(self) -> "Estimate":
        """Return the mean alone: an interval describes no seeds in two groups."""
        return replace(self, low=-math.inf, high=math.inf)


def estimate_mean(values: Sequence[float]) -> Estimate:
    """Estimate a mean from independent values, with Student's 95 % interval.

    Why not a bootstrap: at n = 3 its percentile interval covers about 75 % instead of 95 %.

    Example:
        >>> e = estimate_mean([0.1, 0.2, 0.3])
        >>> round(e.mean, 3), round(e.low, 3), round(e.high, 3)
        (0.2, -0.048, 0.448)
    """
    n = len(values)
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, math.nan, -math.inf, math.inf, 1)
    deviation = float(np.std(values, ddof=1))
    half = float(special.stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(n)
    return Estimate(mean, deviation, mean - half, mean + half, n)


def estimate_paired_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Estimate mean(first - second) from runs that share seed, data order and input layer, one by one."""
    return estimate_mean([a - b for a, b in zip(first, second, strict=True)])


def estimate_welch_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Estimate mean(first) - mean(second) from unpaired runs, by Welch's t-interval; at least two values each.

    Example:
        >>> e = estimate_welch_difference([0.2, 0.4], [0.1, 0.1])
        >>> round(e.mean, 3), e.n
        (0.2, 2)
    """
    n = min(len(first), len(second))
    if n < 2:
        return Estimate(float(np.mean(first) - np.mean(second)), math.nan, -math.inf, math.inf, n)
    found = welch_difference(first, second, 1 - CONFIDENCE)
    interval = found.interval
    return Estimate(interval.estimate, found.error * math.sqrt(n), interval.low, interval.high, n)


def whole_way(floor: float, perfect: float) -> float:
    """Return the way from floor to perfect, negative where lower is better; 1 where the floor is perfect already."""
    return (perfect - floor) or 1.0


def normalise(score: float, floor: float, perfect: float = 1.0) -> float:
    """Return (score - floor) / (perfect - floor): 0 needs no learning, 1 is perfect; negative if worse than the floor.

    Example:
        >>> normalise(0.75, floor=0.5), normalise(1.0, floor=4.0, perfect=0.0)
        (0.5, 0.75)
    """
    return (score - floor) / whole_way(floor, perfect)


def estimate_mean_of_means(strata: Sequence[Sequence[float]], weights: Sequence[float] | None = None) -> Estimate:
    """Estimate the mean over strata (tasks) of their means, or another weighted sum, by Satterthwaite's 95 % interval.

    Seeds are drawn again, tasks are not: it says nothing about other tasks. The interval is infinite where a stratum
    has one value; `n` is the size of the smallest stratum, and the deviation is the sum's own.

    Example:
        >>> e = estimate_mean_of_means([[0.0, 0.2], [0.4, 1.0]])
        >>> round(e.mean, 3), round(e.low, 3), round(e.high, 3), e.n
        (0.4, -0.927, 1.727, 2)
    """
    each = [1 / len(strata)] * len(strata) if weights is None else list(weights)
    n = min(len(values) for values in strata)
    if n < 2:
        mean = float(sum(weight * np.mean(values) for weight, values in zip(each, strata, strict=True)))
        return Estimate(mean, math.nan, -math.inf, math.inf, n)
    found = mean_of_means(strata, each, 1 - CONFIDENCE)
    variance = sum(w * w * np.var(v, ddof=1) / len(v) for w, v in zip(each, strata, strict=True))
    return Estimate(found.estimate, math.sqrt(float(variance)), found.low, found.high, n)


def steps_to_reach(curve: Curve, score: float, higher_is_better: bool = True) -> float:
    """Return the first validated step at which the score is reached; infinity where it never is.

    Example:
        >>> steps_to_reach([(50, 0.6), (100, 0.9), (150, 0.8)], 0.85)
        100.0
        >>> steps_to_reach([(50, 0.6), (100, 0.3)], 0.4, higher_is_better=False)
        100.0
    """
    there = (step for step, value in curve if reaches(value, score, higher_is_better))
    return float(next(there, math.inf))


def area_under_curve(curve: Curve, floor: float, max_steps: int, perfect: float = 1.0) -> float:
    """Return the mean over [0, max_steps] of (score - floor) / (perfect - floor), by trapezoids.

    The curve starts at the floor at step 0; after an early stop the last value carries on.

    Example:
        >>> area_under_curve([(50, 1.0)], floor=0.5, max_steps=100)
        0.75
    """
    steps = [0, *(step for step, _ in curve), max_steps]
    values = [floor, *(value for _, value in curve)]
    values.append(values[-1])
    normalised = (np.array(values) - floor) / whole_way(floor, perfect)
    return float(np.trapezoid(normalised, steps) / max_steps)


Arrival = tuple[float, float]
"""First validated step at a target, infinity where a run never arrives; and the validation before it, else 0."""


def estimate_speed_up(ours: Sequence[Arrival], theirs: Sequence[Arrival]) -> Estimate | None:
    """Estimate how many times fewer steps the median run needs than the baseline's; None unless both are finite.

    The interval is Welch's on logarithms of steps, for steps of which the logarithm is about normal. A step is known to
    one validation alone, so it is as wide as it can be where the true ones lie anywhere since the validation before.
    It is infinite where a run does not arrive, an arm has one, or the ratio is outside of it: then logarithms are not
    about normal. `deviation` is NaN: there is none of a ratio.

    Args:
        ours, theirs: of each run, those of the baseline second.

    Example:
        >>> e = estimate_speed_up([(100, 75), (100, 75), (125, 100)], [(900, 875), (925, 900), (975, 950)])
        >>> round(e.mean, 2), round(e.low, 1), round(e.high, 1), e.n
        (9.25, 6.3, 16.6, 3)
    """
    steps, before = np.asarray(ours, dtype=float).T
    baseline_steps, baseline_before = np.asarray(theirs, dtype=float).T
    median, baseline, n = np.median(steps), np.median(baseline_steps), min(len(ours), len(theirs))
    if not math.isfinite(median) or not math.isfinite(baseline):
        return None
    low, high = -math.inf, math.inf
    if n > 1 and np.isfinite([*steps, *baseline_steps]).all():
        first, last = (np.log(np.maximum(values, 1)) for values in (before, baseline_before))
        low = math.exp(welch_difference(last, np.log(steps), 1 - CONFIDENCE).interval.low)
        high = math.exp(welch_difference(np.log(baseline_steps), first, 1 - CONFIDENCE).interval.high)
    ratio = float(baseline / median)
    return Estimate(ratio, math.nan, *((low, high) if low <= ratio <= high else (-math.inf, math.inf)), n)
