"""The one place where *better*, *worse*, *same* and *open* come from: two arms' scores, task by task, in; verdicts out.

Seeds may be added one by one and judged after each, until a verdict falls: see docs/judging.md for what that costs and
assumes. numpy and scipy alone; nothing here knows what a bench is.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fpt_bench.analysis.e_values import (
    Floats,
    as_evidence,
    bounded_log_evidence,
    e_bh,
    learned_log_evidence,
    normal_log_evidence,
)
from fpt_bench.analysis.intervals import Interval, confidence_sequence, groups_apart, mean_over_tasks, reaches

Word = Literal["better", "worse", "same", "open"]
Seeds = Literal["normal", "bounded", "learned"]
LogEvidence = Callable[[float], float]

FLAT = 0.2
"""Share of the wider arm's range of seeds below which the other arm counts as flat."""
ENOUGH_TO_TELL = 5
"""Seeds an arm: of two alike arms of so many, one is flat in 1 % of cases; of two seeds each in 25, of three in 8."""
STUCK = 0.05
"""Share of the wider arm's range at which an arm will hardly cease to be flat. By five seeds so narrow, it is flat by
twenty in 99 % of cases where deviations differ eightfold, in 74 % where fivefold, of which 1 % are so."""
ONE_SIDED: Mapping[Word, str] = {"better": "above 0", "worse": "below 0", "same": "within the margin", "open": "any"}
"""What is settled of a difference whose interval says nothing: that has two sides, and a word takes less evidence."""
_ALL = 1.999
"""Width of an interval, in the largest difference that there can be, from which on it says nothing; two are all."""


@dataclass(frozen=True)
class Rule:
    """How arms are judged, fixed before the first score is seen.

    Args:
        margin: the smallest difference that matters, in units of the score, or of the chance to learn.
        level: the share of each word's verdicts that may be wrong, on average; a wrong one at all where none can fall.
        seeds: what is assumed of them. normal: about normal around each arm's mean. bounded: in the range, no more.
            learned: each reaches `reached` or does not.
        low, high: the range of scores.
        reached: the score that counts as learned.
        higher: whether a higher score is the better one.
        unit: in which two groups are far apart; None: the range, which one wild score of a family makes wider.

    Raises:
        ValueError: a margin that no difference can lie within or beyond, an empty range, a level that is no chance.
    """

    margin: float
    level: float = 0.05
    seeds: Seeds = "normal"
    low: float = 0.0
    high: float = 1.0
    reached: float | None = None
    higher: bool = True
    unit: float | None = None

    def __post_init__(self) -> None:
        if not (self.low < self.high and math.isfinite(self.high - self.low)):
            raise ValueError(f"expected a range of scores from low to high, got {self.low:g} to {self.high:g}")
        if not 0 < self.level < 1:
            raise ValueError(f"expected a level between 0 and 1, as 0.05, got {self.level:g}")
        if not 0 < self.margin < self.width:
            raise ValueError(
                f"expected a margin above 0 and below {self.width:g}, got {self.margin:g}: "
                "it is the smallest difference that matters, and no number of seeds shows a difference of nothing"
            )
        if (self.seeds == "learned") != (self.reached is not None):
            raise ValueError("expected the score that counts as learned where seeds are `learned`, and only there")
        if self.reached is not None and not self.low <= self.reached <= self.high:
            raise ValueError(
                f"expected the score that counts as learned from {self.low:g} to {self.high:g}, got {self.reached:g}"
            )

    @property
    def width(self) -> float:
        """Return the largest difference that there can be."""
        return 1.0 if self.seeds == "learned" else self.high - self.low

    @property
    def group_unit(self) -> float:
        """Return what the gap between two groups of seeds is measured in."""
        return self.unit or self.width


@dataclass(frozen=True)
class Verdict:
    """What is settled between two arms on a task, and what it rests on.

    Attributes:
        first, second: mean scores, or shares of seeds that learned.
        difference: first minus second, with the interval that holds at every look; the interval is wider than the
            verdict needs, since it has two sides.
        counts: seeds of both arms.
        learned: how many of them learned; None where that is not judged.
        better, worse, same: e-values for each word: against the first arm being no better, no worse, and a difference
            of the margin or more in either direction.
        apart: an arm's scores fall into two groups, so that `learned` would be the right rule, not `normal`.
        narrow: the range of seeds of the arm that varies less, as a share of the other's; 0 where neither varies, 1
            where seeds are not taken as normal.
        alike: no seed of either arm differs from another, while they are taken as normal.
        says_nothing: the interval holds all differences that there can be, as of few seeds.
    """

    task: str
    first: float
    second: float
    difference: Interval
    counts: tuple[int, int]
    learned: tuple[int, int] | None
    better: float
    worse: float
    same: float
    word: Word
    apart: bool
    narrow: float
    alike: bool
    says_nothing: bool

    @property
    def flat(self) -> bool:
        """Whether an arm hardly varies beside the other, or neither does: `normal` rests on one arm's spread alone."""
        return self.narrow <= FLAT

    @property
    def cautious(self) -> Word:
        """The word; *open* where it would rest on seeds that are visibly not about normal."""
        return "open" if self.apart or self.flat else self.word

    @property
    def stuck(self) -> bool:
        """Whether more seeds are hardly a way to a word: what holds it back is no accident of few seeds."""
        return (self.apart or self.narrow <= STUCK) and min(self.counts) >= ENOUGH_TO_TELL


@dataclass(frozen=True)
class Docket:
    """The verdicts of a family of tasks on two arms.

    Attributes:
        better_anywhere, worse_anywhere: e-values against the first arm being better, or worse, on none of the tasks:
            products over tasks, whose seeds are independent. They say that there is such a task, not which.
        mean: the mean of differences over tasks, its interval for a fixed number of seeds; None of who
            learned, and where a task's seeds fall into two groups.
    """

    verdicts: tuple[Verdict, ...]
    better_anywhere: float
    worse_anywhere: float
    mean: Interval | None

    def count(self, word: Word) -> int:
        """Return on how many tasks a word fell."""
        return sum(verdict.word == word for verdict in self.verdicts)


@dataclass(frozen=True)
class _Case:
    """Scores of two arms on a task, and log e-values by the difference that is to be exceeded."""

    task: str
    first: Floats
    second: Floats
    above: LogEvidence
    below: LogEvidence

    def is_alike(self, rule: Rule) -> bool:
        return rule.seeds == "normal" and not any(_span(arm, rule.width) for arm in (self.first, self.second))

    def log_evidence(self, rule: Rule) -> tuple[float, float, float]:
        """Return log e-values for better, worse and same; the last is that of its weaker side."""
        higher, lower = self.above(0.0), self.below(0.0)
        same = min(self.above(-rule.margin), self.below(rule.margin))
        # A seed that learned is the better one, whichever scores are.
        return (higher, lower, same) if rule.higher or rule.seeds == "learned" else (lower, higher, same)


def judge(pairs: Mapping[str, tuple[ArrayLike, ArrayLike]], rule: Rule, family: int | None = None) -> Docket:
    """Judge a family of tasks: the first arm is better, worse or the same as the second, or it is open.

    Each word is given by e-BH over the family. *same* has the last word: a difference that is real and surely smaller
    than the margin is none that matters.

    Args:
        pairs: scores of the first and the second arm by task, one a seed, in the order of their seeds.
        family: how many tasks were asked, of which some have no seeds yet: a word must be as sure as if they had. None:
            those of `pairs`.

    Raises:
        ValueError: a score that is no number or outside of the range; fewer than two seeds.

    Example:
        >>> pairs = {"copy": ([0.90, 0.92, 0.91, 0.93, 0.90], [0.70, 0.74, 0.71, 0.69, 0.72])}
        >>> [verdict.word for verdict in judge(pairs, Rule(margin=0.05)).verdicts]
        ['better']
    """
    cases = [_make_case(task, _checked(task, a, rule), _checked(task, b, rule), rule) for task, (a, b) in pairs.items()]
    if not cases:
        raise ValueError("expected scores of at least one task, got none")
    logs = np.array([case.log_evidence(rule) for case in cases])
    # Where no seed of either arm differs, nothing shows what other seeds would do: no word, and no help for others'.
    alike = np.array([case.is_alike(rule) for case in cases])
    counted = np.where(alike[:, None], -np.inf, logs)
    unseen = np.full((max(family or 0, len(cases)) - len(cases), logs.shape[1]), -np.inf)
    settled = np.array([e_bh(column, rule.level) for column in np.vstack([counted, unseen]).T]).T
    verdicts = [_verdict(case, rule, logs[i], settled[i]) for i, case in enumerate(cases)]
    scores = [(case.first, case.second) for case in cases]
    # Student's t covers 30 to 75 % of shares that three to eight seeds of learn-or-not outcomes give.
    no_spread = rule.seeds == "learned" or any(groups_apart(arm, rule.group_unit) for pair in scores for arm in pair)
    mean = None if no_spread else mean_over_tasks(scores, rule.level)
    anywhere = logs[~alike].sum(0)
    return Docket(tuple(verdicts), as_evidence(anywhere[0]), as_evidence(anywhere[1]), mean)


def _checked(task: str, scores: ArrayLike, rule: Rule) -> Floats:
    found = np.asarray(scores, dtype=float)
    if found.ndim != 1 or len(found) < 2:
        raise ValueError(f"task '{task}': expected at least two seeds of each arm, got {found.size}; run another")
    wrong = found[~((found >= rule.low) & (found <= rule.high))]
    if wrong.size:
        raise ValueError(
            f"task '{task}': expected scores from {rule.low:g} to {rule.high:g}, got {wrong[0]:g}; "
            "give the range that scores can have (`--range LOW HIGH`)"
        )
    if rule.reached is None:
        return found
    return np.array([reaches(score, rule.reached, rule.higher) for score in found], dtype=float)


def _make_case(task: str, first: Floats, second: Floats, rule: Rule) -> _Case:
    """Bind the evidence of a rule to two arms' scores; worse is better with the arms exchanged."""
    make = {"normal": _normal_above, "bounded": _bounded_above, "learned": _learned_above}[rule.seeds]
    above, below = make(first, second, rule.width), make(second, first, rule.width)
    return _Case(task, first, second, above, lambda at: below(-at))


def _span(arm: Floats, width: float) -> float:
    """Return the range of an arm's seeds; 0 where no more than rounding tells them apart."""
    span = float(np.ptp(arm))
    return span if span > 1e-12 * width else 0.0


def _normal_above(first: Floats, second: Floats, width: float) -> LogEvidence:
    # Equal floats have a mean that is rounded, by another amount where there are more of them, and a variance of 1e-34.
    flat = [_span(arm, width) == 0 for arm in (first, second)]
    means = [arm[0] if is_flat else arm.mean() for arm, is_flat in zip((first, second), flat, strict=True)]
    variances = [0.0 if is_flat else arm.var(ddof=1) for arm, is_flat in zip((first, second), flat, strict=True)]
    difference = means[0] - means[1]
    counts = (len(first), len(second))
    return lambda at: float(normal_log_evidence(difference - at, (variances[0], variances[1]), counts))


def _bounded_above(first: Floats, second: Floats, width: float) -> LogEvidence:
    n = min(len(first), len(second))
    differences = first[:n] - second[:n]
    return lambda at: float(bounded_log_evidence(differences, at, width))


def _learned_above(first: Floats, second: Floats, _width: float) -> LogEvidence:
    counts = [(int(arm.sum()), len(arm)) for arm in (first, second)]
    return partial(learned_log_evidence, counts[0], counts[1])


def _verdict(case: _Case, rule: Rule, logs: Floats, settled: np.ndarray) -> Verdict:
    words: tuple[Word, ...] = ("better", "worse", "same")
    better, worse, same = (as_evidence(value) for value in logs)
    estimate = float(case.first.mean() - case.second.mean())
    ranges = sorted(_span(arm, rule.width) for arm in (case.first, case.second))
    learned, normal = rule.seeds == "learned", rule.seeds == "normal"
    difference = confidence_sequence(estimate, rule.width, rule.level, case.above, case.below)
    return Verdict(
        task=case.task,
        first=float(case.first.mean()),
        second=float(case.second.mean()),
        difference=difference,
        counts=(len(case.first), len(case.second)),
        learned=(int(case.first.sum()), int(case.second.sum())) if learned else None,
        better=better,
        worse=worse,
        same=same,
        word=next((word for word, fell in zip(words[::-1], settled[::-1], strict=True) if fell), "open"),
        apart=normal and any(groups_apart(arm, rule.group_unit) for arm in (case.first, case.second)),
        narrow=(ranges[0] / ranges[1] if ranges[1] else 0.0) if normal else 1.0,
        alike=case.is_alike(rule),
        says_nothing=difference.high - difference.low >= _ALL * rule.width,
    )
