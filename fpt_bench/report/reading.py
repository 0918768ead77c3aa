"""What the report is made from: each bench as its table's rows with the runs behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from fpt_bench.bench import PUBLISHED, find_grids, read_grid, read_results
from fpt_bench.config_files import read_yaml
from fpt_bench.grid import Grid, GridRun
from fpt_bench.notes import known_rows
from fpt_bench.results import RunResult
from fpt_bench.tables import build_frame, build_overall, build_rates


@dataclass(frozen=True)
class Cell:
    """One task under one arm."""

    task: str
    arm: str
    row: Mapping[str, Any]
    """The row of the table's frame: fractions and steps; what is not known is absent."""
    runs: tuple[RunResult, ...]
    """Runs that have a score, at the learning rate that the table prints."""
    tried: tuple[RunResult, ...]
    """All runs that are over, at every learning rate."""

    @property
    def label(self) -> str:
        """The task's name, with a dagger where the data are embedded."""
        return self.task + ("†" if self.row.get("data") == "embedded" else "")


@dataclass(frozen=True)
class Bench:
    """One experiment at one profile: what was asked for and what came out so far."""

    grid: Grid
    frame: pd.DataFrame
    rates: pd.DataFrame
    """A row for each learning rate that was swept."""
    overall: pd.DataFrame
    """A row for each arm, over tasks."""
    cells: tuple[Cell, ...]
    folder: Path | None = None
    """Folder of the runs' folders; None for results that lie nowhere."""

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(cell.task for cell in self.cells))

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(cell.arm for cell in self.cells))

    def of_task(self, task: str) -> list[Cell]:
        """Give a task's cells, in the order of the arms."""
        return [cell for cell in self.cells if cell.task == task]

    def label(self, task: str) -> str:
        """Give a task's name, with a dagger where any of its data are embedded."""
        return next((cell.label for cell in self.of_task(task) if cell.label != task), task)

    @property
    def expected(self) -> int:
        """How many runs there will be: all seeds of every cell and rate, but those of rates that are given up."""
        return int(self.frame["expected"].sum())

    @property
    def scored(self) -> int:
        """How many of them have a score."""
        return int(self.frame["scored"].sum())

    @property
    def results(self) -> list[RunResult]:
        """All runs that are over, in the grid's order, once each."""
        return list({r.spec.run_id: r for cell in self.cells for r in cell.tried}.values())


def read_benches(runs: Path, console: Console) -> list[Bench]:
    """Give every bench under a folder of runs, or the one bench whose tables' folder it is.

    Raises:
        FileNotFoundError: no grid is there.
        ValueError: a grid file that is none.
    """
    published = read_yaml(PUBLISHED) if PUBLISHED.is_file() else {}
    paths = find_grids(runs)
    by_folder = {folder: read_results(folder, console) for folder in {path.parents[2] for path in paths}}
    return [make_bench(read_grid(path), by_folder[path.parents[2]], published, path.parents[2]) for path in paths]


def make_bench(
    grid: Grid, results: list[RunResult], published: Mapping[str, Any] | None = None, folder: Path | None = None
) -> Bench:
    """Give a grid with its table's rows and the runs behind each."""
    frame = build_frame(grid, results, published)
    rows = {(row["task"], row["arm"]): row for row in known_rows(frame)}
    by_id = {result.spec.run_id: result for result in results}
    cells = [_make_cell(place, row, grid.runs, by_id) for place, row in rows.items()]
    return Bench(grid, frame, build_rates(grid, results), build_overall(grid, results), tuple(cells), folder)


def _make_cell(
    place: tuple[str, str], row: Mapping[str, Any], runs: tuple[GridRun, ...], by_id: Mapping[str, RunResult]
) -> Cell:
    ids = dict.fromkeys(run.spec.run_id for run in runs if (run.task, run.arm) == place)
    tried = tuple(by_id[run_id] for run_id in ids if run_id in by_id)
    rate = row.get("learning_rate")
    scored = tuple(r for r in tried if r.score is not None and r.spec.learning_rate == rate)
    return Cell(*place, row, scored, tried)
