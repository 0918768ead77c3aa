"""Whole experiments: every run of a grid, the view of it, and its tables."""

import math
import time
from contextlib import closing
from pathlib import Path

from rich.console import Console

from fpt_bench.config_files import CONFIGS
from fpt_bench.display import GridView
from fpt_bench.events import Finished
from fpt_bench.grid import Grid, named_grid
from fpt_bench.launch import run_all
from fpt_bench.render import GRID_FILE, write_tables
from fpt_bench.resources import Launcher
from fpt_bench.results import RunResult, collect_results
from fpt_bench.slurm import send
from fpt_bench.sweep import given_up_runs, next_runs
from fpt_bench.workspace import Workspace

PUBLISHED = CONFIGS / "reference" / "published.yaml"
TABLES = "tables"
"""Folder beside the runs that holds a folder of tables for each experiment."""
TABLES_EVERY_SECONDS = 5.0
"""While a bench goes on, its tables are at most so old: they take longer the more results there are."""


def plan_grid(experiment: str, profile: str, workspace: Workspace) -> tuple[Grid, list[str]]:
    """Give an experiment's grid with the data that will be used, and the warnings that belong to it.

    Raises:
        ValueError: a mistake in a file or a name; nothing has been trained yet.
        FileNotFoundError: data or weights that cannot be had.
    """
    from fpt_bench.resolve import resolve

    grid = named_grid(experiment, profile)
    runs, warnings = [], []
    for run in grid.runs:
        spec, warning = resolve(run.spec, workspace)
        runs.append(run.model_copy(update={"spec": spec}))
        warnings.append(warning)
    return grid.model_copy(update={"runs": tuple(runs)}), list(dict.fromkeys(w for w in warnings if w))


def send_grid(grid: Grid, workspace: Workspace, launcher: Launcher) -> str:
    """Send to Slurm what can be done now of a grid and is neither done nor in the queue, and give a sentence about it.

    Of a sweep that is one wave: sending the grid again, when the wave is done, sends the next.

    Raises:
        ValueError: submitit is not installed.
        OSError: Slurm is not to be had or refuses.
    """
    results = _over(grid, collect_results(workspace.runs)[0])
    write_tables(grid, list(results.values()), workspace.runs / TABLES / grid.name, PUBLISHED)
    planned = next_runs(grid, results)
    if not planned:
        return f"{grid.name}: nothing to send, all runs are done"
    sent, arrays = send(planned, workspace, launcher)
    done = f"{len(results)} done, {len(planned) - sent} in the queue"
    if not sent:
        return f"{grid.name}: nothing to send: {done}"
    return f"{grid.name}: {sent} runs sent as job {', '.join(arrays)}; before: {done}"


def run_grid(grid: Grid, workspace: Workspace, workers: int, console: Console) -> list[RunResult]:
    """Do what is missing of a grid, show it while it goes on, keep its tables up to date, and give all results.

    Sweeps are done in waves, as `next_runs` plans them from what came out so far.
    Ctrl-C stops the workers and leaves the tables of what is finished.
    """
    results = _over(grid, read_results(workspace.runs, console))
    view = GridView(grid, workers, console)
    view.found(list(results.values()))
    folder = workspace.runs / TABLES / grid.name
    written = -math.inf
    try:
        with view.live():
            while planned := next_runs(grid, results):
                view.give_up(given_up_runs(grid, results))
                with closing(run_all(planned, workspace, workers)) as events:
                    for event in events:
                        view.take(event)
                        if isinstance(event, Finished):
                            results[event.result.spec.run_id] = event.result
                            if time.monotonic() - written > TABLES_EVERY_SECONDS:
                                write_tables(grid, list(results.values()), folder, PUBLISHED)
                                written = time.monotonic()
            view.give_up(given_up_runs(grid, results))
    finally:
        write_tables(grid, list(results.values()), folder, PUBLISHED)
    return list(results.values())


def _over(grid: Grid, found: list[RunResult]) -> dict[str, RunResult]:
    """Give what is over of a grid, by run id; a failed run is not."""
    wanted = {run.spec.run_id for run in grid.runs}
    return {r.spec.run_id: r for r in found if r.spec.run_id in wanted and r.status != "failed"}


def render_again(runs: Path, console: Console) -> list[Path]:
    """Render the tables of every grid under a folder of runs, or of the one grid whose folder it is, from its results.

    Raises:
        FileNotFoundError: no grid is there.
        ValueError: a grid file that is none.
    """
    grids = find_grids(runs)
    for path in grids:
        grid = read_grid(path)
        write_tables(grid, read_results(path.parents[2], console), path.parent, PUBLISHED)
    return [path.parent for path in grids]


def find_grids(runs: Path) -> list[Path]:
    """Give the grid files under a folder of runs, or the one of the bench whose folder of tables it is.

    Raises:
        FileNotFoundError: there is none.
    """
    runs = runs.resolve()
    grids = [runs / GRID_FILE] if (runs / GRID_FILE).is_file() else sorted(runs.glob(f"{TABLES}/*/{GRID_FILE}"))
    if not grids:
        raise FileNotFoundError(f"{runs}: expected {GRID_FILE} of a bench there or in {TABLES}/*/, found none")
    return grids


def read_results(runs: Path, console: Console) -> list[RunResult]:
    """Give all results in a folder of runs, and print a sentence for each file that is none."""
    results, problems = collect_results(runs)
    for problem in problems:
        console.print(problem, style="yellow", markup=False, soft_wrap=True)
    return results


def read_grid(path: Path) -> Grid:
    """Read the grid that a bench wrote.

    Raises:
        ValueError: the file is no grid.
    """
    try:
        return Grid.model_validate_json(path.read_text())
    except ValueError as error:
        raise ValueError(
            f"{path}: expected a grid in JSON ({str(error).splitlines()[0]}). Run the bench again."
        ) from error
