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
    outcomes = [result for result in results if result.spec.run_id in wanted]
    for task in dict.fromkeys(run.task for run in grid.runs):
        found = releases(result for result in outcomes if result.spec.task == task)
        come = release_of(installed) if installed is not None and task in coming else None
        if len({*found, come} - {None}) > 1:
            raise ValueError(_sentence(grid, task, found, come, runs))


def mixed_tasks(results: Iterable[RunResult]) -> list[str]:
    """Return the tasks whose runs that count were made with several releases of torch."""
    by_task: dict[str, list[RunResult]] = {}
    for result in results:
        by_task.setdefault(result.spec.task, []).append(result)
    return [task for task, of_task in by_task.items() if len(releases(of_task)) > 1]


def _sentence(grid: Grid, task: str, found: dict[str, int], coming: str | None, runs: Path) -> str:
    made = " and ".join(f"{count} of {release}" for release, count in found.items())
    more = "" if coming is None else f", and those to come would be of {coming}, which is installed"
    keep = coming or max(found, key=lambda release: found[release])
    wanted = {run.spec.run_id for run in grid.runs if run.task == task}
    here = (result for result in collect_results(runs)[0] if result.spec.run_id in wanted)
    own = {release: _move_away(release, task, runs) for release in releases(here)}
    advice = "; ".join(
        own.get(release, f"those of {release} are none of {runs}: leave out --kept")
        for release in found
        if release != keep
    )
    return (
        f"{grid.name}: expected runs of {task} of one release of torch, got {made}{more}; a release can move a run as "
        f"another seed does. To have them in one table all the same, with a note, add {MIX_OPTION}. To do those of "
        f"another release than {keep} again, move them out of the way and ask for the bench again: {advice}"
    )


def _in_order(release: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", release)]


def _move_away(release: str, task: str, runs: Path) -> str:
    """Return a shell command that moves a task's runs of a release, whole, into a folder beside; packed ones too."""
    there, beside = shlex.quote(str(runs)), shlex.quote(f"{runs}-torch-{release}")
    said = f'"torch": ?"{re.escape(release)}["+]'
    found = f"grep -lE {shlex.quote(said)} {there}/{shlex.quote(task)}_*/{RESULT_FILE}"
    command = f'mkdir -p {beside} && {found} | while read -r it; do mv "${{it%/*}}" {beside}/; done'
    if packed_files(runs):
        line = f'{said}.*"task": ?"{re.escape(task)}"'  # its keys are sorted: attempts, then the spec
        lines = f"grep -hE {shlex.quote(line)} {there}/*{PACKED} > {beside}/torch-{release}{PACKED}"
        command += f"; {lines} && sed -i -E {shlex.quote(f'/{line}/d')} {there}/*{PACKED}"
    return command
