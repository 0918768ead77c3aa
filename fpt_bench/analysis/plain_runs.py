"""Single runs as a bench, where none was asked for: what tells them apart is an arm."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from fpt_bench.config.experiment import Arm, Experiment
from fpt_bench.config.grid import Grid, GridRun
from fpt_bench.config.layers import ARGUMENTS
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import folder_of, runs_of
from fpt_bench.results.grids import find_grids, has_bench, read_grids, with_results
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import read_results

NAME = "single"
CONTROL = "random"
"""Init of the arm that others are compared with, where there is one."""
DEFAULT = "default"
"""What is written of a data argument that other runs of a task state and a run does not."""


def grids_and_results(
    runs: Path, console: Console, kept: Path | None = None
) -> tuple[dict[Path, Grid], Path, list[RunResult]]:
    """Return the benches in a place by their files, the folder of their runs, and all results there.

    Where there is no bench, single runs are one, which has no file: its key is the folder.

    Raises:
        FileNotFoundError: there is neither a bench of which a run is over nor a single one.
        ValueError: no grid can be read.
    """
    if has_bench(runs):
        grids = read_grids(runs, console)
        folder = runs_of(next(iter(grids)))
        results = read_results(folder, console, kept)
        if kept is None:
            _count_single(results, grids, folder, console)
        return with_results(grids, results, console), folder, results
    results = [result for result in read_results(runs, console, kept) if result.is_over]
    if not results:
        read_grids(runs, console)
    return {runs: grid_of_runs(results)}, folder_of(runs), results


def _count_single(results: Sequence[RunResult], grids: Mapping[Path, Grid], folder: Path, console: Console) -> None:
    """Say how many runs are of no bench; not where some bench was not read, of whose runs nobody knows."""
    if not has_bench(folder) or len(grids) < len(find_grids(folder)):
        return
    asked = {run.spec.run_id for grid in grids.values() for run in grid.runs}
    if single := sum(result.spec.run_id not in asked for result in results):
        said = f"runs of no bench here, and in no table: {single}; `list runs --runs {folder}` shows all"
        console.print(said, soft_wrap=True, markup=False, highlight=False)


def grid_of_runs(results: Sequence[RunResult]) -> Grid:
    """Return the grid of single runs: an arm for each way in which runs of one task differ beside their seed."""
    said = _said([result.spec for result in results])
    telling = _telling(said)
    named = [(spec, _arm(spec, fields, telling)) for spec, fields in said]
    arms = list(dict.fromkeys(arm for _, arm in named))
    baseline = next((arm for spec, arm in named if spec.init.startswith(CONTROL)), arms[0])
    experiment = Experiment(
        name=NAME,
        question="Single runs, as they were asked for one by one: no plan says which to compare, nor how many seeds.",
        tasks=tuple(dict.fromkeys(spec.task for spec, _ in said)),
        arms={arm: Arm() for arm in arms},
        baseline=baseline,
    )
    ordered = sorted(named, key=lambda pair: (experiment.tasks.index(pair[0].task), arms.index(pair[1]), pair[0].seed))
    runs = tuple(GridRun(task=spec.task, arm=arm, spec=spec) for spec, arm in ordered)
    return Grid(experiment=experiment, profile="runs", targets={}, runs=runs)


def _said(specs: Sequence[RunSpec]) -> list[tuple[RunSpec, dict[str, Any]]]:
    """Return specs with what they say beside body and init; `default` of what only others of their task speak of."""
    own = [(spec, _fields(spec)) for spec in specs]
    of_task: dict[str, dict[str, Any]] = {}
    for spec, fields in own:
        of_task.setdefault(spec.task, {}).update(dict.fromkeys(fields, DEFAULT))
    return [(spec, {**of_task[spec.task], **fields}) for spec, fields in own]


def _fields(spec: RunSpec) -> dict[str, Any]:
    fields = spec.model_dump(mode="json", exclude={"task", "seed", "body", "init", ARGUMENTS})
    return {**fields, **dict(sorted(spec.data_arguments.items()))}


def _telling(said: Iterable[tuple[RunSpec, Mapping[str, Any]]]) -> list[str]:
    """Return the fields in which runs of one task differ."""
    values: dict[tuple[str, str], set[str]] = {}
    for spec, fields in said:
        for field, value in fields.items():
            values.setdefault((spec.task, field), set()).add(str(value))
    differing = {field for (_, field), found in values.items() if len(found) > 1}
    return [field for field in dict.fromkeys(field for _, field in values) if field in differing]


def _arm(spec: RunSpec, fields: Mapping[str, Any], telling: Sequence[str]) -> str:
    said = [f"{field} {_written(fields[field])}" for field in telling if field in fields]
    return ", ".join([f"{spec.body} {spec.init}", *said])


def _written(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
