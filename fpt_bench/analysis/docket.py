"""What has become of a claim: the judge's word on each of its tasks, and of it as a whole."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.comparisons import rule_for
from fpt_bench.analysis.intervals import reaches
from fpt_bench.analysis.judge import Docket, Rule, Verdict, judge
from fpt_bench.analysis.sweep import validation_area
from fpt_bench.config.claims import Claim
from fpt_bench.results.result import RunResult

Outcome = Literal["supported", "refuted", "equivalent", "open"]
"""Equivalent: a refutation of the mildest kind. One arm was claimed to be better, and on every task both are the same
within the margin."""


@dataclass(frozen=True)
class JudgedClaim:
    """A claim, and what the bench's runs say of it so far."""

    claim: Claim
    docket: Docket | None
    """Of the tasks on which both arms have two seeds; None where there is none."""
    missing: tuple[str, ...]
    """Its other tasks."""
    registered: datetime | None = None
    """When a bench held it first; None: not recorded."""
    earlier: int = 0
    """How many of its runs were over by then, or do not say when they were."""
    runs: int = 0
    """All runs that it is judged by."""
    beyond: frozenset[str] = frozenset()
    """Tasks on which a difference is surely of the margin or more, as sure as one word of the family is."""
    trained: tuple[tuple[str, float], ...] = ()
    """Arms whose body a run of ours trained, with what it has on that task: at the floor there, it learned nothing."""

    @property
    def late(self) -> str:
        """Words for a claim of which runs may be older; none for one that was registered first, or has no runs."""
        if not self.earlier:
            return ""
        if self.registered is None:
            return f"not registered before its {self.runs} runs"
        return f"registered after {self.earlier} of its {self.runs} runs"

    @property
    def reservations(self) -> tuple[str, ...]:
        """What a reader may hold against the verdict, a phrase each."""
        bodies = (f"the body of {arm} has {score:.3g} on the task it was trained on" for arm, score in self.trained)
        return (*filter(None, (self.late,)), *bodies)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return self.docket.verdicts if self.docket else ()

    @property
    def outcome(self) -> Outcome:
        """Supported where the word that was claimed fell on every task; refuted where another settles it on one.

        Equivalent where one arm was claimed to be better and both are the same on every task.
        """
        if self.claim.verdict == "better" and [v.cautious for v in self.verdicts] == ["same"] * len(self.claim.tasks):
            return "equivalent"
        if any(self._refutes(verdict) for verdict in self.verdicts):
            return "refuted"
        settled = [verdict for verdict in self.verdicts if verdict.cautious == self.claim.verdict]
        return "supported" if len(settled) == len(self.claim.tasks) else "open"

    @property
    def settled(self) -> int:
        """On how many tasks the word that was claimed fell."""
        return sum(verdict.cautious == self.claim.verdict for verdict in self.verdicts)

    def _refutes(self, verdict: Verdict) -> bool:
        if self.claim.verdict == "better":
            return verdict.cautious in ("worse", "same")
        # A difference that is real but may be smaller than the margin refutes no sameness.
        return verdict.cautious in ("better", "worse") and verdict.task in self.beyond


def judge_claim(claim: Claim, bench: Bench) -> JudgedClaim:
    """Judge a claim by a bench's runs, its tasks as one family."""
    pairs = seeds_by_task(claim, bench)
    enough = {task: pair for task, pair in pairs.items() if min(map(len, pair)) > 1}
    missing = tuple(task for task in claim.tasks if task not in enough)
    docket = judge(enough, _rule(claim, enough), family=len(claim.tasks)) if enough else None
    beyond = _beyond(claim, enough) if enough and claim.verdict == "same" else frozenset()
    registered, runs = bench.grid.registered.get(claim.hash), list(_runs(claim, bench, enough))
    over = sum(registered is None or r.finished_at is None or r.finished_at < registered for r in runs)
    bodies = ((arm, _trained(arm, bench, enough)) for arm in (claim.better, claim.worse))
    trained = tuple((arm, score) for arm, score in bodies if score is not None)
    return JudgedClaim(claim, docket, missing, registered, over, len(runs), beyond, trained)


def _trained(arm: str, bench: Bench, tasks: Iterable[str]) -> float | None:
    """Return the lowest score of an arm's bodies on the task that a run of ours trained them on; None: no such body."""
    cells = filter(None, (bench.cell(task, arm) for task in tasks))
    bodies = (result.body for cell in cells for result in cell.runs)
    return min((body.trained_score for body in bodies if body and body.trained_score is not None), default=None)


def _beyond(claim: Claim, pairs: dict[str, tuple[list[float], list[float]]]) -> frozenset[str]:
    """Return the tasks whose whole interval lies beyond the margin, each at its share of the level over all tasks."""
    rule = _rule(claim, pairs)
    found = judge(pairs, replace(rule, level=rule.level / len(claim.tasks))).verdicts
    ends = {verdict.task: verdict.difference for verdict in found}
    return frozenset(task for task, at in ends.items() if at.low > claim.margin or at.high < -claim.margin)


def seeds_by_task(claim: Claim, bench: Bench) -> dict[str, tuple[list[float], list[float]]]:
    """Return what a claim compares, a value a seed, the higher the better, by task where both arms have any."""
    return {task: pair for task in claim.tasks if (pair := _scores(claim, bench, task)) is not None}


def _runs(claim: Claim, bench: Bench, tasks: Iterable[str]) -> Iterator[RunResult]:
    for task in tasks:
        for cell in (bench.cell(task, arm) for arm in (claim.better, claim.worse)):
            yield from () if cell is None else cell.runs


def _rule(claim: Claim, pairs: dict[str, tuple[list[float], list[float]]]) -> Rule:
    if claim.measure == "learned":
        # Whether a seed reached it was seen in the score's own units already.
        return Rule(margin=claim.margin, seeds="learned", reached=1.0)
    return rule_for(list(pairs.values()), claim.margin)


def _scores(claim: Claim, bench: Bench, task: str) -> tuple[list[float], list[float]] | None:
    first, second = (bench.cell(task, arm) for arm in (claim.better, claim.worse))
    if first is None or second is None:
        return None
    if not second.runs:
        return None
    pair = _measured(claim, first, second), _measured(claim, second, second)
    return pair if all(pair) else None


def _measured(claim: Claim, cell: Cell, opponent: Cell) -> list[float]:
    """Return one value a seed, the higher the better, on the scale of the arm that it is compared with.

    An arm of other data, such as shuffled tokens, may have another floor.
    """
    unit = opponent.unit
    if claim.measure == "area":
        return [validation_area(result, opponent.floor) for result in cell.runs]
    if claim.measure == "gap":
        return [-gap / unit for gap in cell.gaps]
    if claim.measure == "learned":
        assert claim.reached is not None
        return [float(reaches(score, claim.reached, unit > 0)) for score in cell.scores]
    return [score / unit for score in cell.scores]
