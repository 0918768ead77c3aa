"""The layout of a folder of runs: the only file that knows what lies where, under which name.

RUNS/
  RUN_ID/                      a run
    result.json                appears when the run is over, and is the one truth about what is done
    run.claim                  while a process works on it
    checkpoints/{best,last}.ckpt
    logs/
    predictions.json           what the model says to a few test examples, to be looked at
    test_predictions.npz       what it says to every test example, and how sure it is
    attention-0.png            drawn by `attention`
  tables/EXPERIMENT-PROFILE/   a bench: grid.json, table.md, table.tex, table.csv, table.json, ...
  bodies/                      a folder of runs that trained bodies for others, each kept in RUN_ID/body/
  features/                    features of frozen bodies, computed once
  simple-learners.json         floors and simple learners, measured by `learn`
  slurm/                       which job does which run, and the jobs' logs
"""

import contextlib
import gc
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from fpt_bench.config.grid import GRID_SCHEMA, Grid
from fpt_bench.config.spec import explain
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.regular_files import read_regular, why_unread
from fpt_bench.results.result import SCHEMA, RunResult

# In the folder of a run, which its spec names: `runs / spec.run_id`.
RESULT_FILE, LEASE_FILE, WEIGHTS_FILE = "result.json", "run.claim", "body.safetensors"
PREDICTIONS_FILE, TEST_PREDICTIONS_FILE = "predictions.json", "test_predictions.npz"
CHECKPOINTS, LOGS, KEPT_BODY = "checkpoints", "logs", "body"
BEST, LAST = "best", "last"
# Beside runs.
TABLES, BODIES, FEATURES, SLURM = "tables", "bodies", "features", "slurm"
GRID_FILE, SIMPLE_LEARNERS_FILE = "grid.json", "simple-learners.json"


CHECKED = ("check.md", "check.xml")
"""What `make check` writes there."""


def is_of_a_bench(entry: Path) -> bool:
    """Return whether something in a folder of runs is what a bench, or `make check`, puts there."""
    if entry.is_symlink() or not entry.is_dir():
        return not entry.is_symlink() and entry.name in (SIMPLE_LEARNERS_FILE, *CHECKED)
    if entry.name == TABLES:
        return all((folder / GRID_FILE).is_file() for folder in _entries(entry))
    if entry.name in (BODIES, FEATURES, SLURM):
        return True
    return any((entry / name).exists() for name in (RESULT_FILE, LEASE_FILE, CHECKPOINTS, LOGS))


def entries_of(runs: Path) -> list[Path]:
    """Return what is in a folder of runs, whatever it is, by name; nothing where there is no folder."""
    return _entries(runs)


def runs_with(run: Path) -> Path:
    """Return the folder of runs that a run's folder is in."""
    return _real(run).parent


def _real(path: Path) -> Path:
    """Return a path without links, as `Path.resolve`, which raises RuntimeError where links lead round in a circle."""
    return Path(os.path.realpath(path))


def checkpoint_file(run: Path, name: str) -> Path:
    """Return a run's checkpoint called BEST or LAST."""
    return run / CHECKPOINTS / f"{name}.ckpt"


def attention_picture(run: Path, example: int) -> Path:
    """Return where the attention of a run's model on one test example is drawn, unless another file is named."""
    return run / f"attention-{example}.png"


def attention_pictures(run: Path) -> dict[str, Path]:
    """Return the pictures of attention in a run's folder, by the test example that they show."""
    return {path.stem.partition("-")[2]: path for path in _entries(run) if path.match("attention-*.png")}


def tables_folder(runs: Path, grid: Grid) -> Path:
    """Return the folder of a bench's tables."""
    return runs / TABLES / grid.name


def table_file(tables: Path, ending: str, name: str = "table") -> Path:
    """Return a file in a bench's folder of tables, such as `table.md` or `rates.csv`."""
    return tables / f"{name}.{ending}"


def runs_of(grid_path: Path) -> Path:
    """Return the folder of runs that a grid's file is in."""
    return grid_path.parent.parent.parent


def simple_learners_file(runs: Path) -> Path:
    """Return the file of floors and simple learners that somebody measured beside these runs."""
    return runs / SIMPLE_LEARNERS_FILE


def write_result(result: RunResult, run: Path, require_owner: Callable[[], None] = lambda: None) -> None:
    """Put a finished run's result into its folder, atomically; `require_owner` as in `replaced_when_whole`."""
    write_atomically(run / RESULT_FILE, result.model_dump_json(indent=1) + "\n", require_owner)


def read_result(run: Path) -> RunResult | None:
    """Return the result in a run's folder, or None where the run is not over.

    Raises:
        RefusedError: the file is a result of another schema.
        OSError: the file cannot be read.
        ValueError: it is no result; the message names it.
    """
    path = run / RESULT_FILE
    try:
        content = read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _parse_result(content, path)


def read_run(run: Path) -> RunResult:
    """Return the result in a run's folder.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        ValueError: the file is no result.
    """
    # A link to a run, or `.` within it, is that run.
    result = read_result(_real(run))
    if result is None:
        raise FileNotFoundError(f"{run}: expected the folder of a run that is over, found no {RESULT_FILE} there")
    return result


def _parse_result(content: bytes, path: Path) -> RunResult:
    try:
        result = RunResult.model_validate_json(content.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a result in JSON, got bytes that are not text") from error
    except ValidationError as error:
        _require_schema(content, path)
        finding = error.errors()[0]
        raise ValueError(
            f"{path}: expected a result in JSON, got a file that is truncated or garbled ({finding['msg']}). "
            "Ask for the run again to make it anew."
        ) from error
    if "schema_version" not in result.model_fields_set:
        _require_schema(content, path)
    if result.spec.run_id != path.parent.name:
        raise ValueError(
            f"{path}: expected it in the folder {result.spec.run_id}, as its spec says. "
            "A copy of a run belongs into another folder of runs."
        )
    return result


def _require_schema(content: bytes, path: Path) -> None:
    """Raise a RefusedError if this is a whole result of another schema than ours."""
    schema = _schema_of(content, {"spec", "status"})
    if schema in (None, SCHEMA):
        return
    advice = (
        "A newer fpt_bench made it: update this one"
        if schema > SCHEMA
        else f"An older fpt_bench made it: `python -m fpt_bench.results.migration {path.parent.parent}` moves it"
    )
    raise RefusedError(f"{path}: expected a result of schema {SCHEMA}, got one of schema {schema}. {advice}.")


def _schema_of(content: bytes, keys: set[str]) -> int | None:
    """Return the schema that a file says, the first where it says none; None where it is no mapping with these keys."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    schema = fields.get("schema", 1) if isinstance(fields, dict) and keys <= fields.keys() else None
    return schema if isinstance(schema, int) else None


def require_own_grid(tables: Path, grid: Grid) -> None:
    """Raise a RefusedError where the bench in a folder of tables is another, or a later version's: it would be lost."""
    path = tables / GRID_FILE
    if (before := grid_before(tables)) is not None and (why := grid.other_than(before)) is not None:
        raise RefusedError(
            f"{tables}: expected tables of this bench or none, got those of another one of its name: {why}. They would "
            "be written over: rename the YAML file, take another --runs folder, or move that one away."
        )
    try:
        schema = _schema_of(read_regular(path), {"experiment", "runs"})
    except (OSError, ValueError):
        return
    if schema is not None and schema > GRID_SCHEMA:
        raise RefusedError(
            f"{path}: expected a grid of schema {GRID_SCHEMA}, got one of schema {schema}. "
            "A newer fpt_bench made it: update this one, or take another --runs folder."
        )


def collect_results(runs: Path) -> tuple[list[RunResult], list[str]]:
    """Return all results under a folder of runs, by run id, and a sentence for each that is none or cannot be read.

    Raises:
        OSError: the folder itself cannot be read.
    """
    results, problems = [], []
    with _without_collector():
        for run in _entries(runs):
            try:
                result = read_result(run)
            except (OSError, ValueError) as error:
                problems.append(why_unread(run / RESULT_FILE, error))
                continue
            # None: a stray file or folder, or a run that is not over.
            results += [] if result is None else [result]
    return results, problems


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, whatever it is, by name; nothing where there is no folder."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_results(runs: Path, console: Console) -> list[RunResult]:
    """Return all results in a folder of runs, and print a sentence for each that is none or cannot be read."""
    results, problems = collect_results(runs)
    warn_of(problems, console)
    return results


def warn_of(problems: Iterable[str], console: Console) -> None:
    """Print what could not be read and was left out, a sentence a line."""
    for problem in problems:
        console.print(problem, style="yellow", markup=False, soft_wrap=True)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from going over 100,000 new values again and again: a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def has_bench(runs: Path) -> bool:
    """Return whether a bench was begun in a folder of runs, or has this folder of tables."""
    return bool(_grid_files(runs))


def find_grids(runs: Path) -> list[Path]:
    """Return the grid files under a folder of runs, or the one of the bench whose folder of tables it is.

    Raises:
        FileNotFoundError: there is none.
    """
    grids = _grid_files(runs)
    if not grids:
        raise FileNotFoundError(
            f"{_real(runs)}: expected {GRID_FILE} of a bench there or in {TABLES}/*/, found none. Run `bench` first."
        )
    return grids


def _grid_files(runs: Path) -> list[Path]:
    runs = _real(runs)
    if os.path.lexists(runs / GRID_FILE):
        return [runs / GRID_FILE]
    paths = (folder / GRID_FILE for folder in _entries(runs / TABLES))
    return [path for path in paths if os.path.lexists(path)]


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
    roots = {runs_of(path) for path in grids} or {_real(runs)}
    marks = []
    for path in sorted([*grids, *(run / RESULT_FILE for root in roots for run in _entries(root))]):
        try:
            found = path.stat()
        except OSError:  # a run that is not over, or what nobody can read
            continue
        # A bench writes its grid again after each run, always the same: its time says nothing.
        marks.append((str(path), found.st_mtime_ns if path.name == RESULT_FILE else 0, found.st_size))
    return tuple(marks)


def sizes_of_runs(runs: Path, results: Iterable[RunResult]) -> list[int]:
    """Return the bytes on disk of each result's run folder; what cannot be looked at counts as nothing."""
    return [_size(runs / result.spec.run_id) for result in results]


def _size(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += (Path(parent) / name).lstat().st_blocks * 512
    return size
