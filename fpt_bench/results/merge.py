"""One bench that was done in two places: which grid is that of both?"""

from collections.abc import Collection, Iterable
from pathlib import Path

from fpt_bench.config.grid import OF_THE_PLACE, Grid, GridRun, first_registered


def registered_by_parts(grid: Grid, held: Iterable[Grid]) -> Grid:
    """Return a grid whose claims are registered when it, or what was picked of its bench, held them first."""
    first = first_registered([grid, *(each for each in held if each.is_of_the_bench_of(grid))])
    return grid.model_copy(update={"registered": {claim: first[claim] for claim in grid.registered}})


def merge_grids(path: Path, grid: Grid, other_path: Path, other: Grid, done: Collection[str] = ()) -> Grid:
    """Return the grid of all runs of one bench that was done in two places.

    Claims are those of both, and one was registered when the first of them held it. What one place left out and the
    other has is not left out. Of a seed of a cell that they would do in two ways, as after a rate was changed, the way
    that nobody went gives way.

    Args:
        path, other_path: where the grids lie, for messages.
        grid, other: the grids.
        done: ids of the runs that are over.

    Raises:
        ValueError: they are of two experiments, which one that lacks arms or tasks is not; or one seed of one cell was
            done in two ways, so that it would count twice; or seeds of one cell at two budgets, or on data asked for
            otherwise. The message names both files.
    """
    both = f"{path} and {other_path}"
    claims = {claim.hash: claim for each in (grid, other) for claim in each.experiment.claims}
    growing: dict[str, object] = {"claims": (), "arms": {}, "tasks": ()}
    asked, theirs = (each.experiment.model_copy(update=growing) for each in (grid, other))
    arms = {**other.experiment.arms, **grid.experiment.arms}
    if len(grid.experiment.arms) == len(arms):
        arms = grid.experiment.arms  # in the experiment's order
    tasks = dict.fromkeys((*grid.experiment.tasks, *other.experiment.tasks))
    differing = any(other.experiment.arms.get(name, arm) != arm for name, arm in grid.experiment.arms.items())
    if differing or (asked, grid.targets, grid.tuning_seeds) != (theirs, other.targets, other.tuning_seeds):
        raise ValueError(
            f"{both}: expected one experiment under the name {grid.name}, got two that differ. "
            "Pack them into two folders."
        )
    fixed = {name for name, arm in arms.items() if grid.experiment.rates_of(arm) == "fixed"}
    replicates: dict[tuple[str, str, float | None, int], GridRun] = {}
    for run in (*grid.runs, *other.runs):
        spec = run.spec
        key = (run.task, run.arm, None if run.arm in fixed else spec.learning_rate, spec.seed)
        before = replicates.setdefault(key, run).spec.run_id
        if before != spec.run_id and before in done and spec.run_id in done:
            raise ValueError(
                f"{both}: expected seed {spec.seed} of {run.task} / {run.arm} once, got the runs {before} and "
                f"{spec.run_id}: it would count twice. Pack them into two folders."
            )
        if before not in done:
            replicates[key] = run
    _require_alike((run for run in replicates.values() if run.spec.run_id in done), fixed, both)
    return grid.model_copy(
        update={
            "experiment": asked.model_copy(
                update={"claims": tuple(claims.values()), "arms": arms, "tasks": tuple(tasks)}
            ),
            "runs": tuple(replicates.values()),
            "registered": first_registered((grid, other)),
            "missing": {name: why for name, why in grid.missing.items() if name in other.missing},
            "left_out": tuple(task for task in grid.left_out if task in other.left_out),
            "arms_left_out": tuple(arm for arm in grid.arms_left_out if arm in other.arms_left_out),
        }
    )


def _require_alike(runs: Iterable[GridRun], fixed: Collection[str], both: str) -> None:
    """Raise a ValueError where seeds of a cell were asked for otherwise, as before and after a budget was changed."""
    first: dict[tuple[str, str], dict[str, object]] = {}
    for run in runs:
        asked = run.spec.model_dump(exclude={"seed", *OF_THE_PLACE})
        if run.arm not in fixed:
            del asked["learning_rate"]
        before = first.setdefault((run.task, run.arm), asked)
        for field in (name for name, value in asked.items() if before[name] != value):
            raise ValueError(
                f"{both}: expected all seeds of {run.task} / {run.arm} with one {field}, got {before[field]} and "
                f"{asked[field]}: they are of two benches. Pack them into two folders."
            )
