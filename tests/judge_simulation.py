"""What the judge's words and intervals are worth: planted dockets, beside the rules that it replaces.

    python -m tests.judge_simulation --dockets 10000

A docket is a family of 7 tasks on which two arms are compared after each seed, from 2 to 30. A word counts if it fell
at any look, and seeds go on being added after it did: the most that looking can find. Differences and margins are in
standard deviations of a seed.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from scipy import special, stats

from fpt_bench.analysis.e_values import (
    Floats,
    bounded_log_evidence,
    e_bh,
    learned_log_evidence,
    normal_log_evidence,
    welch_degrees,
)
from fpt_bench.analysis.intervals import mean_over_tasks, welch_difference

TASKS, SEEDS, LEVEL, MARGIN = 7, 30, 0.05, 1.5
SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "skewed": lambda rng, size: (rng.beta(5, 1, size) - 5 / 6) / np.sqrt(5 / 252),
    "bimodal": lambda rng, size: (rng.choice([-1.0, 1.0], size) + 0.2 * rng.standard_normal(size)) / np.sqrt(1.04),
    "collapsing": lambda rng, size: ((rng.random(size) > 0.1) - 0.9 + 0.05 * rng.standard_normal(size)) / 0.3041,
    "flat": lambda _, size: np.zeros(size),
}
"""Seeds of mean 0 and deviation 1; `collapsing`: one in ten falls far; `flat`: no spread at all."""
KINDS = [("normal", "normal"), ("skewed", "skewed"), ("bimodal", "bimodal")]
LIMITS = [
    ("normal", "flat"),
    ("skewed", "flat"),
    ("bimodal", "flat"),
    ("collapsing", "collapsing"),
    ("collapsing", "flat"),
]
"""Arms of unlike spread; and seeds of which the first few show nothing of what the others do."""
SCORES = [0.99, 0.95, 0.38, 0.93, 0.45, 0.34, 0.12], [0.01, 0.03, 0.01, 0.02, 0.02, 0.02, 0.02]
"""Means and deviations of seven tasks, about those of a bench."""


def moments(scores: Floats) -> tuple[Floats, Floats]:
    """Return means and variances of the first 2, 3, ... seeds along the last axis."""
    n = np.arange(1, scores.shape[-1] + 1)
    means = scores.cumsum(-1) / n
    squares = (scores**2).cumsum(-1) - n * means**2
    return means[..., 1:], squares[..., 1:].clip(0) / (n[1:] - 1)


class Looks:
    """Two arms' seeds, (..., SEEDS), at every look."""

    def __init__(self, first: Floats, second: Floats) -> None:
        (a, va), (b, vb) = moments(first), moments(second)
        self.difference, self.variances = a - b, (va, vb)
        self.n = np.arange(2, first.shape[-1] + 1)

    def log_above(self, at: float) -> Floats:
        return normal_log_evidence(self.difference - at, self.variances, (self.n, self.n))

    def log_below(self, at: float) -> Floats:
        return normal_log_evidence(at - self.difference, self.variances, (self.n, self.n))

    def words(self, margin: float) -> dict[str, np.ndarray]:
        """Return where each word falls by the judge: (..., tasks, looks)."""
        same = np.minimum(self.log_above(-margin), self.log_below(margin))
        found = {"better": self.log_above(0), "worse": self.log_below(0), "same": same}
        return {word: np.swapaxes(e_bh(np.swapaxes(log, -1, -2), LEVEL), -1, -2) for word, log in found.items()}

    def words_of_intervals(self, margin: float) -> dict[str, np.ndarray]:
        """Return where each word falls by the rule that is replaced: Welch's 95 % interval at each look."""
        error = np.sqrt(sum(v / self.n for v in self.variances))
        half = special.stdtrit(welch_degrees(self.variances, (self.n, self.n)), 0.975) * error
        low, high = self.difference - half, self.difference + half
        return {"better": low > 0, "worse": high < 0, "same": (low > -margin) & (high < margin)}


def draw(rng: np.random.Generator, dockets: int, kinds: tuple[str, str], shift: Floats) -> Looks:
    """Draw dockets whose first arm is better by `shift`, (TASKS,)."""
    size = (dockets, TASKS, SEEDS)
    return Looks(SHAPES[kinds[0]](rng, size) + shift[:, None], SHAPES[kinds[1]](rng, size))


def share_with_any(fell: np.ndarray, tasks: slice = slice(None)) -> float:
    """Return the share of dockets in which a word fell on any of the tasks at any look."""
    return float(fell[:, tasks].any((1, 2)).mean())


def false_words(dockets: int, kinds: tuple[str, str], seed: int) -> dict[str, float]:
    """Return the shares of dockets with a false word, by the judge and by the rule that it replaces.

    Nothing true: all tasks alike (better), or all exactly at the margin (same). Mixed: three tasks on which the word is
    right lend the four others a lower threshold.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, float] = {}
    quarter = np.array([1.0] * 3 + [0.0] * 4)
    for name, none, mixed in (
        ("better", 0.0 * quarter, 3 * quarter),
        ("same", MARGIN + 0 * quarter, MARGIN * (1 - quarter)),
    ):
        looks = draw(rng, dockets, kinds, none)
        found[f"{name}, judge"] = share_with_any(looks.words(MARGIN)[name])
        found[f"{name}, intervals"] = share_with_any(looks.words_of_intervals(MARGIN)[name])
        found[f"{name}, mixed, judge"] = share_with_any(
            draw(rng, dockets, kinds, mixed).words(MARGIN)[name], slice(3, None)
        )
    # The other side of the margin: a skew that helps on one side hurts on the other.
    found["same below, judge"] = share_with_any(draw(rng, dockets, kinds, -MARGIN - 0 * quarter).words(MARGIN)["same"])
    return found


def seeds_needed(dockets: int, kinds: tuple[str, str], word: str, size: float, seed: int) -> tuple[float, float, float]:
    """Return seeds an arm until the word falls on a task, median and 80 %, and the share on which it falls by 30.

    *better* at a difference of `size` deviations; *same* at none, with a margin of `size`. All tasks alike.
    """
    rng = np.random.default_rng(seed)
    shift = np.full(TASKS, size if word == "better" else 0.0)
    fell = draw(rng, dockets, kinds, shift).words(size)[word]
    first = np.where(fell.any(-1), fell.argmax(-1) + 2, np.inf)
    median, most = np.quantile(first, [0.5, 0.8], method="higher")
    return float(median), float(most), float(fell.any(-1).mean())


def coverage_at_every_look(repeats: int, kinds: tuple[str, str], seed: int) -> float:
    """Return how often the interval that holds at every look holds the true difference at all looks from 2 to 30."""
    rng = np.random.default_rng(seed)
    looks = draw(rng, repeats // TASKS, kinds, np.zeros(TASKS))
    left = np.maximum(looks.log_above(0), looks.log_below(0)) >= np.log(2 / LEVEL)
    return 1 - float(left.any(-1).mean())


def coverage_of_bounded(repeats: int, seed: int) -> float:
    """Return the same without an assumption: scores that collapse from 1 to 0.5 once in ten against 0.95."""
    rng = np.random.default_rng(seed)
    differences = (1 - 0.5 * (rng.random((repeats, SEEDS)) < 0.1)) - 0.95
    left = np.zeros(repeats, dtype=bool)
    for n in range(2, SEEDS + 1):
        for sign in (1, -1):
            left |= bounded_log_evidence(sign * differences[:, :n], 0.0, 1.0) >= np.log(2 / LEVEL)
    return 1 - float(left.mean())


@cache
def _learned(k: int, other: int, n: int, exceeded: float) -> float:
    return learned_log_evidence((k, n), (other, n), exceeded)


def learned_words(repeats: int, chances: tuple[float, float], margin: float, seed: int) -> dict[str, float]:
    """Return how often each word falls at any look where seeds learn or do not, on a single task."""
    rng = np.random.default_rng(seed)
    counts = [(rng.random((repeats, SEEDS)) < chance).cumsum(-1) for chance in chances]
    fell = dict.fromkeys(("better", "same", "outside"), 0)
    for a, b in zip(*counts, strict=True):
        looks = [(int(a[n - 1]), int(b[n - 1]), n) for n in range(2, SEEDS + 1)]
        fell["better"] += any(_learned(k, o, n, 0.0) >= np.log(1 / LEVEL) for k, o, n in looks)
        sides = [min(_learned(k, o, n, -margin), _learned(o, k, n, -margin)) for k, o, n in looks]
        fell["same"] += max(sides) >= np.log(1 / LEVEL)
        true = round(chances[0] - chances[1], 6)
        outside = [max(_learned(k, o, n, true), _learned(o, k, n, -true)) for k, o, n in looks]
        fell["outside"] += max(outside) >= np.log(2 / LEVEL)
    return {word: count / repeats for word, count in fell.items()}


def bootstrapped(strata: Floats) -> tuple[float, float]:
    """Return a percentile interval of the interquartile mean, seeds drawn again within each task (rliable)."""

    def statistic(*samples: Floats, axis: int) -> Floats:
        return np.asarray(stats.trim_mean(np.concatenate(samples, axis=axis), 0.25, axis=axis))

    drawn = stats.bootstrap(tuple(strata), statistic, n_resamples=2000, method="percentile", rng=0)
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def fixed_coverage(repeats: int, n: int, seed: int) -> dict[str, float]:
    """Return how often intervals for a fixed number of seeds hold what they estimate; of two arms on seven tasks.

    The bootstrap is asked for what the interquartile mean of as many seeds is on average: none is kinder to it.
    """
    rng = np.random.default_rng(seed)
    means, deviations = (np.array(values)[:, None] for values in SCORES)
    other = 2 * deviations
    many = means + deviations * rng.standard_normal((20_000, TASKS, n))
    middle = float(stats.trim_mean(many.reshape(len(many), -1), 0.25, axis=1).mean())
    held = dict.fromkeys(("welch", "mean over tasks", "bootstrap of interquartile mean"), 0)
    for _ in range(repeats):
        first = means + deviations * rng.standard_normal((TASKS, n))
        second = means + other * rng.standard_normal((TASKS, n))
        welch = welch_difference(first[0], second[0]).interval
        mean = mean_over_tasks(list(zip(first, second, strict=True)))
        held["welch"] += welch.low <= 0 <= welch.high
        held["mean over tasks"] += mean.low <= 0 <= mean.high
        low, high = bootstrapped(first)
        held["bootstrap of interquartile mean"] += low <= middle <= high
    return {name: count / repeats for name, count in held.items()}


def report(dockets: int) -> Iterator[str]:
    """Yield every table, line by line."""
    yield f"Dockets with a false word at any look, of {dockets}; 7 tasks, 2 to 30 seeds, margin {MARGIN} deviations"
    for kinds in (*KINDS, *LIMITS):
        found = false_words(dockets, kinds, seed=1)
        yield f"  {' against '.join(kinds):28} " + "; ".join(f"{name} {share:.4f}" for name, share in found.items())
    yield "Seeds an arm, median / 80 % (share by 30), families of 7 alike"
    for word in ("better", "same"):
        for kinds in KINDS:
            costs = [
                (size, seeds_needed(max(dockets // 10, 100), kinds, word, size, seed=2)) for size in (1, 1.5, 2, 3, 5)
            ]
            yield f"  {word} {kinds[0]:8} " + "; ".join(
                f"{s} sd: {m:.0f} / {p:.0f} ({f:.2f})" for s, (m, p, f) in costs
            )
    yield "Coverage at all looks together, of 95 % intervals"
    for kinds in (*KINDS, *LIMITS):
        yield f"  {' against '.join(kinds):28} {coverage_at_every_look(10 * dockets, kinds, seed=3):.4f}"
    yield f"  bounded, collapsing          {coverage_of_bounded(dockets, seed=4):.4f}"
    yield "Who learned: how often a word falls by 30 seeds, margin 0.3; outside: the interval loses the true difference"
    for chances in ((0.5, 0.5), (0.9, 0.9), (0.1, 0.1), (0.95, 0.65), (1.0, 0.7), (0.9, 0.5), (0.9, 0.1), (1.0, 1.0)):
        found = learned_words(max(dockets // 5, 200), chances, 0.3, seed=5)
        yield f"  {chances[0]:.2f} against {chances[1]:.2f}  " + "; ".join(f"{k} {v:.4f}" for k, v in found.items())
    yield "Coverage of 95 % intervals for a fixed number of seeds"
    for n in (3, 5, 8):
        found = fixed_coverage(max(dockets // 5, 100), n, seed=6)
        yield f"  {n} seeds  " + "; ".join(f"{name} {share:.3f}" for name, share in found.items())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--dockets", type=int, default=1000)
    for line in report(parser.parse_args().dockets):
        print(line, flush=True)
