"""`bench`: every run of whole experiments, the view of them, and their tables."""

import math
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from datamodules.sources.downloads import MissingDataError
from fpt_bench.commands.console import FAILED, notes, out
from fpt_bench.commands.grid_plan import over_of, plan_grid
from fpt_bench.commands.options import (
    EXPERIMENTS_HELP,
    DataRoot,
    Kept,
    Loggers,
    MixReleases,
    Offline,
    PickedArms,
    PickedBody,
    PickedTasks,
    ProfileName,
    Runs,
    Seeds,
    Settings,
    make_workspace,
    takes_launcher,
)
from fpt_bench.commands.table import print_tables
from fpt_bench.config.command_line import launcher_from_options, seeds_of
from fpt_bench.config.grid import Grid
from fpt_bench.config.grid_of import named_grid
from fpt_bench.config.launcher import Launcher
from fpt_bench.config.picks import picks_from_options
from fpt_bench.config.yaml_files import ALL_EXPERIMENTS, find_config, listed_experiments
from fpt_bench.launching.crew import Worker
from fpt_bench.launching.slurm import send
from fpt_bench.launching.workers import default_workers, hire, run_all
from fpt_bench.results.events import Finished
from fpt_bench.results.folder import table_file, tables_folder
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import collect_results, read_results
from fpt_bench.results.simple_records import known_records
from fpt_bench.results.workspace import Workspace

TABLES_EVERY_SECONDS = 5.0
"""While a bench goes on, its tables are at most so old: they take longer the more results there are."""


@takes_launcher
def bench(
    launching: dict[str, Any],
    experiments: Annotated[str, typer.Option(help=EXPERIMENTS_HELP)] = "headline",
    profile: ProfileName = "embedded",
    runs: Runs = Path("runs"),
    kept: Kept = None,
    seeds: Seeds = None,
    tasks: PickedTasks = None,
    arms: PickedArms = None,
    body: PickedBody = None,
    settings: Settings = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="runs at once; default: one a core, or up to eight a GPU")
    ] = None,
    data_root: DataRoot = None,
    offline: Offline = False,
    logger: Loggers = None,
    mix_releases: MixReleases = False,
) -> None:
    """Run every task under each initialization and tabulate accuracies, differences and convergence speed.

    What --tasks, --arms, --body and --set pick is a bench of its own, with tables beside those of the whole one.
    """
    workspace = make_workspace(runs, data_root, offline, logger)
    launcher = launcher_from_options(launching, profile)
    asked = None if seeds is None else seeds_of(seeds)
    names, picks = listed_experiments(experiments), picks_from_options(tasks, arms, body, settings or ())
    for name in names:
        named_grid(name, profile, asked, picks)  # every name is checked before torch is loaded for the first of them
    runs.mkdir(parents=True, exist_ok=True)
    _require_own_names(names)
    plans, results = [], []
    for name in names:
        try:
            plans.append(plan_grid(name, profile, workspace, asked, mix_releases, kept, picks))
        except MissingDataError as error:
            if experiments != ALL_EXPERIMENTS or (name == names[-1] and not plans):
                raise
            notes.print(f"left out: {name}; {error}", style="yellow", markup=False, soft_wrap=True)
    # Jobs are sent from machines whose GPU, if they have one, is nobody's to ask.
    crew_size = 1 if launcher.kind == "slurm" else workers or default_workers()
    with hire(crew_size, workspace) as crew:
        for grid, warnings in plans:
            for warning in warnings:
                notes.print(warning, style="yellow", markup=False)
            if launcher.kind == "slurm":
                out.print(send_grid(grid, workspace, launcher, kept), markup=False, soft_wrap=True)
                continue
            results += run_grid(grid, workspace, crew, notes, mix_releases, kept)
            tables = tables_folder(runs, grid)
            print_tables(table_file(tables, "md").read_text(encoding="utf-8"), tables)
    if results:
        notes.print(f"next: {shlex.join(['python', '-m', 'fpt_bench', 'report', str(runs)])}", soft_wrap=True)
    troubled = [result for result in results if result.status != "ok"]
    for result in troubled:
        notes.print(f"{result.spec.run_id} {result.status}: {result.error}", style="red", markup=False, soft_wrap=True)
    if any(not result.is_over for result in troubled):
        raise typer.Exit(FAILED)


def _require_own_names(experiments: list[str]) -> None:
    """Raise a ValueError where the tables of two experiments would lie in one folder."""
    files = [find_config("experiments", name) for name in experiments]
    by_name: dict[str, set[Path]] = {}
    for file in files:
        by_name.setdefault(file.stem, set()).add(file.resolve())
    for name, same in by_name.items():
        if len(same) > 1:
            raise ValueError(
                f"--experiments: expected experiments of different names, got {' and '.join(sorted(map(str, same)))}: "
                f"the tables of both would be called {name}. Rename one, or run them with another --runs folder each"
            )


def send_grid(grid: Grid, workspace: Workspace, launcher: Launcher, kept: Path | None = None) -> str:
    """Send to Slurm what can be done now of a grid and is neither done nor queued, and return a sentence about it.

    Of a sweep that is one wave: sending the grid again, when the wave is done, sends the next.

    Raises:
        ValueError: submitit is not installed.
        OSError: Slurm is not available or refuses.
    """
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.analysis.sweep import next_runs
    from fpt_bench.report.tables import write_tables

    results = over_of(grid, collect_results(workspace.runs, kept)[0])
    simple = known_records(workspace.runs, notes, kept)
    write_tables(Bench.of(grid, results.values(), simple=simple), tables_folder(workspace.runs, grid))
    planned = next_runs(grid, results)
    if not planned:
        return f"{grid.name}: nothing to send, all runs are done"
    sent, arrays = send(planned, workspace, launcher)
    done = f"{len(results)} done, {len(planned) - sent} in the queue"
    if not sent:
        return f"{grid.name}: nothing to send: {done}"
    return f"{grid.name}: {sent} runs sent as job {', '.join(arrays)}; before: {done}"


def run_grid(
    grid: Grid,
    workspace: Workspace,
    crew: Sequence[Worker],
    console: Console,
    mix_releases: bool = False,
    kept: Path | None = None,
) -> list[RunResult]:
    """Do what is missing of a grid, show it while it goes on, keep its tables up to date, and return all results.

    What is over in `kept`, another folder of results or a packed file, is not missing, and is in the tables.
    Sweeps are done in waves, as `next_runs` plans them from what came out so far.
    Ctrl-C stops the crew, which is `hire`'s, and leaves the tables of what is finished.

    Raises:
        ValueError: all runs are done, but some went on, or were done elsewhere, under another release of torch, and it
            is not `mix_releases`; the tables stay as they are.
    """
    # All that will be needed: Ctrl-C in the middle of an import would leave half a library, and no sentence.
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.analysis.releases import is_mixed, require_one_release
    from fpt_bench.analysis.sweep import given_up_runs, next_runs
    from fpt_bench.commands.grid_view import GridView
    from fpt_bench.report.tables import write_tables

    def write() -> None:
        if mix_releases or not is_mixed(results.values()):
            write_tables(Bench.of(grid, results.values(), simple=simple), tables_folder(workspace.runs, grid))

    results = over_of(grid, read_results(workspace.runs, console, kept))
    simple = known_records(workspace.runs, console, kept)
    view = GridView(grid, len(crew), console)
    view.found(list(results.values()))
    written, done = -math.inf, []
    write()  # what is claimed is on disk before the first run
    try:
        with view.live():
            while planned := next_runs(grid, results):
                view.give_up(given_up_runs(grid, results))
                with closing(run_all(planned, workspace, crew)) as events:
                    for event in events:
                        view.take(event)
                        if isinstance(event, Finished):
                            results[event.result.spec.run_id] = event.result
                            done.append(event.result)
                            if time.monotonic() - written > TABLES_EVERY_SECONDS:
                                write()
                                written = time.monotonic()
            view.give_up(given_up_runs(grid, results))
    finally:
        write()
        if done:
            console.print(where_time_went(done), highlight=False, soft_wrap=True)
    if not done:
        console.print(f"{grid.name}: all {len(results)} runs were done before, nothing trained", soft_wrap=True)
    if not mix_releases:
        require_one_release(grid, results.values(), workspace.runs)
    return list(results.values())


def where_time_went(results: list[RunResult]) -> str:
    """Say how many seconds of workers each phase of these runs took.

    Example:
        >>> where_time_went([])
        'seconds of workers by phase: none'
    """
    seconds: Counter[str] = Counter()
    for result in results:
        seconds.update(result.phases)
    return "seconds of workers by phase: " + (", ".join(f"{k} {v:,.0f}" for k, v in seconds.items()) or "none")
