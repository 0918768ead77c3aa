"""`plan`: what experiments will cost, before anything is spent: runs, steps, hours and disk; and how many seeds do."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fpt_bench.commands.console import notes, out
from fpt_bench.commands.costs import Cost, plan_costs, settled, together
from fpt_bench.commands.layers_view import show_layers
from fpt_bench.commands.options import (
    EXPERIMENTS_HELP,
    Kept,
    PickedArms,
    PickedBody,
    PickedTasks,
    ProfileName,
    Runs,
    Seeds,
    Settings,
    is_typed,
    refuse_given,
)
from fpt_bench.config.command_line import seeds_of
from fpt_bench.config.grid import Grid
from fpt_bench.config.grid_of import named_grid
from fpt_bench.config.picks import WHOLE, Picks, picks_from_options
from fpt_bench.config.yaml_files import CONFIGS, is_a_path, listed_experiments
from fpt_bench.results.folder import GRID_FILE, RESULT_FILE, existing, folder_of, tables_folder
from fpt_bench.results.grids import read_grid
from fpt_bench.results.regular_files import why_unread
from fpt_bench.results.result import RunResult, over_in
from fpt_bench.results.result_files import collect_results, read_results, warn_of

KEPT = tuple(CONFIGS.parent / "docs" / "results" / name for name in ("", "headline", "before"))
"""Where a checkout has results of ours, which show how fast runs go before there is any here."""


def plan(
    context: typer.Context,
    experiments: Annotated[str, typer.Argument(help=EXPERIMENTS_HELP)],
    profile: ProfileName = "embedded",
    runs: Runs = Path("runs"),
    kept: Kept = None,
    seeds: Seeds = None,
    tasks: PickedTasks = None,
    arms: PickedArms = None,
    body: PickedBody = None,
    settings: Settings = None,
    steps_per_second: Annotated[
        float | None, typer.Option(min=1e-6, help="of one run; default: measured from finished runs")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="runs at once")] = 1,
    explain: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="TASK ARM", help="show each field of these runs and who says it, and nothing else"),
    ] = None,
    resolve: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="show how many seeds resolve a difference of so many points in 100, and nothing else",
        ),
    ] = None,
) -> None:
    """Say what experiments cost before anything is spent: runs, steps, hours, disk, and what is done already."""
    if explain is not None or resolve is not None:
        view, other = ("--explain", ("resolve", "kept")) if explain is not None else ("--resolve", ())
        refuse_given(context, (*other, "steps_per_second", "workers"), f"with {view}, which shows nothing else")
    if resolve is not None and kept is None and is_typed(context, "runs"):  # by default nothing may have run yet
        existing(runs)
    runs = folder_of(runs)  # runs that experiments share lie in the packed file of one of them
    names, asked = listed_experiments(experiments), None if seeds is None else seeds_of(seeds)
    picks = picks_from_options(tasks, arms, body, settings or ())
    if explain is not None:
        out.print(show_layers(names, profile, *explain, seeds=asked, picks=picks), highlight=False)
    elif resolve is not None:
        out.print(show_resolution(names, profile, runs, resolve, asked, picks, kept), highlight=False, soft_wrap=True)
    else:
        shown = show_experiments(names, profile, runs, steps_per_second, workers, asked, picks, kept)
        out.print(shown, highlight=False)


def show_resolution(
    experiments: Sequence[str],
    profile: str,
    runs: Path,
    points: float,
    seeds: tuple[int, ...] | None = None,
    picks: Picks = WHOLE,
    kept: Path | None = None,
) -> Group:
    """Draw how many seeds resolve a difference of so many points in each of the experiments.

    Raises:
        ValueError: a mistake in a file or a name; no difference that a score in percent can have.
    """
    from fpt_bench.commands.seeds_view import require_points, show_seeds

    require_points(points)
    grids = dict(zip(experiments, _grids(experiments, profile, seeds, picks), strict=True))
    results = read_results(runs, notes, kept)
    return Group(
        *(
            show_seeds(_settled(grid, runs, results), results, points, (name, profile, runs, kept))
            for name, grid in grids.items()
        )
    )


def show_experiments(
    experiments: Sequence[str],
    profile: str,
    runs: Path,
    steps_per_second: float | None,
    workers: int,
    seeds: tuple[int, ...] | None = None,
    picks: Picks = WHOLE,
    kept: Path | None = None,
) -> Group:
    """Draw what experiments cost at a profile, and what the plan does not know: one by task, several a row each.

    Args:
        experiments: a run that several share counts for the first.
        profile: a name, or a YAML file.
        runs: folder of runs, to see what is done and how fast it went.
        steps_per_second, workers: as for `plan_costs`; runs at once.
        seeds: to report, instead of the profile's.
        picks: what the command line picks of each.
        kept: another place of results: what is over there is done; it shows the speed of what no run here shows.

    Raises:
        ValueError: a mistake in a file or a name.
    """
    from fpt_bench.analysis.sweep import given_up_runs

    grids = _grids(experiments, profile, seeds, picks)
    results = read_results(runs, notes, kept)
    own = results if kept is None else collect_results(runs)[0]
    over = over_in(results)
    elsewhere = [*kept_results(), *results] if steps_per_second is None else []
    counted: set[str] = set()
    by_experiment: list[tuple[str, list[Cost]]] = []
    for grid in grids:
        known = _settled(grid, runs, results)
        unwanted = given_up_runs(known, over)
        # What is asked for tells which runs are shared: of two grids, a bench may have resolved one alone.
        wanted = {
            asked.spec.run_id: run.spec
            for asked, run in zip(grid.runs, known.runs, strict=True)
            if run.spec.run_id not in unwanted
        }
        new = [spec for asked, spec in wanted.items() if asked not in counted]
        counted.update(wanted)
        by_experiment.append((grid.experiment.name, plan_costs(new, over, own, runs, steps_per_second, elsewhere)))
    costs = [cost for _, of_one in by_experiment for cost in of_one]
    rows = costs if len(grids) == 1 else [together(name, of_one) for name, of_one in by_experiment]
    remarks = ["Steps and hours are at most: a run may stop early, and a sweep gives rates up.", *unknown_of(costs)]
    if len(grids) == 1 and grids[0].left_out:
        remarks.append(f"Left out, since the profile has no budget for them: {', '.join(grids[0].left_out)}")
    if kept is not None:
        remarks.append(
            f"What is over in {kept} counts as done, in whatever precision it was made; `bench` takes those alone "
            "that this machine would make in the same."
        )
    remarks += [grid.tried_out for grid in grids if grid.tried_out]
    if len(grids) > 1:
        remarks.append("A run that several experiments share counts for the first of them.")
    return Group(show_plan(rows, together("all", costs), workers), *(Text(remark) for remark in remarks))


def kept_results(places: Sequence[Path] = KEPT) -> list[RunResult]:
    """Return the results that came with this checkout, set-aside ones too; none where it came without them."""
    return [result for place in places if place.is_dir() for result in collect_results(place)[0]]


def _grids(experiments: Sequence[str], profile: str, seeds: tuple[int, ...] | None, picks: Picks) -> list[Grid]:
    """Return the grids that a bench would run; tasks take the data arguments that are typed or in one's own files."""
    grids = [named_grid(name, profile, seeds, picks) for name in experiments]
    if "data_arguments" in picks.fields or any(is_a_path(name) for name in (profile, *experiments)):
        from fpt_bench.training.resolve import checked_arguments  # which imports the tasks' classes, and so torch

        said = {(run.spec.task, tuple(run.spec.data_arguments.items())) for grid in grids for run in grid.runs}
        for task, arguments in sorted(said, key=str):
            checked_arguments(task, dict(arguments))
    return grids


def _settled(grid: Grid, runs: Path, results: Sequence[RunResult]) -> Grid:
    return settled(grid, _kept_grid(tables_folder(runs, grid) / GRID_FILE), results)


def _kept_grid(path: Path) -> Grid | None:
    """Return the grid that a bench wrote; None where there is none, or, with a warning, where it cannot be read."""
    try:
        return read_grid(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        warn_of([why_unread(path, error)], notes)
        return None


def show_plan(costs: Sequence[Cost], total: Cost, workers: int) -> Table:
    """Draw the costs, one a row, and the total."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in ("runs", "done", "steps left", "steps/s", "hours", f"{workers} at once", "GB"):
        table.add_column(name, justify="right")
    rows = [(cost.name, *_cells(cost, workers)) for cost in (*costs, total)]
    for row in rows:
        table.add_row(*row, style="bold" if row is rows[-1] else "")
    for column, texts in zip(table.columns[1:], zip(*(row[1:] for row in rows), strict=True), strict=True):
        column.no_wrap, column.min_width = True, max(map(len, texts))  # names fold; numbers never do
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
    if kept := list(dict.fromkeys(cost.name for cost in costs if cost.by_kept)):
        remarks.append(
            f"Steps/s, hours and GB of {', '.join(kept)} are guessed from kept results, which another machine made, "
            "some with other data: state your speed by --steps-per-second, or see again after a run of each."
        )
    if slow:
        remarks.append(f"No finished run shows the speed of {', '.join(slow)}: state it by --steps-per-second.")
    if light:
        remarks.append(
            f"No finished run shows the disk of {', '.join(light)}: a run keeps {RESULT_FILE}, logs, twice what it "
            "trains and Adam's two moments of it, 4 bytes a number."
        )
    return remarks
