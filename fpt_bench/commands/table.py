"""`table`: the tables of a bench again, from its results."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from fpt_bench.commands.console import notes
from fpt_bench.commands.options import BenchRuns
from fpt_bench.results.folder import find_grids, read_grid, read_results, runs_of, table_file

if TYPE_CHECKING:
    from fpt_bench.analysis.cells import Bench


def table(runs: BenchRuns = Path("runs")) -> None:
    """Render the tables of a bench again from its results, without training."""
    for path in find_grids(runs):
        render_again(path, notes)
        print_tables(path.parent)


def print_tables(folder: Path) -> None:
    """Print a bench's page of tables, and where it lies."""
    print(table_file(folder, "md").read_text())
    notes.print(f"tables: {folder}", markup=False, soft_wrap=True)


def render_again(grid_path: Path, console: Console) -> "Bench":
    """Render the tables beside a grid's file again from the results in its folder of runs, and return the bench.

    Raises:
        ValueError: a grid file that is none.
    """
    from fpt_bench.analysis.cells import Bench
    from fpt_bench.report.tables import write_tables

    bench = Bench.of(read_grid(grid_path), read_results(runs_of(grid_path), console))
    write_tables(bench, grid_path.parent)
    return bench
