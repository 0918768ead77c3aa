"""Benches of a made-up experiment, and their tables, for the tests of packs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from fpt_bench.analysis.benches import Bench
from fpt_bench.config.grid import Grid
from fpt_bench.report.tables import markdown
from fpt_bench.results.folder import runs_of
from fpt_bench.results.grids import find_grids, read_grid
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import collect_results
from fpt_bench.results.simple_records import known_records
from tests.made_up_bench import made_up_bench

WHEN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def bench_of(
    name: str, seeds: Sequence[int] = (0, 1), tasks: Sequence[str] = ("mnist",)
) -> tuple[Grid, list[RunResult]]:
    grid, results = made_up_bench(tasks=tasks, seeds=seeds)
    experiment = grid.experiment.model_copy(update={"name": name})
    return grid.model_copy(update={"experiment": experiment}).registering((), WHEN, experiment.claims), results


def page_of(runs: Path) -> list[str]:
    """The tables of the benches in a place, as `table` prints them."""
    found = [read_grid(path) for path in find_grids(runs)]
    folder = runs_of(find_grids(runs)[0])
    results, _ = collect_results(folder)
    return [markdown(Bench.of(grid, results, simple=known_records(folder, Console(quiet=True)))) for grid in found]


def longer(result: RunResult) -> RunResult:
    return result.model_copy(update={"seconds": 99.0})
