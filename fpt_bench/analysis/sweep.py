"""Learning-rate sweeps: which runs to do next, which rates to give up, and which one is chosen. Pure functions.

The rule, for each task and arm whose rates are swept:

1. Every rate is given its first seed.
2. A rate is given up where the validation accuracy of that one run is hopeless: more than HOPELESS, and more than half
   of the best rate's rise above the floor, below the best rate; and the rate is no neighbour of the best in the grid;
   and its accuracy was no longer rising (by RISING or more over the last quarter of its steps).
3. All other rates are given their remaining seeds, and the rate with the best mean validation accuracy among those
   that have all seeds is chosen. Ties, as at a ceiling, go to the larger mean area under the validation curve, then
   to the smaller rate. A diverged run scores as the worst rule that needs no learning.
4. If the chosen mean turns out so low that a rate would not have been hopeless beside it, that rate is taken up again.
   So no rate stays out whose one score reaches what was chosen.
5. Where a grid has tuning seeds, all of this is done with them alone. Then the chosen rate, and no other, is given the
   seeds that are reported: the best of several rates looks better than it is on the seeds that made it the best.

Test accuracy plays no part in any of this.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fpt_bench.analysis.statistics import area_under_curve, whole_way
from fpt_bench.config.grid import Grid
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import RunResult

HOPELESS = 0.1
"""Validation accuracy that a rate may always stay below the best one without being given up; see `merit`."""
RISING = 0.02
"""Gain of validation accuracy over the last quarter of the steps that counts as still rising; see `merit`."""

Results = Mapping[str, RunResult]
"""Outcomes by run id."""


@dataclass(frozen=True)
class RateScore:
    """What one learning rate came to on validation, in one task and arm."""

    rate: float
    mean: float
    """Mean validation accuracy over the seeds that have one; NaN where none has."""
    area: float
    """Mean area under their validation curves: of equal means the larger area is chosen."""
    n: int
    expected: int
    diverged: int
    given_up: bool
    """It was hopeless with its first seed and was given no others."""

    @property
    def complete(self) -> bool:
        return self.n == self.expected


@dataclass(frozen=True)
class Choice:
    """Which learning rate stands for a task and arm, and from what it was chosen."""

    rate: float
    scores: tuple[RateScore, ...]
    """Of all rates, in ascending order; one where nothing was swept."""

    @property
    def edge(self) -> bool:
        """The best rate is at an end of the grid: a better one may lie outside, and nothing is settled."""
        return len(self.scores) > 1 and self.rate in (self.scores[0].rate, self.scores[-1].rate)

    @property
    def provisional(self) -> bool:
        """A rate that was not given up still lacks seeds."""
        return len(self.scores) > 1 and not all(score.complete or score.given_up for score in self.scores)


def validation_score(result: RunResult) -> float | None:
    """Return the accuracy that a rate is judged by: best validation; the worst rule if diverged; None if failed."""
    if result.status == "failed":
        return None
    return result.unlearned if result.status == "diverged" else result.validation_score


def validation_area(result: RunResult, floor: float | None = None) -> float:
    """Return the area under a run's validation curve; what a diverged run had learned is lost at its next validation.

    Of the run's mean over training, normalised: 0 is the floor throughout, 1 is perfection from the start.

    Args:
        result: of the run.
        floor: by default its own; that of another to compare with.
    """
    floor = floor if floor is not None else result.floor or 0.0
    return area_under_curve(carried_on(result), floor, result.spec.max_steps, result.perfect)


def carried_on(result: RunResult) -> list[tuple[int, float]]:
    """Return a run's validation curve; one that diverged falls to the worst rule at the validation that did not come.

    Empty where it was never validated, and knows of no rule.
    """
    curve = list(result.curve)
    if result.status == "diverged" and result.unlearned is not None:
        curve.append((result.spec.validation_after(curve[-1][0] if curve else 0), result.unlearned))
    return curve


def choosing_seeds(specs: Sequence[RunSpec], tuning_seeds: Collection[int]) -> set[int]:
    """Return the seeds that choose the rate of a task and arm: the tuning seeds; all where it has none of them."""
    seeds = {spec.seed for spec in specs}
    return seeds & set(tuning_seeds) or seeds


def is_wanted(spec: RunSpec, choice: Choice, choosing: Collection[int]) -> bool:
    """Return whether a run of a task and arm is waited for.

    Of the seeds that choose, at every rate that is not given up; of the others, at the chosen rate.
    """
    if spec.seed not in choosing:
        return spec.learning_rate == choice.rate
    return not any(score.given_up and score.rate == spec.learning_rate for score in choice.scores)


def merit(score: float, of: RunResult | None) -> float:
    """Return a score as one of which more is better, in the units of HOPELESS and RISING.

    Those of fractions are points; of other scores the way from floor to perfect is 1.

    Args:
        score: of any run of the task.
        of: a run that says what its scores are; None, or one that failed before it could: taken for accuracies.
    """
    if of is None or of.data is None:
        return score
    whole = 1.0 if of.is_fraction else abs(whole_way(of.data.floor, of.data.perfect))
    return (score if of.higher_is_better else -score) / whole


def choose_rate(specs: Sequence[RunSpec], results: Results, tuning_seeds: Collection[int] = ()) -> Choice:
    """Choose the learning rate of one task and arm from the outcomes so far.

    Args:
        specs: all runs of the task and arm, in the grid's order.
        results: outcomes by run id; others are passed over.
        tuning_seeds: seeds that choose; without any of them in `specs`, all do.
    """
    rates = _by_rate(specs, choosing_seeds(specs, tuning_seeds))
    scores = _score_rates(rates, results)
    hopeless = _given_up(rates, scores, results)
    best = _best([score for score in scores if score.rate not in hopeless], _one_with_data(specs, results))
    judged = tuple(replace(score, given_up=score.rate in hopeless) for score in scores)
    return Choice(judged[0].rate if best is None else best.rate, judged)


def next_runs(grid: Grid, results: Results) -> list[RunSpec]:
    """Return the runs that can be done now, each once, all arms of one seed first; none when the grid is done.

    After they are done, ask again: more may follow from what came out.
    """
    wanted: dict[str, RunSpec] = {}
    for specs in grid.cells().values():
        wanted |= {spec.run_id: spec for spec in _next_of_cell(specs, results, grid.tuning_seeds)}
    # The table is whole early this way, and what a run costs is known for the time left.
    return sorted(wanted.values(), key=lambda spec: spec.seed)


def given_up_runs(grid: Grid, results: Results) -> set[str]:
    """Return the ids of runs that nobody waits for: no cell wants them, since their rate was given up or not chosen.

    While a rate is not chosen yet, the seeds to be reported are waited for at the best rate so far.
    """
    wanted: set[str] = set()
    unwanted: set[str] = set()
    for specs in grid.cells().values():
        choice, choosing = choose_rate(specs, results, grid.tuning_seeds), choosing_seeds(specs, grid.tuning_seeds)
        for spec in specs:
            (wanted if is_wanted(spec, choice, choosing) else unwanted).add(spec.run_id)
    return unwanted - wanted - results.keys()


def _next_of_cell(specs: Sequence[RunSpec], results: Results, tuning_seeds: Collection[int]) -> list[RunSpec]:
    choosing = choosing_seeds(specs, tuning_seeds)
    rates = _by_rate(specs, choosing)
    missing_first = [runs[0] for runs in rates.values() if runs[0].run_id not in results]
    if len(rates) > 1 and missing_first:
        return missing_first
    choice = choose_rate(specs, results, tuning_seeds)
    missing = [spec for spec in specs if is_wanted(spec, choice, choosing) and spec.run_id not in results]
    # What is reported alone waits for the choice; where a run that chooses has failed, until it is done again.
    awaited = any(
        spec.run_id in results and not results[spec.run_id].is_over for runs in rates.values() for spec in runs
    )
    tuning = [spec for spec in missing if spec.seed in choosing]
    return tuning if tuning or (awaited and len(rates) > 1) else missing


def _by_rate(specs: Sequence[RunSpec], choosing: Collection[int]) -> dict[float, list[RunSpec]]:
    rates: dict[float, list[RunSpec]] = {}
    for spec in specs:
        if spec.seed in choosing:
            rates.setdefault(spec.learning_rate, []).append(spec)
    return dict(sorted(rates.items()))


def _score_rates(rates: Mapping[float, list[RunSpec]], results: Results) -> list[RateScore]:
    return [_score(rate, runs, results) for rate, runs in rates.items()]


def _score(rate: float, runs: Sequence[RunSpec], results: Results) -> RateScore:
    done = [results[spec.run_id] for spec in runs if spec.run_id in results]
    scored = [(value, validation_area(result)) for result in done if (value := validation_score(result)) is not None]
    mean, area = (float(value) for value in np.mean(scored, axis=0)) if scored else (math.nan, math.nan)
    diverged = sum(result.status == "diverged" for result in done)
    return RateScore(rate, mean, area, len(scored), len(runs), diverged, given_up=False)


def _one_with_data(specs: Iterable[RunSpec], results: Results) -> RunResult | None:
    """Return a run that says what its scores are."""
    done = (results[spec.run_id] for spec in specs if spec.run_id in results)
    return next((result for result in done if result.data is not None), None)


def _best(scores: Collection[RateScore], of: RunResult | None) -> RateScore | None:
    """Return the best of the rates with most seeds; ties go to the larger area, then to the smaller rate."""
    most = max(score.n for score in scores)
    candidates = [score for score in scores if score.n == most and most > 0]
    # Rounded: the order of seeds in a sum is no difference.
    return min(candidates, key=lambda s: (-round(merit(s.mean, of), 12), -round(s.area, 12), s.rate), default=None)


def _given_up(rates: Mapping[float, list[RunSpec]], scores: Sequence[RateScore], results: Results) -> set[float]:
    """Return the rates that are given up, by the rule at the head of this file."""
    firsts = {rate: results.get(runs[0].run_id) for rate, runs in rates.items()}
    of = _one_with_data((spec for runs in rates.values() for spec in runs), results)
    singles = {rate: validation_score(result) for rate, result in firsts.items() if result is not None}
    floor = max((merit(r.floor, of) for r in firsts.values() if r is not None and r.floor is not None), default=0.0)
    if len(singles) < len(rates):
        return set()
    known = {rate: merit(value, of) for rate, value in singles.items() if value is not None}
    top = max(known.values(), default=floor)
    protected = _neighbours(list(rates), [rate for rate, value in known.items() if value == top])
    out = {
        score.rate
        for score in scores
        if score.n == 1 < score.expected
        and score.rate in known
        and score.rate not in protected
        and _is_hopeless(known[score.rate], top, floor)
        and not is_still_rising(firsts[score.rate], floor)
    }
    # Once all others have all seeds, what was chosen may have turned out worse than its first seed.
    others = [score for score in scores if score.rate not in out]
    chosen = _best(others, of)
    if chosen is not None and all(score.complete for score in others):
        out = {rate for rate in out if _is_hopeless(known[rate], merit(chosen.mean, of), floor)}
    return out


def _is_hopeless(score: float, best: float, floor: float) -> bool:
    return best - score > max(HOPELESS, (best - floor) / 2)


def _neighbours(rates: Sequence[float], best: Collection[float]) -> set[float]:
    """Return the best rates and those beside them in the grid."""
    indices = [index for index, rate in enumerate(rates) if rate in best]
    return {rates[near] for index in indices for near in (index - 1, index, index + 1) if 0 <= near < len(rates)}


def is_still_rising(result: RunResult | None, floor: float) -> bool:
    """Return whether the last quarter of a run's steps brought a new best by RISING or more."""
    if result is None or result.status == "diverged" or not result.curve:
        return False
    start = 0.75 * result.curve[-1][0]
    late = [merit(score, result) for step, score in result.curve if step > start]
    early = [merit(score, result) for step, score in result.curve if step <= start]
    return max(late) - max(early, default=floor) >= RISING
