"""What a bench shows, in sentences that are computed from its cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.docket import JudgedClaim, judge_claim
from fpt_bench.analysis.intervals import reaches
from fpt_bench.report.notes import LOW_N
from fpt_bench.report.words import DAGGER, DOUBLE_DAGGER, cell_label, listed, percent, points, spacing


@dataclass(frozen=True)
class Paragraph:
    """Sentences on one subject: a task, or nothing in particular."""

    subject: str
    text: str


def summarize(bench: Bench) -> list[Paragraph]:
    """Return what a bench shows: differences with interval, n and data, then speed, claims, and what is missing."""
    by_task = ([cell for cell in bench.of_task(task) if cell.runs] for task in bench.tasks)
    paragraphs = [_describe_task(bench, cells) for cells in by_task if cells]
    claims = [_describe_claim(judge_claim(claim, bench)) for claim in bench.grid.experiment.claims]
    return [*paragraphs, *(Paragraph("", text) for text in (*claims, *_caveats(bench)))]


def _describe_task(bench: Bench, cells: Sequence[Cell]) -> Paragraph:
    """Say everything about one task: on which data, who is better by how much, who is faster."""
    first = cells[0]
    data = f"{first.data.kind} data, {first.first.test_examples} test examples"
    parts = [_describe_difference(cell, other) for cell in cells if (other := bench.opponent(cell.arm)) is not None]
    parts += [_stuck(cells), _speed(cells)]
    return Paragraph(f"{cell_label(first)} ({data}):", " ".join(part for part in parts if part))


def _describe_difference(cell: Cell, baseline: str) -> str:
    assert cell.accuracy is not None
    seeds = f"n = {cell.n}"
    fraction, pp = cell.is_fraction, " pp" if cell.is_fraction else ""
    score = percent(cell.accuracy.mean, fraction)
    if cell.delta is None:
        return f"{cell.arm} scores {score} ({seeds}); {baseline} has no score to compare with yet."
    found = cell.delta.estimate
    difference = f"{points(found.mean, '+', fraction)}{pp}"
    if cell.delta.verdict is not None and cell.delta.verdict.apart:
        return (
            f"{cell.arm} scores {score}, {difference} from {baseline}: seeds fall into two groups ({seeds}), which no "
            "interval describes, so it is open."
        )
    if not math.isfinite(found.low):
        return (
            f"{cell.arm} scores {score}, {difference} from {baseline}: from too few seeds for an interval "
            f"({seeds}), so it shows nothing yet."
        )
    low, high = (points(end, "+", fraction) for end in (found.low, found.high))
    interval = f"95 % interval {low} to {high}{pp}, {seeds}" if found.has_width else f"all seeds alike, {seeds}"
    if cell.delta.word == "open":
        return f"{cell.arm} ({score}) against {baseline}: open, {difference} ({interval})."
    if cell.delta.word == "same":
        return f"{cell.arm} ({score}) is as good as {baseline} within the margin: {difference} ({interval})."
    by = f"{points(abs(found.mean), '', fraction)}{pp}"
    return f"{cell.arm} ({score}) is {cell.delta.word} than {baseline} by {by} ({interval})."


def _stuck(cells: Sequence[Cell]) -> str:
    """Name the arms whose interval does not lie above the floor."""
    by_floor: dict[str, list[str]] = {}
    for cell in cells:
        if cell.n > 1 and cell.learned is None and _is_stuck(cell):
            floor = f"{percent(cell.floor, cell.is_fraction)}, {cell.floor_name}"
            by_floor.setdefault(floor, []).append(cell.arm)
    side = "above" if cells[0].higher_is_better else "below"
    return " ".join(f"Not shown to be {side} the floor ({floor}): {listed(arms)}." for floor, arms in by_floor.items())


def _is_stuck(cell: Cell) -> bool:
    """Return whether a cell's interval does not lie on the better side of its floor."""
    assert cell.accuracy is not None
    end = cell.accuracy.low if cell.higher_is_better else cell.accuracy.high
    return reaches(cell.data.floor, end, cell.higher_is_better)


def _speed(cells: Sequence[Cell]) -> str:
    known = {cell.arm: cell.convergence for cell in cells if cell.convergence is not None}
    reached = {arm: found for arm, found in known.items() if math.isfinite(found.steps)}
    if not known:
        return ""
    if not reached:
        return "No arm reaches the target."
    by_arm = "; ".join(
        f"{arm} in {found.steps:.0f} steps" + ("" if found.speed_up is None else f" ({found.speed_up.mean:.1f}x)")
        for arm, found in reached.items()
    )
    missed = [arm for arm in known if arm not in reached]
    rest = f"; not reached by {listed(missed)}" if missed else ""
    return f"The median run reaches the target: {by_arm}{rest} (validated every {spacing(cells[0].first.spec)})."


def _describe_claim(judged: JudgedClaim) -> str:
    """Return what has become of a claim."""
    claim = judged.claim
    tasks = f"{judged.settled} of its {len(claim.tasks)} tasks {'bears' if judged.settled == 1 else 'bear'} it out"
    missing = f"; not judged on {listed(judged.missing)}" if judged.missing else ""
    return f"The claim “{claim.sentence}” ({claim.source}) is {judged.outcome}: {tasks}{missing}."


def _caveats(bench: Bench) -> list[str]:
    diverged, failed = (sum(cell.count(status) for cell in bench.cells) for status in ("diverged", "failed"))
    found = [f"{bench.scored} of {bench.expected} runs have a score."] if bench.scored < bench.expected else []
    found += [f"{diverged} diverged and count as the worst rule that needs no learning."] if diverged else []
    found += [f"{failed} failed and count nowhere."] if failed else []
    rates = [len({r.spec.learning_rate for r in cell.tried}) for cell in bench.cells if cell.tried]
    if rates and max(rates) == 1:
        found.append(
            "Every arm ran at one learning rate: a difference may be one of tuning, not of weights "
            "(Rothermel et al. 2021)."
        )
    swept = [cell for cell in bench.cells if cell.tried]
    edges = [f"{cell_label(c)} {c.arm}" for c in swept if c.choice.edge]
    provisional = [f"{cell_label(c)} {c.arm}" for c in swept if c.choice.provisional]
    if edges:
        found.append(f"The chosen rate is at an end of the grid for {listed(edges)}: a better one may lie outside.")
    if provisional:
        found.append(f"Some learning rate still lacks seeds for {listed(provisional)}: the chosen one may change.")
    smallest = min((cell.n for cell in bench.cells if cell.runs), default=0)
    if 0 < smallest < LOW_N:
        found.append(
            f"Intervals rest on as few as {smallest} seeds and on normality; p (Holm) and verdicts are corrected for "
            "looking at many cells, intervals are not."
        )
    embedded = sorted({cell.task for cell in bench.cells if cell.is_embedded})
    if embedded:
        found.append(f"{DAGGER} {listed(embedded)}: small embedded data, not comparable with published figures.")
    resized = sorted({cell.task for cell in bench.cells if cell.is_resized})
    if resized:
        found.append(
            f"{DOUBLE_DAGGER} {listed(resized)}: other sizes than published, not comparable with published figures."
        )
    return found
