"""Arms over several tasks: their means, how often a run of one beats one of another, which share of runs gets how far.

The latter two after Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice (section
4). Strata are tasks, each a list of normalised scores, one a seed; pure functions over numbers.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fpt_bench.analysis.statistics import CONFIDENCE, Estimate, estimate_mean_of_means

Strata = Sequence[Sequence[float]]
_RESAMPLES = 2000
ALIKE = 1e-9
"""Scores nearer than this are a tie."""


@dataclass(frozen=True)
class Overall:
    """An arm over all tasks in which every arm has a score."""

    arm: str
    tasks: tuple[str, ...]
    estimate: Estimate
    """Mean over tasks of the normalised accuracy: 0 is a task's floor, 1 perfect."""
    delta: Estimate | None
    """The same minus that of the arm that it is compared with; None where it is compared with none."""
    improvement: Estimate | None
    """The chance that a run beats one of that arm, every task alike; None where there is none."""
    scores: tuple[tuple[float, ...], ...]
    """Normalised, a tuple a task, in the order of the seeds."""


def compare_across_tasks(
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    opponents: Mapping[str, str | None],
    in_groups: Collection[tuple[str, str]] = (),
) -> tuple[Overall, ...]:
    """Judge all arms by the same tasks: those in which every arm has a score; nothing where those are fewer than two.

    Args:
        scores: normalised, one a seed, by task and arm.
        opponents: by arm, in the order of the outcome, the arm that it is compared with.
        in_groups: tasks and arms whose seeds fall into two groups: no mean that they are in has an interval.
    """
    tasks = tuple(task for task, arms in scores.items() if all(map(arms.get, opponents)))
    if len(tasks) < 2:
        return ()
    by_arm = {arm: [scores[task][arm] for task in tasks] for arm in opponents}
    weights = [1 / len(tasks)] * len(tasks) + [-1 / len(tasks)] * len(tasks)
    apart = {arm for task, arm in in_groups if task in tasks}
    found = []
    for arm, strata in by_arm.items():
        other = by_arm.get(opponents[arm] or "")
        mean = estimate_mean_of_means(strata)
        delta = None if other is None else estimate_mean_of_means([*strata, *other], weights)
        improvement = None if other is None else probability_of_improvement(strata, other)
        if arm in apart:
            mean = mean.without_interval()
        if delta is not None and apart & {arm, opponents[arm]}:
            delta = delta.without_interval()
        found.append(Overall(arm, tasks, mean, delta, improvement, tuple(map(tuple, strata))))
    return tuple(found)


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
