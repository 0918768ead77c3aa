"""The tables of `plan --resolve`: how many seeds an arm resolve a difference, and the command that runs them."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.power import LEVEL, MOST_SEEDS, POWER, Spread, fixed_seeds, judged_seeds, pooled_spread
from fpt_bench.config.command_line import with_more_seeds, written_seeds
from fpt_bench.config.grid import Grid
from fpt_bench.config.named import rates_chosen_on
from fpt_bench.report.words import listed, points
from fpt_bench.results.result import RunResult

Asked = tuple[str, str, Path, Path | None]
"""Experiment, profile, folder of runs, and that of kept results if any, as they were typed."""


@dataclass(frozen=True)
class Needed:
    """Seeds an arm that resolve a difference on one task; infinity where they are beyond MOST_SEEDS."""

    task: str
    spread: Spread | None
    """Over arms whose seeds are in one group; None where none of them has two scores."""
    seeds_now: int
    """Of the arm that has fewest."""
    fixed: float = math.nan
    """For a number fixed beforehand, the task alone; NaN without a deviation to go by."""
    fixed_in_family: float = math.nan
    """Among all differences of the bench, where Holm's correction asks most of it."""
    fixed_at_upper: float = math.nan
    """The task alone, were the deviation its upper bound."""
    judged: float = math.nan
    """Median until the judge says `better`, the task alone."""
    judged_in_family: float = math.nan
    """Among all differences of the bench, where it falls on no other."""


def require_points(difference: float) -> None:
    """Raise a ValueError unless scores in percent can differ by so many points."""
    if not 0 < difference < 100:
        raise ValueError(
            f"--resolve: expected a difference of scores in percent, above 0 and below 100 points, got {difference:g}"
        )


def seeds_needed(bench: Bench, difference: float) -> list[Needed]:
    """Return how many seeds resolve a difference, for each task of a bench.

    Args:
        bench: whose seeds show the deviations.
        difference: of scores, as a fraction.
    """
    return [_needed(task, bench.of_task(task), difference, _family(bench)) for task in bench.tasks]


def _family(bench: Bench) -> int:
    """Return how many differences a bench's table judges together."""
    return max(1, bench.grid.differences)


def _needed(task: str, cells: Sequence[Cell], difference: float, family: int) -> Needed:
    # Where some seeds learned and some did not they are not normal, and have no one deviation.
    spread = pooled_spread([_scores(cell) for cell in cells if cell.learned is None])
    now = min(cell.n for cell in cells)
    if spread is None or _is_flat(spread):
        return Needed(task, spread, now)
    effect = difference / spread.deviation
    stuck = any(_is_stuck(cell) for cell in cells)
    judged, in_family = (math.nan, math.nan) if stuck else judged_seeds(effect, [1 / LEVEL, family / LEVEL])
    return Needed(
        task,
        spread,
        now,
        fixed=fixed_seeds(effect, LEVEL),
        fixed_in_family=fixed_seeds(effect, LEVEL / family),
        fixed_at_upper=fixed_seeds(difference / spread.upper, LEVEL),
        judged=judged,
        judged_in_family=in_family,
    )


def _scores(cell: Cell) -> list[float]:
    """Return one a run, in the unit that a difference of points is a share of."""
    return [score / cell.unit for score in cell.scores]


def _is_stuck(cell: Cell) -> bool:
    return cell.delta is not None and cell.delta.verdict is not None and cell.delta.verdict.stuck


def _is_flat(spread: Spread) -> bool:
    """Return whether seeds do not vary at all, but for rounding."""
    return spread.deviation < 1e-9


def show_seeds(grid: Grid, results: Sequence[RunResult], difference: float, asked: Asked) -> Group:
    """Draw how many seeds resolve a difference on each task, what that rests on, and the commands that run them.

    Args:
        grid: as a bench settled it.
        results: what is in the folder of runs.
        difference: in points of a score in percent.
        asked: what was typed.
    """
    bench = Bench.of(grid, results)
    rows = seeds_needed(bench, difference / 100)
    table = Table(title=Text(f"{grid.name}: seeds an arm that resolve {difference:g} points"), title_justify="left")
    table.box, table.pad_edge = None, False
    table.add_column("", no_wrap=True)
    one_of = f"one of {_family(bench)}"
    for name in ("sd", "df", "sd to", "seeds", "fixed n", one_of, "at sd to", "judge", one_of):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(row.task, *_cells(row))
    remarks = [*_what_it_means(), *_doubts(rows, bench), *_commands(rows, grid, asked)]
    return Group(table, *(Text(remark) for remark in remarks))


def _cells(row: Needed) -> list[str]:
    if row.spread is None:
        return ["?", "0", "?", str(row.seeds_now), *"?????"]
    numbers = (row.fixed, row.fixed_in_family, row.fixed_at_upper, row.judged, row.judged_in_family)
    return [
        points(row.spread.deviation),
        str(row.spread.degrees),
        points(row.spread.upper),
        str(row.seeds_now),
        *map(_written, numbers),
    ]


def _written(seeds: float) -> str:
    if math.isnan(seeds):
        return "?"
    return f"{seeds:.0f}" if math.isfinite(seeds) else f">{MOST_SEEDS}"


def _what_it_means() -> list[str]:
    return [
        "sd: deviation of single seeds in points, pooled over arms, with its degrees of freedom; sd to: its 95 % upper "
        "bound. seeds: of the arm that has fewest.",
        f"fixed n: for a chance of {100 * POWER:.0f} % with a t-test at {100 * LEVEL:.0f} %; at sd to: were the "
        "deviation its bound. judge: median until it says `better`, seeds added one by one (docs/judging.md). one of: "
        "all differences of the bench are judged together, as in its table, and this one stands alone. Seeds count "
        "as normal.",
    ]


def _doubts(rows: Sequence[Needed], bench: Bench) -> list[str]:
    """Say where the deviation is no ground to plan on."""
    unknown = [row.task for row in rows if row.spread is None]
    flat = [row.task for row in rows if row.spread is not None and _is_flat(row.spread)]
    apart = [f"{cell.task} {cell.arm}" for cell in bench.cells if cell.learned is not None]
    doubts = [f"No two runs of an arm show a deviation on {listed(unknown)}: run more seeds first."] if unknown else []
    if flat:
        doubts.append(
            f"All seeds of an arm are equal on {listed(flat)}, as at a ceiling: that is no deviation to plan on."
        )
    if beyond := [row.task for row in rows if math.isinf(row.fixed)]:
        doubts.append(f"More than {MOST_SEEDS:,} seeds on {listed(beyond)}: choose a larger difference.")
    if apart:
        doubts.append(
            f"Seeds fall into two groups in {listed(apart)}: no part of sd; count who learned (`judge --reached`)."
        )
    if stuck := [f"{cell.task} {cell.arm}" for cell in bench.cells if _is_stuck(cell)]:
        doubts.append(
            f"One arm's seeds hardly vary in {listed(stuck)}, beside the other's: the judge gives no word there, and "
            "more seeds will hardly change that; count who learned (`judge --reached`)."
        )
    return doubts


def _commands(rows: Sequence[Needed], grid: Grid, asked: Asked) -> list[str]:
    """Return the commands that run the seeds that the dearest task needs; all tasks of a bench have the same seeds."""
    commands = []
    for name, numbers in (("fixed n", [row.fixed for row in rows]), ("judge", [row.judged for row in rows])):
        known = [seeds for seeds in numbers if math.isfinite(seeds)]
        if known and max(known) > min(row.seeds_now for row in rows):
            others = "every other" if len(known) < len(rows) else "every"
            commands.append(
                f"{name}, {max(known):.0f} seeds of {others} task: {command_of(int(max(known)), grid, asked)}"
            )
    return commands


def command_of(count: int, grid: Grid, asked: Asked) -> str:
    """Return the command that runs as many seeds: the ones that there are, and those after them."""
    experiment, profile, runs, kept = asked
    chose = (*grid.seeds_that_chose, *rates_chosen_on(profile, grid.experiment.name))
    now = dict.fromkeys(run.spec.seed for run in grid.runs if run.spec.seed not in chose)
    seeds = with_more_seeds([*now], count, chose)
    words = ["python", "-m", "fpt_bench", "bench", "--experiments", experiment, "--profile", profile]
    words += [*shlex.split(grid.picked), "--seeds", written_seeds(seeds)]
    words += [] if runs == Path("runs") else ["--runs", str(runs)]
    return shlex.join(words if kept is None else [*words, "--kept", str(kept)])
