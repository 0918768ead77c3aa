"""`table`: the tables of a bench again, from its results."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from fpt_bench.commands.console import notes, say
from fpt_bench.commands.options import BenchRuns, Kept, MixReleases
from fpt_bench.config.grid import Grid
from fpt_bench.results.folder import GRID_FILE, runs_of
from fpt_bench.results.result import RunResult
from fpt_bench.results.simple_records import known_records

if TYPE_CHECKING:
    from fpt_bench.analysis.benches import Bench


def table(runs: BenchRuns = Path("runs"), kept: Kept = None, mix_releases: MixReleases = False) -> None:
    """Render the tables of a bench again from its results, without training; of single runs, print one."""
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.analysis.plain_runs import grids_and_results
    from fpt_bench.analysis.releases import require_one_release
    from fpt_bench.report.tables import markdown

    grids, folder, results = grids_and_results(runs, notes, kept)
    if not mix_releases:
        for grid in grids.values():
            require_one_release(grid, results, folder)
    for path, grid in grids.items():
        if path.name != GRID_FILE:  # of single runs: a file would make a bench of them
            print(markdown(Bench.of(grid, results, simple=known_records(folder, notes, kept))))
            continue
        print_tables(markdown(render_again(grid, results, path.parent, notes, kept)), path.parent)


def print_tables(page: str, folder: Path) -> None:
    """Print a bench's page of tables, and where it lies."""
    say(page)
    notes.print(f"tables: {folder}", soft_wrap=True)


def render_again(
    grid: Grid, results: Sequence[RunResult], folder: Path, console: Console, kept: Path | None = None
) -> "Bench":
    """Render the tables of a bench in their folder again, and return the bench.

    Where they cannot be written, as in somebody else's folder, a line says so.
    """
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.report.tables import write_tables

    bench = Bench.of(grid, results, simple=known_records(runs_of(folder / GRID_FILE), console, kept))
    try:
        write_tables(bench, folder)
    except OSError as error:
        why = error.strerror or error
        console.print(f"{folder}: the tables there stay as they are, got: {why}", style="yellow", soft_wrap=True)
    return bench
