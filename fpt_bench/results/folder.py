"""The layout of a folder of runs: only this file, and `grids.py` of benches, know what lies where, under which name.

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
  NAME.jsonl                   packed runs, a result a line, in place of their folders
  NAME.predictions.zip         what packed runs keep beside their results, as RUN_ID/predictions.json
  simple-learners.json         floors and simple learners, measured by `learn`
  slurm/                       which job does which run, and the jobs' logs
"""

import contextlib
import gc
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from fpt_bench.config.grid import Grid
from fpt_bench.results.archive import members, read_member
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.lines import is_packed, one_of_each, read_lines
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.regular_files import LIMIT, read_regular, why_unread
from fpt_bench.results.result import SCHEMA, RunResult, over_in

# In the folder of a run, which its spec names: `runs / spec.run_id`.
RESULT_FILE, LEASE_FILE, WEIGHTS_FILE = "result.json", "run.claim", "body.safetensors"
PREDICTIONS_FILE, TEST_PREDICTIONS_FILE = "predictions.json", "test_predictions.npz"
CHECKPOINTS, LOGS, KEPT_BODY = "checkpoints", "logs", "body"
BEST, LAST = "best", "last"
# Beside runs.
TABLES, BODIES, FEATURES, SLURM = "tables", "bodies", "features", "slurm"
GRID_FILE, SIMPLE_LEARNERS_FILE = "grid.json", "simple-learners.json"
PACKED_PREDICTIONS = ".predictions.zip"
BAD_LINES = 10
"""Lines of one file that are named, each in a sentence; others are counted."""


CHECKED = ("check.md", "check.xml")
"""What `make check` writes there."""


def is_of_a_bench(entry: Path) -> bool:
    """Return whether something in a folder of runs is what a bench, or `make check`, puts there."""
    if entry.is_symlink() or not entry.is_dir():
        return not entry.is_symlink() and entry.name in (SIMPLE_LEARNERS_FILE, *CHECKED)
    if entry.name == TABLES:
        return all((folder / GRID_FILE).is_file() for folder in entries_in(entry))
    if entry.name in (BODIES, FEATURES, SLURM):
        return True
    return any((entry / name).exists() for name in (RESULT_FILE, LEASE_FILE, CHECKPOINTS, LOGS))


def runs_with(run: Path) -> Path:
    """Return the folder of runs that a run's folder is in."""
    return real_path(run).parent


def real_path(path: Path) -> Path:
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
    return {path.stem.partition("-")[2]: path for path in entries_in(run) if path.match("attention-*.png")}


def tables_folder(runs: Path, grid: Grid) -> Path:
    """Return the folder of a bench's tables."""
    return runs / TABLES / grid.name


def table_file(tables: Path, ending: str, name: str = "table") -> Path:
    """Return a file in a bench's folder of tables, such as `table.md` or `rates.csv`."""
    return tables / f"{name}.{ending}"


def runs_of(grid_path: Path) -> Path:
    """Return the folder of runs that a grid's file is in."""
    return grid_path.parent.parent.parent


def begun_runs(runs: Path) -> list[str]:
    """Return the ids of the runs in a folder that are over or that somebody has begun, by name."""
    begun = (RESULT_FILE, LEASE_FILE)
    return [entry.name for entry in entries_in(runs) if any(os.path.lexists(entry / name) for name in begun)]


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


def time_of_result(run: Path) -> int | None:
    """Return when a run's result was written, in nanoseconds of its file; None where there is none."""
    try:
        return (run / RESULT_FILE).stat().st_mtime_ns
    except OSError:
        return None


def read_run(run: Path) -> RunResult:
    """Return the result in a run's folder.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        ValueError: the file is no result.
    """
    # A link to a run, or `.` within it, is that run.
    result = read_result(real_path(run))
    if result is None:
        raise FileNotFoundError(f"{run}: expected the folder of a run that is over, found no {RESULT_FILE} there")
    return result


def _parse_result(content: bytes, path: Path) -> RunResult:
    result = parse_result(content, path, path.parent.parent)
    if result.spec.run_id != path.parent.name:
        raise ValueError(
            f"{path}: expected it in the folder {result.spec.run_id}, as its spec says. "
            "A copy of a run belongs into another folder of runs."
        )
    return result


def parse_result(content: bytes, place: Path | str, runs: Path) -> RunResult:
    """Return the result that is written somewhere.

    Args:
        content: the JSON.
        place: where it is from, for messages: its file, or file and line.
        runs: what the script that moves earlier schemas is to be told.

    Raises:
        RefusedError: it is one of another schema.
        ValueError: it is no result; the message names the place.
    """
    try:
        result = RunResult.model_validate_json(content.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: expected a result in JSON, got bytes that are not text") from error
    except ValidationError as error:
        _require_schema(content, place, runs)
        finding = error.errors()[0]
        raise ValueError(
            f"{place}: expected a result in JSON, got one that is truncated or garbled ({finding['msg']}). "
            "Ask for the run again to make it anew."
        ) from error
    if "schema_version" not in result.model_fields_set:
        _require_schema(content, place, runs)
    return result


def _require_schema(content: bytes, place: Path | str, runs: Path) -> None:
    """Raise a RefusedError if this is a whole result of another schema than ours."""
    schema = schema_of(content, {"spec", "status"})
    if schema in (None, SCHEMA):
        return
    advice = (
        "A newer fpt_bench made it: update this one"
        if schema > SCHEMA
        else f"An older fpt_bench made it: `python -m fpt_bench.results.migration {runs}` moves it"
    )
    raise RefusedError(f"{place}: expected a result of schema {SCHEMA}, got one of schema {schema}. {advice}.")


def schema_of(content: bytes, keys: set[str]) -> int | None:
    """Return the schema that a file says, the first where it says none; None where it is no mapping with these keys."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    schema = fields.get("schema", 1) if isinstance(fields, dict) and keys <= fields.keys() else None
    return schema if isinstance(schema, int) else None


def collect_results(runs: Path, kept: Path | None = None) -> tuple[list[RunResult], list[str]]:
    """Return all results in a place, by run id, and a sentence for each that is none or cannot be read.

    Args:
        runs: a folder of runs' folders, of packed files, or of both; or one packed file.
        kept: another such place, of which what is over there and not in `runs` is taken, and what failed there and was
            not tried in `runs`.

    Raises:
        OSError: the folder itself cannot be read, or there is nothing at `kept`.
        ValueError: one place says two things of one run; the message names both files, and their lines.
    """
    problems: list[str] = []
    with _without_collector():
        found = one_of_each(read_places(runs, problems))
        if kept is not None:
            if not kept.exists():
                raise FileNotFoundError(f"{kept}: expected a folder of kept results or a packed file, found nothing")
            theirs = one_of_each(read_places(kept, problems))
            found = {**theirs, **found, **over_in(theirs.values()), **over_in(found.values())}
    return [found[run_id] for run_id in sorted(found)], problems


def read_places(runs: Path, problems: list[str]) -> Iterator[tuple[str, RunResult]]:
    """Yield each result in a folder of runs or a packed file with where it is: its file, and its line there.

    What cannot be read becomes a sentence among the problems.
    """
    for entry in [runs] if is_packed(runs) else entries_in(runs):
        if is_packed(entry):
            yield from read_packed(entry, problems)
            continue
        try:
            result = read_result(entry)
        except (OSError, ValueError) as error:
            problems.append(why_unread(entry / RESULT_FILE, error))
            continue
        if result is not None:  # None: a stray file or folder, or a run that is not over.
            yield str(entry / RESULT_FILE), result


def read_packed(path: Path, problems: list[str]) -> Iterator[tuple[str, RunResult]]:
    """Yield place and result of each line of a packed file, and add a sentence for each line that is none."""
    bad = 0
    try:
        for number, line in read_lines(path):
            place = f"{path}:{number}"
            try:
                if line is None:
                    raise ValueError(f"{place}: expected at most {LIMIT / 2**20:g} MB, got a longer line")
                result = parse_result(line, place, path)
            except ValueError as error:
                bad += 1
                problems += [str(error)] if bad <= BAD_LINES else []
                continue
            yield place, result
    except (OSError, ValueError) as error:
        problems.append(why_unread(path, error))
    if bad > BAD_LINES:
        problems.append(f"{path}: {bad - BAD_LINES} more lines are no results that can be read here.")


def folder_of(runs: Path) -> Path:
    """Return the folder of runs that a place is: of a packed file, the one that it lies in."""
    return runs.parent if is_packed(runs) else runs


def packed_files(runs: Path) -> list[Path]:
    """Return the packed files in a folder of runs, or the one that it is."""
    return [path for path in ([runs] if is_packed(runs) else entries_in(runs)) if is_packed(path)]


def read_of_run(run: Path, name: str) -> bytes:
    """Return a file that a run keeps beside its result: of its folder or, where it is packed, of an archive there.

    Raises:
        FileNotFoundError: neither has it.
        OSError, ValueError: it cannot be read; the message names it.
    """
    try:
        return read_regular(run / name)
    except (FileNotFoundError, NotADirectoryError):
        for path in entries_in(run.parent):
            if path.name.endswith(PACKED_PREDICTIONS) and f"{run.name}/{name}" in members(path):
                return read_member(path, f"{run.name}/{name}")
        raise


def entries_in(folder: Path) -> list[Path]:
    """Return what is in a folder, whatever it is, by name; nothing where there is no folder."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_results(runs: Path, console: Console, kept: Path | None = None) -> list[RunResult]:
    """Return what `collect_results` finds, and print a sentence for each that is none or cannot be read."""
    results, problems = collect_results(runs, kept)
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


def sizes_of_runs(runs: Path, results: Iterable[RunResult]) -> list[int]:
    """Return the bytes on disk of each result's run folder, if it has one; what cannot be looked at counts nothing."""
    folders = (runs / result.spec.run_id for result in results)
    return [_size(folder) for folder in folders if folder.is_dir()]


def _size(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += (Path(parent) / name).lstat().st_blocks * 512
    return size
