"""Results on disk: written, read and collected, of runs' folders and packed files, with a sentence for what is none."""

import codecs
import contextlib
import gc
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from fpt_bench.config.spec import explain
from fpt_bench.results.archive import members, read_member
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import (
    PACKED_PREDICTIONS,
    RESULT_FILE,
    TEST_PREDICTIONS_FILE,
    entries_in,
    folder_of,
    packed_files,
    real_path,
)
from fpt_bench.results.lines import is_packed, one_of_each, read_lines
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.regular_files import LIMIT, read_regular, why_unread
from fpt_bench.results.result import SCHEMA, RunResult, over_in

MAX_ANSWERS = 2**28
"""Bytes that answers to a test set may take, packed and unpacked: 80 million labels."""
_LARGEST = {TEST_PREDICTIONS_FILE: MAX_ANSWERS}
"""Bytes at most of a file that a run keeps beside its result, where that is not LIMIT."""
BAD_LINES = 10
"""Lines of one file that are named, each in a sentence; others are counted."""


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
    """Return a run's result: of its folder or, where it is packed, of a file in the folder of runs.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        ValueError: the file is no result.
    """
    # A link to a run, or `.` within it, is that run.
    folder = real_path(run)
    result = read_result(folder)
    if result is None and packed_files(folder.parent):
        result = next((found for found in collect_results(folder.parent)[0] if found.spec.run_id == folder.name), None)
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
        result = RunResult.model_validate_json(content.removeprefix(codecs.BOM_UTF8).decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: expected a result in JSON, got bytes that are not text") from error
    except ValidationError as error:
        _require_schema(content, place, runs)
        findings = error.errors()
        if findings[0]["loc"] or findings[0]["type"] == "value_error":  # JSON, and a mapping
            wrong = explain(findings, RunResult)
            raise ValueError(
                f"{place}: expected a result in JSON ({wrong}). Correct it there, or ask for the run again."
            ) from error
        raise ValueError(
            f"{place}: expected a result in JSON, got one that is truncated or garbled ({findings[0]['msg']}). "
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
            not tried in `runs`; of a packed file, the folder that it lies in.

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
            # Runs that experiments share lie in the file of one of them, beside those of the others.
            theirs = one_of_each(read_places(folder_of(kept), problems))
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


def read_of_run(run: Path, name: str) -> bytes:
    """Return a file that a run keeps beside its result: of its folder or, where it is packed, of an archive there.

    Raises:
        FileNotFoundError: neither has it.
        OSError, ValueError: it cannot be read; the message names it.
    """
    try:
        return read_regular(run / name, _LARGEST.get(name, LIMIT))
    except (FileNotFoundError, NotADirectoryError):
        for path in entries_in(run.parent):
            # Hidden ones are unfinished, or what another system left beside each file that it copied.
            if _is_archive(path) and f"{run.name}/{name}" in members(path):
                return read_member(path, f"{run.name}/{name}", _LARGEST.get(name, LIMIT))
        raise


def _is_archive(path: Path) -> bool:
    return path.name.endswith(PACKED_PREDICTIONS) and not path.name.startswith(".")


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
