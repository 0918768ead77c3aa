"""Which releases of torch the runs of a bench were made with: from one release to another, a run moves as by a seed."""

import re
import shlex
from collections.abc import Collection, Iterable
from pathlib import Path

from fpt_bench.config.grid import Grid
from fpt_bench.results.folder import RESULT_FILE, packed_files
from fpt_bench.results.lines import PACKED
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import collect_results

MIX_OPTION = "--mix-releases"


def release_of(version: str) -> str:
    """Return the release that a version is a build of.

    Example:
        >>> release_of("2.14.1+cpu")
        '2.14.1'
    """
    return version.partition("+")[0]


def releases(results: Iterable[RunResult]) -> dict[str, int]:
    """Return how many runs that count were made with each release of torch, in the order of their versions.

    A run that went on under another release counts for both; one that says no release counts for none.
    """
    counts: dict[str, int] = {}
    for result in results:
        if not result.is_over:
            continue
        for release in {release_of(a.versions["torch"]) for a in result.attempts if "torch" in a.versions}:
            counts[release] = counts.get(release, 0) + 1
    return {release: counts[release] for release in sorted(counts, key=_in_order)}


def require_one_release(
    grid: Grid, results: Iterable[RunResult], runs: Path, installed: str | None = None, coming: Collection[str] = ()
) -> None:
    """Raise a ValueError where a task's runs were made, or will be, with several releases of torch.

    Tasks may differ: no figure compares a run of one with a run of another.

    Args:
        grid: which runs are of the bench.
        results: outcomes; those that the grid does not name are passed over.
        runs: folder of the runs' folders, for the command that moves some out of the way.
        installed: the version of torch that runs will be made with; None where none is left to make.
        coming: tasks that runs are left to make of.
    """
    wanted = {run.spec.run_id for run in grid.runs}
    found = _by_task(result for result in results if result.spec.run_id in wanted)
    come = {} if installed is None else dict.fromkeys(coming, release_of(installed))
    mixed = {
        task: found.get(task, {})
        for task in dict.fromkeys(run.task for run in grid.runs)
        if len({*found.get(task, {}), come.get(task)} - {None}) > 1
    }
    if not mixed:
        return
    made = "; ".join(
        f"of {task} {' and '.join(f'{count} of {release}' for release, count in counts.items())}"
        + (f", and those to come would be of {come[task]}, which is installed" if task in come else "")
        for task, counts in mixed.items()
    )
    keep = {task: come.get(task) or max(counts, key=lambda release: counts[release]) for task, counts in mixed.items()}
    moved: dict[str, list[str]] = {}
    for task, counts in mixed.items():
        for release in counts.keys() - {keep[task]}:
            moved.setdefault(release, []).append(task)
    here = _by_task(result for result in collect_results(runs)[0] if result.spec.run_id in wanted)
    advice = "; ".join(
        _move_away(release, tasks, runs)
        if any(release in here.get(task, {}) for task in tasks)
        else f"those of {release} are none of {runs}: leave out --kept"
        for release, tasks in moved.items()
    )
    raise ValueError(
        f"{grid.name}: expected runs of a task of one release of torch, got {made}; a release can move a run as "
        f"another seed does. To have them in one table all the same, with a note, add {MIX_OPTION}. To do those of "
        f"another release than {' or '.join(dict.fromkeys(keep.values()))} again, move them out of the way and ask for "
        f"the bench again: {advice}"
    )


def is_mixed(results: Iterable[RunResult]) -> bool:
    """Return whether a task's runs that count were made with several releases of torch."""
    return any(len(counts) > 1 for counts in _by_task(results).values())


def _by_task(results: Iterable[RunResult]) -> dict[str, dict[str, int]]:
    """Return `releases` of each task's results."""
    of_task: dict[str, list[RunResult]] = {}
    for result in results:
        of_task.setdefault(result.spec.task, []).append(result)
    return {task: releases(outcomes) for task, outcomes in of_task.items()}


def _in_order(release: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", release)]


def _move_away(release: str, tasks: Iterable[str], runs: Path) -> str:
    """Return a shell command that moves tasks' runs of a release, whole, into a folder beside; packed ones too."""
    there, beside = shlex.quote(str(runs)), shlex.quote(f"{runs}-torch-{release}")
    said = f'"torch": ?"{re.escape(release)}["+]'
    names = "|".join(re.escape(task).replace("\\-", "-") for task in tasks)  # grep warns of an escaped hyphen
    of_task = f'"task": ?"({names})"'
    found = f"grep -lE {shlex.quote(said)} {there}/*/{RESULT_FILE}"
    test = f'grep -qE {shlex.quote(of_task)} "$it"'
    command = f'mkdir -p {beside} && {found} | while read -r it; do {test} && mv "${{it%/*}}" {beside}/; done'
    if packed_files(runs):
        line = f"{said}.*{of_task}"  # its keys are sorted: attempts, then the spec
        lines = f"grep -hE {shlex.quote(line)} {there}/*{PACKED} >> {beside}/torch-{release}{PACKED}"
        command += f"; {lines} && sed -i -E {shlex.quote(f'/{line}/d')} {there}/*{PACKED}"
    return command
