"""Differences of arms, judged together as one family: Welch's interval, Holm's p-value, and the judge's word."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from fpt_bench.analysis.intervals import holm, welch_difference
from fpt_bench.analysis.judge import Rule, Verdict, Word, judge
from fpt_bench.analysis.statistics import Estimate, estimate_welch_difference

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Pair:
    """Scores of two arms on one task, one a seed."""

    first: Sequence[float]
    second: Sequence[float]
    unit: float = 1.0
    """What differences are measured in where a margin is stated: 1 for fractions; negative where lower is better."""

    @property
    def can_be_judged(self) -> bool:
        return min(len(self.first), len(self.second)) > 1

    def scaled(self) -> tuple[list[float], list[float]]:
        """Return both arms' scores in units, the higher the better."""
        return [x / self.unit for x in self.first], [x / self.unit for x in self.second]


@dataclass(frozen=True)
class Difference:
    """First minus second, in units of the score."""

    estimate: Estimate
    """Welch's; of a number of seeds that was fixed beforehand. No interval where an arm's fall into two groups."""
    p: float | None = None
    """Of the difference being zero, two-sided, by Welch; None without a spread, and of seeds in two groups."""
    holm: float | None = None
    """The same, adjusted for all differences of the family."""
    verdict: Verdict | None = None
    """The judge's, among the family's; None of fewer than two seeds."""

    @property
    def word(self) -> Word:
        """The judge's cautious word; *open* of fewer than two seeds."""
        return "open" if self.verdict is None else self.verdict.cautious


def compare_family(pairs: Mapping[Key, Pair], margin: float, family: int | None = None) -> dict[Key, Difference]:
    """Compare the arms of each pair, and judge all pairs together.

    Args:
        pairs: by whatever names them.
        margin: the smallest difference that matters, in units.
        family: how many pairs were asked for, of which some have no seeds yet; None: all are here.

    Example:
        >>> found = compare_family({"copy": Pair([0.90, 0.92, 0.91, 0.93, 0.90], [0.70, 0.74, 0.71, 0.69, 0.72])}, 0.05)
        >>> round(found["copy"].estimate.mean, 3), found["copy"].holm < 0.001, found["copy"].word
        (0.2, True, 'better')
    """
    found = {key: _compare(pair) for key, pair in pairs.items()}
    tested = {key: difference.p for key, difference in found.items() if difference.p is not None}
    judged = {key: pair.scaled() for key, pair in pairs.items() if pair.can_be_judged}
    asked = max(family or 0, len(pairs))
    untested = [1.0] * (asked - len(tested))  # without seeds, or without a spread
    for key, adjusted in zip(tested, holm([*tested.values(), *untested]), strict=False):
        found[key] = replace(found[key], holm=adjusted)
    if judged:
        names = {str(number): key for number, key in enumerate(judged)}
        rule = rule_for(list(judged.values()), margin)
        docket = judge({name: judged[key] for name, key in names.items()}, rule, asked)
        for verdict in docket.verdicts:
            key = names[verdict.task]
            found[key] = replace(found[key], verdict=verdict)
            if verdict.apart:  # they are of the family still
                found[key] = replace(found[key], estimate=found[key].estimate.without_interval(), p=None, holm=None)
    return found


def rule_for(scores: Sequence[tuple[Sequence[float], Sequence[float]]], margin: float) -> Rule:
    """Return how scores in units are judged: as about normal, in the range of fractions or whatever is wider."""
    values = [value for pair in scores for arm in pair for value in arm]
    return Rule(margin=margin, low=min(0.0, *values), high=max(1.0, *values), unit=1.0)


def _compare(pair: Pair) -> Difference:
    estimate = estimate_welch_difference(pair.first, pair.second)
    if not math.isfinite(estimate.low) or not estimate.has_width:
        return Difference(estimate)
    return Difference(estimate, welch_difference(pair.first, pair.second).p)
