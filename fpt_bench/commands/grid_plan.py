"""The grid of a bench, ready to be run: claims registered, data and bodies found, what is missing left out."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from fpt_bench.commands.console import notes
from fpt_bench.config.claims import Claim
from fpt_bench.config.grid import Grid, without_cells
from fpt_bench.config.grid_of import named_claims, named_grid
from fpt_bench.config.picks import WHOLE, Picks
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import tables_folder
from fpt_bench.results.grids import benches_before, require_own_grid
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.result import RunResult, over_in
from fpt_bench.results.result_files import collect_results, read_result
from fpt_bench.results.workspace import Workspace

if TYPE_CHECKING:
    from fpt_bench.training.sources import Sources


def plan_grid(
    experiment: str,
    profile: str,
    workspace: Workspace,
    seeds: tuple[int, ...] | None = None,
    mix_releases: bool = False,
    kept: Path | None = None,
    picks: Picks = WHOLE,
) -> tuple[Grid, list[str]]:
    """Return an experiment's grid with the data that will be used, and the warnings that belong to it.

    What needs a package of weights or data that is not installed is left out, with a warning.

    Args:
        experiment, profile: names, or YAML files.
        workspace: where runs read and write.
        seeds: to report, instead of the profile's.
        mix_releases: put up with results that were made under another release of torch.
        kept: another folder of results, or a packed file: what is over there is not done again.
        picks: what the command line picks of the experiment.

    Raises:
        ValueError: a mistake in a file or a name, a claim changed after its runs, a result that was made from other
            data or weights or, unless `mix_releases`, under another release of torch; nothing has been trained yet.
        FileNotFoundError: data or weights that are not available, or a package that the baseline arm needs.
    """
    grid = named_grid(experiment, profile, seeds, picks)
    tables = tables_folder(workspace.runs, grid)
    if not picks.changes_runs:  # else no claim is of its runs
        places = [place for place in (workspace.runs, kept) if place is not None]
        earlier = [before for place in places for before in benches_before(place, grid)]
        grid = _register(grid, earlier, named_claims(experiment, profile))
    over = over_in(collect_results(workspace.runs, kept)[0])
    theirs = set() if kept is None else over.keys() - over_in(collect_results(workspace.runs)[0]).keys()
    with notes.status("loading PyTorch"):
        from datamodules.sources.packages import MissingPackageError
        from fpt_bench.training.resolve import resolve
        from fpt_bench.training.sources import CurrentSources

    runs, warnings, current = [], [], CurrentSources(workspace)
    missing: dict[tuple[str, str], str] = {}
    for run in grid.runs:
        try:
            spec, warning = resolve(run.spec, workspace)
        except MissingPackageError as error:
            missing[run.task, run.arm] = str(error)
            continue
        current.require_same(spec, *_made_from(spec, workspace, over))
        runs.append(run.model_copy(update={"spec": spec}))
        warnings.append(warning)
    grid = without_cells(grid, missing).model_copy(update={"runs": tuple(runs)})
    require_own_grid(tables, grid)
    if not mix_releases:
        _require_one_release(grid, workspace, kept)
    remarks = [f"left out: {who}; {why}" for who, why in grid.missing.items()]
    remarks += [grid.tried_out] if grid.tried_out else []
    wanted = {run.spec.run_id for run in grid.runs}
    if found := wanted & theirs:
        remarks.append(f"{grid.name}: {len(found)} of {len(wanted)} runs are kept in {kept} and not done again")
    return grid, list(dict.fromkeys(w for w in (*remarks, *warnings) if w))


def over_of(grid: Grid, found: list[RunResult]) -> dict[str, RunResult]:
    """Return what is over of a grid, by run id; a failed run is not."""
    wanted = {run.spec.run_id for run in grid.runs}
    return {run_id: result for run_id, result in over_in(found).items() if run_id in wanted}


def _register(grid: Grid, earlier: Sequence[Grid], claims: Sequence[Claim]) -> Grid:
    """Return a grid with the time at which each claim of the whole experiment was registered.

    Raises:
        ValueError: a claim of an earlier grid of the same bench was changed or taken back since.
    """
    from fpt_bench.analysis.filed_docket import require_registered_claims  # brings pandas and scipy
    from fpt_bench.config.claim_files import filed_claims

    for before in earlier:
        require_registered_claims(before, [*claims, *(filed.claim for filed in filed_claims())])
    return grid.registering(earlier, datetime.now(UTC), claims)


def _require_one_release(grid: Grid, workspace: Workspace, kept: Path | None) -> None:
    """Raise a ValueError where what is done of a task was not made with the release that what is missing would be."""
    from fpt_bench.analysis.releases import require_one_release
    from fpt_bench.analysis.sweep import next_runs

    results = over_of(grid, collect_results(workspace.runs, kept)[0])
    coming = {spec.task for spec in next_runs(grid, results)}
    require_one_release(grid, results.values(), workspace.runs, metadata.version("torch"), coming)


def _made_from(spec: RunSpec, workspace: Workspace, over: Mapping[str, RunResult]) -> "tuple[str, Sources | None]":
    """Return whether a run was done or begun, and what it was made from, where there is anything.

    Args:
        spec: of the run.
        workspace: where its folder is.
        over: what is over there or is kept elsewhere, by run id.

    Raises:
        RefusedError: its result is another version's.
    """
    from fpt_bench.training.checkpoints import begun_from
    from fpt_bench.training.sources import Sources

    folder = workspace.runs / spec.run_id
    try:
        done = read_result(folder)
    except RefusedError:
        raise
    except (OSError, ValueError):
        return "was done", None  # the run is done again, and says why
    if done is None or not done.is_over:
        done = over.get(spec.run_id)
    if done is None:
        return "was begun", begun_from(folder)
    return "was done", Sources.of_result(done)
