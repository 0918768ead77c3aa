"""Intervals, paired differences and convergence measures, on scipy. Pure functions over numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from fpt_bench.analysis.intervals import welch_difference

CONFIDENCE = 0.95
CONVERGED_SHARE = 0.9
"""Share of the way from floor to target that counts as converged."""
RESAMPLES = 2000
"""Of a bootstrap; its generator is seeded, so that a table is the same every time."""

Curve = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its t-interval; the interval is infinite where n = 1."""

    mean: float
    deviation: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


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
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * deviation / math.sqrt(n)
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


def normalise(score: float, floor: float, perfect: float = 1.0) -> float:
    """Return (score - floor) / (perfect - floor): 0 needs no learning, 1 is perfect; negative if worse than the floor.

    Example:
        >>> normalise(0.75, floor=0.5), normalise(1.0, floor=4.0, perfect=0.0)
        (0.5, 0.75)
    """
    return (score - floor) / (perfect - floor)


def estimate_interquartile_mean(strata: Sequence[Sequence[float]]) -> Estimate:
    """Estimate the mean of the middle half of all values, with a stratified bootstrap's 95 % percentile interval.

    Runs are drawn again within each stratum (a task), never across: the interval says how far other seeds could move
    the figure, and nothing about other tasks. After Agarwal et al. 2021 (rliable). It is infinite where a stratum has
    one value; `n` is the size of the smallest stratum.

    Example:
        >>> e = estimate_interquartile_mean([[0.0, 0.2], [0.4, 1.0]])
        >>> round(e.mean, 3), e.n
        (0.3, 2)
    """
    arrays = [np.asarray(values, dtype=float) for values in strata]
    n = min(len(values) for values in arrays)
    middle = float(stats.trim_mean(np.concatenate(arrays), 0.25))
    if n < 2:
        return Estimate(middle, math.nan, -math.inf, math.inf, n)

    def statistic(*samples: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(stats.trim_mean(np.concatenate(samples, axis=axis), 0.25, axis=axis))

    drawn = stats.bootstrap(
        tuple(arrays), statistic, n_resamples=RESAMPLES, method="percentile", confidence_level=CONFIDENCE, rng=0
    )
    interval = drawn.confidence_interval
    return Estimate(middle, float(drawn.standard_error), float(interval.low), float(interval.high), n)


def converged_accuracy(floor: float, target: float) -> float:
    """Return the score that counts as converged: nine tenths of the way from floor to target.

    Example:
        >>> round(converged_accuracy(0.5, 1.0), 3)
        0.95
    """
    return floor + CONVERGED_SHARE * (target - floor)


def steps_to_reach(curve: Curve, score: float, higher_is_better: bool = True) -> float:
    """Return the first validated step at which the score is reached; infinity where it never is.

    Example:
        >>> steps_to_reach([(50, 0.6), (100, 0.9), (150, 0.8)], 0.85)
        100.0
        >>> steps_to_reach([(50, 0.6), (100, 0.3)], 0.4, higher_is_better=False)
        100.0
    """
    there = (step for step, value in curve if (value >= score if higher_is_better else value <= score))
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
    normalised = (np.array(values) - floor) / (perfect - floor)
    return float(np.trapezoid(normalised, steps) / max_steps)


def speed_up(steps: Sequence[float], baseline_steps: Sequence[float]) -> float | None:
    """Return how many times fewer steps the median run needs than the baseline's; None unless both medians are finite.

    Example:
        >>> speed_up([100, 100, 200], [400, 500, math.inf])
        5.0
    """
    median, baseline = float(np.median(steps)), float(np.median(baseline_steps))
    return baseline / median if math.isfinite(median) and math.isfinite(baseline) else None
