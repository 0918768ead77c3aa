"""Whether a bench bears out an effect that its experiment states."""

from dataclasses import dataclass

from fpt_bench.analysis.cells import Bench, Cell
from fpt_bench.config.experiment import Effect


@dataclass(frozen=True)
class EffectOutcome:
    """The two arms of an effect, both with a score, and what they are compared by."""

    effect: Effect
    better: Cell
    worse: Cell
    measure: str
    """`accuracy` or, where both are equal, `area`."""
    first: float
    """Of the arm that is stated to be better."""
    second: float

    @property
    def holds(self) -> bool:
        return self.first > self.second

    @property
    def is_told_apart(self) -> bool:
        """Whether the interval of the difference lies above zero; known only where the other arm is the baseline."""
        return self.better.delta is not None and self.better.delta.estimate.low > 0


def judge_effect(effect: Effect, bench: Bench) -> EffectOutcome | None:
    """Return what an effect comes to, or None where an arm has no score yet."""
    better, worse = (bench.cell(effect.task, arm) for arm in (effect.better, effect.worse))
    if better is None or worse is None or better.accuracy is None or worse.accuracy is None:
        return None
    if better.accuracy.mean == worse.accuracy.mean:
        return EffectOutcome(effect, better, worse, "area", better.area, worse.area)
    return EffectOutcome(effect, better, worse, "accuracy", better.accuracy.mean, worse.accuracy.mean)
