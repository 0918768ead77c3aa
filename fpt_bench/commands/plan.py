"""`plan`: what experiments will cost, before anything is spent: runs, steps, hours and disk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fpt_bench.commands.console import notes, out
from fpt_bench.commands.layers_view import show_layers
from fpt_bench.commands.options import EXPERIMENTS_HELP, ProfileName, Runs
from fpt_bench.config.grid import Grid, named_grid
from fpt_bench.config.spec import RunSpec
from fpt_bench.config.yaml_files import listed_experiments
from fpt_bench.results.folder import (
    GRID_FILE,
    RESULT_FILE,
    read_grid,
    read_results,
    sizes_of_runs,
    tables_folder,
    warn_of,
)
from fpt_bench.results.regular_files import why_unread
from fpt_bench.results.result import RunResult

SETTLED = ("data", "precision", "body_execution")
"""Fields that may say `auto` in what is planned, and say what was used in a result."""
WEIGHED = 20
"""Finished runs of a kind whose folders are measured for disk."""


def plan(
    experiments: Annotated[str, typer.Argument(help=EXPERIMENTS_HELP)],
    profile: ProfileName = "embedded",
    runs: Runs = Path("runs"),
    steps_per_second: Annotated[
        float | None, typer.Option(min=1e-6, help="of one run; default: measured from finished runs")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="runs at once")] = 1,
    explain: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="TASK ARM", help="show each field of these runs and who says it, and nothing else"),
    ] = None,
) -> None:
    """Say what experiments cost before anything is spent: runs, steps, hours, disk, and what is done already."""
    names = listed_experiments(experiments)
    if explain is not None:
        out.print(show_layers(names, profile, *explain), highlight=False)
        return
    out.print(show_experiments(names, profile, runs, steps_per_second, workers), highlight=False)


@dataclass(frozen=True)
class Cost:
    """What some runs cost. Steps and hours are at most: runs may stop early or be given up."""

    name: str
    """Of the task, or of the experiment."""
    runs: int
    done: int
    steps_left: int
    steps_per_second: float
    """NaN where no speed was stated and no finished run shows one."""
    bytes_a_run: float
    """NaN where no finished run shows it."""

    @property
    def hours_left(self) -> float:
        """Hours of one worker."""
        return self.steps_left / self.steps_per_second / 3600 if self.steps_left else 0.0

    @property
    def bytes_left(self) -> float:
        return self.bytes_a_run * (self.runs - self.done)


def show_experiments(
    experiments: Sequence[str],
    profile: str,
    runs: Path,
    steps_per_second: float | None,
    workers: int,
) -> Group:
    """Draw what experiments cost at a profile, and what the plan does not know: one by task, several a row each.

    Args:
        experiments: a run that several share counts for the first.
        runs: folder of runs, to see what is done and how fast it went.
        steps_per_second, workers: as for `plan_costs`; runs at once.

    Raises:
        ValueError: a mistake in a file or a name.
    """
    grids = [named_grid(name, profile) for name in experiments]
    results = read_results(runs, notes)
    counted: set[str] = set()
    by_experiment: list[tuple[str, list[Cost]]] = []
    for grid in grids:
        path = tables_folder(runs, grid) / GRID_FILE
        # What is asked for tells which runs are shared: of two grids, a bench may have resolved one alone.
        asked = [run.spec.run_id for run in grid.runs]
        known = known_specs(grid, _kept_grid(path))
        new = [spec for spec, run_id in zip(known, asked, strict=True) if run_id not in counted]
        counted.update(asked)
        by_experiment.append((grid.experiment.name, plan_costs(new, results, runs, steps_per_second)))
    costs = [cost for _, of_one in by_experiment for cost in of_one]
    rows = costs if len(grids) == 1 else [_together(name, of_one) for name, of_one in by_experiment]
    remarks = ["Steps and hours are at most: a run may stop early, and a sweep gives rates up.", *unknown_of(costs)]
    if len(grids) == 1 and grids[0].left_out:
        remarks.append(f"Left out, since the profile has no budget for them: {', '.join(grids[0].left_out)}")
    if len(grids) > 1:
        remarks.append("A run that several experiments share counts for the first of them.")
    return Group(show_plan(rows, _together("all", costs), workers), *(Text(remark) for remark in remarks))


def _kept_grid(path: Path) -> Grid | None:
    """Return the grid that a bench wrote; None where there is none, or, with a warning, where it cannot be read."""
    try:
        return read_grid(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        warn_of([why_unread(path, error)], notes)
        return None


def plan_costs(
    specs: Sequence[RunSpec], results: Sequence[RunResult], runs: Path, steps_per_second: float | None = None
) -> list[Cost]:
    """Return the cost of runs by task.

    Args:
        specs: as the experiment and the profile say; they may not be resolved yet.
        results: what is in the folder of runs.
        runs: that folder.
        steps_per_second: of one worker; by default measured from finished runs of the same task and body, those of
            the same depth and trained groups where there are some.
    """
    over = [result.spec for result in results if result.status != "failed"]
    on_real_data = {spec.task for spec in over if spec.data == "real"}
    specs = [_with_generated_data(spec) if spec.task in on_real_data else spec for spec in specs]
    done = {
        fields: {spec.canonical(without=fields) for spec in over} for fields in {_unsettled(spec) for spec in specs}
    }
    costs = []
    for task in dict.fromkeys(spec.task for spec in specs):
        wanted = {spec.run_id: spec for spec in specs if spec.task == task}
        open_ = [s for s in wanted.values() if s.canonical(without=_unsettled(s)) not in done[_unsettled(s)]]
        left = sum(spec.max_steps for spec in open_)
        bodies = {spec.body for spec in wanted.values()}
        alike = [r for r in results if r.spec.task == task and r.spec.body in bodies and r.curve and r.seconds]
        speed = steps_per_second or _mean_speed(open_ or list(wanted.values()), alike)
        costs.append(Cost(task, len(wanted), len(wanted) - len(open_), left, speed, _mean_bytes(alike, runs)))
    return costs


def _mean_speed(specs: Sequence[RunSpec], results: Sequence[RunResult]) -> float:
    """Return the steps a second over all of these runs, each as fast as finished runs of its kind; NaN without any.

    A readout alone, on features that are computed once, is a hundred times faster than what goes through the body: a
    kind is the same body, depth and trained groups. Where none is finished, the others' mean stands for it.
    """
    if not results:
        return math.nan
    usual = _steps_per_second(results)
    by_kind: dict[tuple[object, ...], list[RunResult]] = {}
    for result in results:
        by_kind.setdefault(_kind(result.spec), []).append(result)
    speeds = {kind: _steps_per_second(members) for kind, members in by_kind.items()}
    seconds = sum(spec.max_steps / speeds.get(_kind(spec), usual) for spec in specs)
    return sum(spec.max_steps for spec in specs) / seconds


def _steps_per_second(results: Sequence[RunResult]) -> float:
    return sum(r.curve[-1][0] for r in results) / sum(r.seconds for r in results)


def _kind(spec: RunSpec) -> tuple[object, ...]:
    return spec.body, spec.layers, spec.train


def known_specs(grid: Grid, kept: Grid | None) -> list[RunSpec]:
    """Return a grid's specs, in its order; those that a bench resolved and kept, where the same grid was run."""
    planned = [run.spec for run in grid.runs]
    if kept is None or len(kept.runs) != len(planned):
        return planned
    same = frozenset(SETTLED)
    pairs = [(run.spec, spec) for run, spec in zip(kept.runs, planned, strict=True)]
    return [known if known.canonical(same) == spec.canonical(same) else spec for known, spec in pairs]


def _with_generated_data(spec: RunSpec) -> RunSpec:
    """Say `real` where the plan says `embedded` and the task generates its data, so that there is no stand-in.

    Asking the task does import torch: do it only where runs of it on real data are over.
    """
    if spec.data != "embedded":
        return spec
    from fpt_bench.training.tasks import find_task

    return spec.model_copy(update={"data": "real"}) if find_task(spec.task).kinds == ("real",) else spec


def _unsettled(spec: RunSpec) -> frozenset[str]:
    return frozenset(name for name in SETTLED if getattr(spec, name) == "auto")


def _mean_bytes(results: Sequence[RunResult], runs: Path) -> float:
    sizes = sizes_of_runs(runs, results[:WEIGHED])
    return sum(sizes) / len(sizes) if sizes else math.nan


def _together(name: str, costs: Sequence[Cost]) -> Cost:
    """Return the cost of all of these runs as one, with their mean speed and size."""
    runs, done, steps = (sum(getattr(cost, field) for cost in costs) for field in ("runs", "done", "steps_left"))
    hours, size = sum(cost.hours_left for cost in costs), sum(cost.bytes_left for cost in costs)
    speed = steps / (3600 * hours) if hours else math.nan
    return Cost(name, runs, done, steps, speed, size / (runs - done) if runs > done else 0.0)


def show_plan(costs: Sequence[Cost], total: Cost, workers: int) -> Table:
    """Draw the costs, one a row, and the total."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("runs", "done", "steps left", "steps/s", "hours", f"{workers} at once", "GB"):
        table.add_column(name, justify="right")
    for cost in costs:
        table.add_row(cost.name, *_cells(cost, workers))
    table.add_row(total.name, *_cells(total, workers), style="bold")
    return table


def _cells(cost: Cost, workers: int) -> list[str]:
    hours = cost.hours_left
    return [
        str(cost.runs),
        str(cost.done),
        f"{cost.steps_left:,}",
        _written(cost.steps_per_second, "{:,.1f}") if cost.steps_left else "",
        _written(hours, "{:,.1f}"),
        _written(hours / workers, "{:,.1f}"),
        _written(cost.bytes_left / 1e9, "{:,.2f}"),
    ]


def _written(value: float, form: str) -> str:
    """Write a number; a question mark where it is not known."""
    return "?" if math.isnan(value) else form.format(value)


def unknown_of(costs: Sequence[Cost]) -> list[str]:
    """Return sentences on what the plan does not know, and what to do about it."""
    slow = list(dict.fromkeys(cost.name for cost in costs if math.isnan(cost.hours_left)))
    light = list(dict.fromkeys(cost.name for cost in costs if math.isnan(cost.bytes_left)))
    remarks = []
    if slow:
        remarks.append(f"No finished run shows the speed of {', '.join(slow)}: state it by --steps-per-second.")
    if light:
        remarks.append(
            f"No finished run shows the disk of {', '.join(light)}: a run keeps {RESULT_FILE}, logs, twice what it "
            "trains and Adam's two moments of it, 4 bytes a number."
        )
    return remarks
