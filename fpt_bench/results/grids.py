"""Benches in a folder of runs: which grids are there, and which can be read."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from fpt_bench.config.grid import GRID_SCHEMA, Grid
from fpt_bench.config.spec import explain
from fpt_bench.results.folder import (
    GRID_FILE,
    RESULT_FILE,
    TABLES,
    entries_in,
    folder_of,
    packed_files,
    real_path,
    runs_of,
)
from fpt_bench.results.lines import is_packed
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.regular_files import read_regular, why_unread
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import read_packed, schema_of, warn_of


def require_own_grid(tables: Path, grid: Grid) -> None:
    """Raise a RefusedError where the bench in a folder of tables is another, or a later version's: it would be lost."""
    path = tables / GRID_FILE
    if (before := grid_before(tables)) is not None and (why := grid.other_than(before)) is not None:
        raise RefusedError(
            f"{tables}: expected tables of this bench or none, got those of another one of its name: {why}. They would "
            "be written over: rename the YAML file, take another --runs folder, or move that one away."
        )
    try:
        schema = schema_of(read_regular(path), {"experiment", "runs"})
    except (OSError, ValueError):
        return
    if schema is not None and schema > GRID_SCHEMA:
        raise RefusedError(
            f"{path}: expected a grid of schema {GRID_SCHEMA}, got one of schema {schema}. "
            "A newer fpt_bench made it: update this one, or take another --runs folder."
        )


def has_bench(runs: Path) -> bool:
    """Return whether a bench was begun in a folder of runs, or has this folder of tables."""
    return bool(_grid_files(runs))


def find_grids(runs: Path) -> list[Path]:
    """Return the grid files of the benches in a place.

    Args:
        runs: a folder of runs: all of its benches; a bench's folder of tables: that one; a packed file: those beside it
            of the experiment that it is named after or, where there is none, those that have a run in it.

    Raises:
        FileNotFoundError: there is none.
    """
    grids = _grid_files(runs)
    if not grids:
        raise FileNotFoundError(
            f"{real_path(runs)}: expected {GRID_FILE} of a bench there or in {TABLES}/*/, found none. "
            "Run `bench` first."
        )
    return grids


def where_results_lie(place: Path) -> Path:
    """Return where the results of a place are: of a bench's folder of tables, the folder of runs that it is in."""
    grid_path = real_path(place) / GRID_FILE
    return runs_of(grid_path) if os.path.lexists(grid_path) else place


def _grid_files(runs: Path) -> list[Path]:
    runs = real_path(runs)
    if os.path.lexists(runs / GRID_FILE):
        return [runs / GRID_FILE]
    if is_packed(runs):
        return _grids_of_packed(runs)
    paths = (folder / GRID_FILE for folder in entries_in(runs / TABLES))
    return [path for path in paths if os.path.lexists(path)]


def _grids_of_packed(path: Path) -> list[Path]:
    """Return the grid files beside a packed file that are its own; and those that cannot be read."""
    read = {grid_path: grid_before(grid_path.parent) for grid_path in _grid_files(path.parent)}
    named = [at for at, grid in read.items() if grid is not None and grid.experiment.name == path.stem]
    if named:
        return named
    held = {result.spec.run_id for _, result in read_packed(path, [])}
    return [at for at, grid in read.items() if grid is None or held & {run.spec.run_id for run in grid.runs}]


def read_grid(path: Path) -> Grid:
    """Read the grid that a bench wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no grid.
    """
    content = read_regular(path)
    try:
        grid = Grid.model_validate_json(content)
    except ValueError as error:
        wrong = explain(error.errors(), Grid) if isinstance(error, ValidationError) else str(error)
        raise ValueError(
            f"{path}: expected a grid in JSON ({wrong}). Run the bench again, or "
            f"move what an earlier version wrote: python -m fpt_bench.results.migration FOLDER"
        ) from error
    return grid


def with_results(grids: Mapping[Path, Grid], results: Iterable[RunResult], console: Console) -> dict[Path, Grid]:
    """Return the grids of which some run is over or has failed, and print a sentence for each of the others.

    Raises:
        FileNotFoundError: there is none: what was rendered before is worth more than a table of nothing.
    """
    known = {result.spec.run_id for result in results}
    found = {path: grid for path, grid in grids.items() if any(run.spec.run_id in known for run in grid.runs)}
    without = [
        f"{path.parent}: expected results of its {len(grid.runs)} runs in {runs_of(path)}, found none; what is there "
        f"stays as it is. Tables belong beside their runs: RUNS/{TABLES}/NAME"
        for path, grid in grids.items()
        if path not in found
    ]
    if not found:
        raise FileNotFoundError(". ".join(without))
    warn_of(without, console)
    return found


def benches_before(runs: Path, grid: Grid) -> list[Grid]:
    """Return the grids in a folder of runs that are of the bench of this one: the whole, and what was picked of it."""
    whole = f"{grid.experiment.name}-{grid.profile}"
    folders = (path.parent for path in _grid_files(folder_of(runs)) if path.parent.name.startswith(whole))
    found = ((folder.name, grid_before(folder)) for folder in folders)
    return [each for name, each in found if each is not None and each.name == name and each.is_of_the_bench_of(grid)]


def grid_before(tables: Path) -> Grid | None:
    """Return the grid of the bench whose tables are in a folder; None where there is none that can be read."""
    try:
        return read_grid(tables / GRID_FILE)
    except (OSError, ValueError):
        return None


def read_grids(runs: Path, console: Console) -> dict[Path, Grid]:
    """Return the grids that `find_grids` finds, by file, and print a sentence for each that cannot be read.

    Raises:
        FileNotFoundError: there is none.
        ValueError: there is one alone, or several, and none of them can be read.
    """
    grids, problems = {}, []
    for path in find_grids(runs):
        try:
            grids[path] = _in_its_place(read_grid(path), path)
        except (OSError, ValueError) as error:
            problems.append(why_unread(path, error))
    if not grids:
        raise ValueError(" ".join(problems))
    warn_of(problems, console)
    return grids


def _in_its_place(grid: Grid, path: Path) -> Grid:
    if grid.name != path.parent.name:
        raise ValueError(
            f"{path}: expected it in the folder {grid.name}, as it says of itself. A copy of a bench belongs into "
            "another folder of runs, tables and runs."
        )
    return grid


def state_of_results(runs: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a run is over or a bench begins: file, time of change, size."""
    grids = _grid_files(runs)
    roots = {runs_of(path) for path in grids} or {real_path(runs)}
    marks = []
    packed = [path for root in roots for path in packed_files(root)]
    for path in sorted([*grids, *packed, *(run / RESULT_FILE for root in roots for run in entries_in(root))]):
        try:
            found = path.stat()
        except OSError:  # a run that is not over, or what nobody can read
            continue
        # A bench writes its grid again after each run, always the same: its time says nothing.
        marks.append((str(path), 0 if path.name == GRID_FILE else found.st_mtime_ns, found.st_size))
    return tuple(marks)
