"""What a bench shows, in sentences that are computed from its table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fpt_bench.report.reading import Bench, Cell

_ROUNDING = 1e-6
"""Accuracies are counted in 32 bits: one at its floor can lie this much above it."""


@dataclass(frozen=True)
class Finding:
    """Sentences on one subject: a task, or nothing in particular."""

    subject: str
    text: str


def summarize(bench: Bench) -> list[Finding]:
    """Give the findings of a bench: differences with interval, n and data, then speed, claims, and what is missing."""
    findings = []
    for task in bench.tasks:
        cells = [cell for cell in bench.of_task(task) if cell.runs]
        if cells:
            findings.append(_describe_task(bench, cells))
    claims = [_judge(bench, effect) for effect in bench.grid.experiment.effects]
    return [*findings, *(Finding("", text) for text in (*claims, *_caveats(bench)))]


def _describe_task(bench: Bench, cells: Sequence[Cell]) -> Finding:
    """Say everything about one task: on which data, who is better by how much, who is faster."""
    first = cells[0]
    data = f"{first.row['data']} data, {first.row['test_examples']:.0f} test examples"
    baseline = bench.grid.experiment.baseline
    parts = [_difference(cell, baseline) for cell in cells if cell.arm != baseline]
    parts += [_stuck(cells), _speed(cells)]
    return Finding(f"{first.label} ({data}):", " ".join(part for part in parts if part))


def _difference(cell: Cell, baseline: str) -> str:
    row = cell.row
    seeds = f"n = {row['n']}"
    score = f"{100 * row['accuracy_mean']:.1f} %"
    if "delta_mean" not in row:
        return f"{cell.arm} scores {score} ({seeds}); {baseline} has no score to compare with yet."
    difference, low, high = (100 * row[f"delta_{name}"] for name in ("mean", "low", "high"))
    if not math.isfinite(low):
        return (
            f"{cell.arm} scores {score}, {difference:+.1f} pp from {baseline}: from too few seeds for an interval "
            f"({seeds}), so it shows nothing yet."
        )
    interval = f"95 % interval {low:+.1f} to {high:+.1f} pp, {row['delta_method']}, {seeds}"
    if low <= 0 <= high:
        return f"{cell.arm} ({score}) and {baseline} are not told apart: {difference:+.1f} pp ({interval})."
    side = "better" if difference > 0 else "worse"
    return f"{cell.arm} ({score}) is {side} than {baseline} by {abs(difference):.1f} pp ({interval})."


def _stuck(cells: Sequence[Cell]) -> str:
    """Name the arms whose interval does not lie above the floor."""
    stuck = [c.arm for c in cells if c.row["n"] > 1 and c.row["accuracy_low"] <= c.row["floor"] + _ROUNDING]
    if not stuck:
        return ""
    floor = f"{100 * cells[0].row['floor']:.1f} %, {cells[0].row['floor_name']}"
    return f"Not shown to be above the floor ({floor}): {_listed(stuck)}."


def _speed(cells: Sequence[Cell]) -> str:
    known = {cell.arm: cell.row for cell in cells if "steps_to_target" in cell.row}
    reached = {arm: row["steps_to_target"] for arm, row in known.items() if math.isfinite(row["steps_to_target"])}
    if not known:
        return ""
    if not reached:
        return "No arm reaches the target."
    steps = "; ".join(
        f"{arm} in {count:.0f} steps" + (f" ({known[arm]['speed_up']:.1f}x)" if "speed_up" in known[arm] else "")
        for arm, count in reached.items()
    )
    resolution = f"validated every {cells[0].row['eval_every']:.0f}"
    missed = [arm for arm in known if arm not in reached]
    rest = f"; not reached by {_listed(missed)}" if missed else ""
    return f"The median run reaches the target: {steps}{rest} ({resolution})."


def _judge(bench: Bench, effect: str) -> str:
    """Say whether a claim of the experiment, `arm > arm on task`, is borne out."""
    comparison, _, task = effect.partition(" on ")
    better, _, worse = comparison.partition(" > ")
    rows = {cell.arm: cell.row for cell in bench.of_task(task) if cell.runs}
    if better not in rows or worse not in rows:
        return f"The claim “{effect}” cannot be judged yet: an arm has no score."
    first, second = rows[better]["accuracy_mean"], rows[worse]["accuracy_mean"]
    figures = f"{100 * first:.1f} % against {100 * second:.1f} %"
    if worse == bench.grid.experiment.baseline and first > second and not rows[better].get("delta_low", -1) > 0:
        return f"The claim “{effect}” has the right sign ({figures}), but its interval includes no difference."
    if first == second:
        return f"The claim “{effect}” is undecided in accuracy ({figures})."
    return f"The claim “{effect}” {'holds' if first > second else 'does not hold'} in accuracy ({figures})."


def _caveats(bench: Bench) -> list[str]:
    diverged, failed = int(bench.frame["diverged"].sum()), int(bench.frame["failed"].sum())
    found = [f"{bench.scored} of {bench.expected} runs have a score."] if bench.scored < bench.expected else []
    found += [f"{diverged} diverged and count as their floor."] if diverged else []
    found += [f"{failed} failed and count nowhere."] if failed else []
    rates = [len({r.spec.learning_rate for r in cell.tried}) for cell in bench.cells if cell.tried]
    if rates and max(rates) == 1:
        found.append(
            "Every arm ran at one learning rate: a difference may be one of tuning, not of weights "
            "(Rothermel et al. 2021)."
        )
    edges, provisional = (
        [f"{c.label} {c.arm}" for c in bench.cells if c.row[f"rate_{word}"]] for word in ("edge", "provisional")
    )
    if edges:
        found.append(f"The chosen rate is at an end of the grid for {_listed(edges)}: a better one may lie outside.")
    if provisional:
        found.append(f"Some learning rate still lacks seeds for {_listed(provisional)}: the chosen one may change.")
    smallest = min((cell.row["n"] for cell in bench.cells if cell.runs), default=0)
    if 0 < smallest < 6:
        found.append(
            f"Intervals rest on as few as {smallest} seeds and on normality; none is corrected "
            "for looking at many cells."
        )
    embedded = sorted({c.task for c in bench.cells if c.row.get("data") == "embedded"})
    if embedded:
        found.append(f"† {_listed(embedded)}: small embedded data, not comparable with published figures.")
    return found


def _listed(words: Sequence[str]) -> str:
    """Join words as a sentence does.

    Example:
        >>> _listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))
