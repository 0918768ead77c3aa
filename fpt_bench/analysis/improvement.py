"""How often a run of one arm beats a run of another, over tasks, and which share of runs gets how far.

Both after Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice (section 4).
Strata are tasks, each a list of normalised scores, one a seed; pure functions over numbers.
"""

from collections.abc import Sequence

import numpy as np

from fpt_bench.analysis.statistics import CONFIDENCE, Estimate

Strata = Sequence[Sequence[float]]
_RESAMPLES = 2000
ALIKE = 1e-9
"""Scores nearer than this are a tie."""


def probability_of_improvement(first: Strata, second: Strata) -> Estimate:
    """Estimate the chance that a run of the first beats a run of the second, on a task drawn at random; a tie is half.

    Its interval is the percentile bootstrap's, seeds drawn again within each task, as in the paper: too narrow where
    seeds are few, of no width where arms do not overlap, infinite where a task has one seed.

    Example:
        >>> e = probability_of_improvement([[0.9, 0.8], [0.5, 0.5]], [[0.1, 0.2], [0.5, 0.5]])
        >>> e.mean, e.low, e.high, e.n
        (0.75, 0.75, 0.75, 2)
    """
    pairs = list(zip(first, second, strict=True))
    won = [_wins(np.asarray(a), np.asarray(b)) for a, b in pairs]
    mean = float(np.mean([wins.mean() for wins in won]))
    n = min(len(values) for pair in pairs for values in pair)
    if n < 2:
        return Estimate(mean, np.nan, -np.inf, np.inf, n)
    generator = np.random.default_rng(0)
    again = np.mean([_resampled(wins, generator) for wins in won], axis=0)
    low, high = np.quantile(again, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(mean, float(np.std(again)), float(low), float(high), n)


def _wins(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return what each of the first (down) gets of each of the second (across): 1, 0, or of a tie a half."""
    apart = first[:, None] - second[None, :]
    return np.where(np.abs(apart) < ALIKE, 0.5, apart > 0)


def _resampled(wins: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the mean of wins with both sides' runs drawn again with replacement, (resamples,)."""
    sides = [generator.multinomial(size, np.full(size, 1 / size), _RESAMPLES) / size for size in wins.shape]
    return np.asarray(((sides[0] @ wins) * sides[1]).sum(axis=1))


def performance_profile(strata: Strata, scores: Sequence[float]) -> list[float]:
    """Return, for each of some scores, the share of runs that reach it, every task alike.

    Example:
        >>> performance_profile([[0.2, 0.4], [1.0, 1.0]], [0.3, 0.5, 1.0])
        [0.75, 0.5, 0.5]
    """
    return [float(np.mean([np.mean(np.asarray(task) >= score - ALIKE) for task in strata])) for score in scores]
