"""`status`: how far runs are, from results, from leases of processes at work, and from Slurm's queue."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fpt_bench.commands.console import notes, out
from fpt_bench.commands.options import BenchRuns, Kept
from fpt_bench.launching.slurm import log_of, queued_runs, sent_jobs
from fpt_bench.results.folder import LEASE_FILE, begun_runs, folder_of, runs_of
from fpt_bench.results.grids import find_grids, has_bench, read_grids, where_results_lie
from fpt_bench.results.lease import LEASE_SECONDS, holding
from fpt_bench.results.regular_files import open_regular
from fpt_bench.results.result import RunResult, over_in
from fpt_bench.results.result_files import collect_results, read_results, warn_of

STATES = ("open", "queued", "running", "silent", "done", "failed", "lost")
"""Of a run. Open: nobody was asked to do it. Silent: somebody had begun it, and has renewed the lease no more.
Lost: it was sent, and is neither done nor in the queue."""
SINGLE = "single runs"
TROUBLE = ("silent", "failed", "lost")
SHOWN = 10
"""Runs in trouble that are shown with the end of their logs."""
LOG_LINES = 5
_LOG_BYTES = 10_000


def status(runs: BenchRuns = Path("runs"), kept: Kept = None) -> None:
    """Show how many runs are queued, running, silent, done, failed or lost, and the log ends of those in trouble."""
    states = folder_status(runs, notes, kept)
    out.print(show_status(states, folder_of(where_results_lie(runs))), soft_wrap=True, highlight=False)


@dataclass(frozen=True)
class RunState:
    """How far one run is."""

    run_id: str
    state: str
    job: str | None = None
    error: str | None = None


def run_states(
    run_ids: Iterable[str],
    runs: Path,
    results: Mapping[str, RunResult],
    jobs: Mapping[str, str],
    queued: Mapping[str, str],
) -> list[RunState]:
    """Return the state of each run.

    Args:
        run_ids: runs to look at.
        runs: their folder.
        results: of what is over, by run id.
        jobs: the last job that was sent for a run, by run id.
        queued: `queued` or `running` by run id, of what is in the queue.
    """
    states = []
    for run_id in run_ids:
        result, job = results.get(run_id), jobs.get(run_id)
        if result is not None and result.is_over:
            state = RunState(run_id, "done", job)
        elif run_id in queued:
            state = RunState(run_id, queued[run_id], job)
        elif (leased := _leased(run_id, runs, job)) is not None:
            state = leased
        elif result is not None:
            state = RunState(run_id, "failed", job, result.error)
        else:
            state = RunState(run_id, "open" if job is None else "lost", job)
        states.append(state)
    return states


def _leased(run_id: str, runs: Path, job: str | None) -> RunState | None:
    """Return the state of a run that a process has leased; None where none has."""
    path = runs / run_id / LEASE_FILE
    try:
        found = holding(path)
    except OSError as error:
        return RunState(run_id, "silent", job, f"{path}: expected a lease that can be read, got: {error.strerror}")
    if found is None:
        return None
    if found.silent_seconds <= LEASE_SECONDS:
        return RunState(run_id, "running", job)
    whose = "what is in its lease's place names no owner, and was" if found.is_garbled else "its lease was"
    return RunState(run_id, "silent", job, f"{whose} not renewed for {_spell(found.silent_seconds)}")


def _spell(seconds: float) -> str:
    """Write a time as people say it.

    Example:
        >>> _spell(130), _spell(3 * 3600), _spell(400 * 86400)
        ('2 min', '3 h', '400 days')
    """
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.0f} days"


def folder_status(runs: Path, console: Console, kept: Path | None = None) -> dict[str, list[RunState]]:
    """Return the states of the runs of every grid in a folder, by the grid's name; of rates given up, none.

    In a folder of runs or a packed file, what no grid asks for are single runs, and stand last under that name.

    Raises:
        FileNotFoundError: there is neither a grid nor a run, so nothing was ever asked for.
        ValueError: no grid can be read.
    """
    from fpt_bench.analysis.sweep import given_up_runs

    held, unread = collect_results(runs)
    here = dict.fromkeys([*begun_runs(runs), *(result.spec.run_id for result in held)])
    grids = read_grids(runs, console) if has_bench(runs) or not here else {}
    # Of a bench that cannot be read nobody knows which runs are its own.
    begun = list(here) if not grids or len(grids) == len(find_grids(runs)) else []
    place, runs, queued = runs, runs_of(next(iter(grids))) if grids else runs, {}
    if runs != place:
        held, unread = collect_results(runs)
    own, results = {result.spec.run_id for result in held}, {result.spec.run_id: result for result in held}
    if kept is None:
        warn_of(unread, console)
    else:  # what failed there is nobody's trouble here
        results = {result.spec.run_id: result for result in read_results(runs, console, kept)}
        results = {run_id: result for run_id, result in results.items() if result.is_over or run_id in own}
    jobs, problems = sent_jobs(runs)
    warn_of(problems, console)
    try:
        queued = queued_runs(runs)
    except OSError as error:
        warn_of([f"{error}; what was sent and is not done is called lost"], console)
    states, over = {}, over_in(results.values())
    for grid in grids.values():
        wanted = dict.fromkeys(run.spec.run_id for run in grid.runs)
        given_up = given_up_runs(grid, over)
        states[grid.name] = run_states((w for w in wanted if w not in given_up), runs, results, jobs, queued)
    asked = {run.spec.run_id for grid in grids.values() for run in grid.runs}
    found = run_states((run_id for run_id in begun if run_id not in asked), runs, results, jobs, queued)
    if single := [state for state in found if state.state != "open"]:  # else a result that cannot be read
        states[SINGLE] = single
    return states


def show_status(states: Mapping[str, list[RunState]], runs: Path) -> RenderableType:
    """Draw the number of runs in each state, and the ends of the logs of those in trouble."""
    table = Table("", *STATES, box=None, pad_edge=False)
    for name, of_grid in states.items():
        counts = Counter(state.state for state in of_grid)
        table.add_row(name, *(str(counts[state]) for state in STATES))
    troubled = {s.run_id: s for of_grid in states.values() for s in of_grid if s.state in TROUBLE}
    parts: list[RenderableType] = [table]
    parts += [_trouble(state, runs) for state in list(troubled.values())[:SHOWN]]
    if len(troubled) > SHOWN:
        parts.append(Text(f"and {len(troubled) - SHOWN} more in trouble"))
    if troubled:
        parts.append(Text("The same command does them again; it takes a silent lease over after minutes."))
    return Group(*parts)


def _trouble(state: RunState, runs: Path) -> Text:
    text = Text(f"\n{state.run_id} {state.state}", style="red")
    text.append(f": {state.error}" if state.error else "")
    if state.job is not None:
        log = log_of(runs, state.job)
        text.append(f"\n  {log}", style="dim")
        text.append("".join(f"\n  | {line}" for line in last_lines(log)), style="default")
    return text


def last_lines(log: Path, count: int = LOG_LINES) -> list[str]:
    """Return the last lines of a log that say anything; none where it is not there."""
    try:
        with open_regular(log) as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LOG_BYTES))
            lines = stream.read(_LOG_BYTES).decode(errors="replace").splitlines()
    except (OSError, ValueError):
        return []
    return [line for line in lines if line.strip()][-count:]
