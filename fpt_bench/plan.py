"""What an experiment will cost, before anything is spent: runs, steps, hours and disk. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from fpt_bench.bench import TABLES, read_grid, read_results
from fpt_bench.grid import Grid, named_grid
from fpt_bench.render import GRID_FILE
from fpt_bench.results import RESULT_FILE, RunResult
from fpt_bench.spec import RunSpec

SETTLED = ("data", "precision", "body_execution")
"""Fields that may say `auto` in what is planned, and say what was used in a result."""
WEIGHED = 20
"""Finished runs of a kind whose folders are measured for disk."""

Speeds = Mapping[str, float]
"""Optimizer steps a second, by task."""


@dataclass(frozen=True)
class TaskCost:
    """What one task of an experiment costs. Steps and hours are at most: runs may stop early or be given up."""

    task: str
    runs: int
    done: int
    steps_left: int
    steps_per_second: float | None
    """None where no speed was stated and no finished run shows one."""
    bytes_a_run: float | None
    """None where no finished run shows it."""

    @property
    def hours_left(self) -> float | None:
        """Hours of one worker."""
        if not self.steps_left:
            return 0.0
        return None if self.steps_per_second is None else self.steps_left / self.steps_per_second / 3600

    @property
    def bytes_left(self) -> float | None:
        return None if self.bytes_a_run is None else self.bytes_a_run * (self.runs - self.done)


def show_experiment(
    experiment: str, profile: str, runs: Path, steps_per_second: float | None, workers: int, console: Console
) -> Group:
    """Draw what an experiment costs at a profile, and what the plan does not know.

    Args:
        experiment: a name in configs/experiments, or a YAML file.
        profile: a name in configs/profiles, or a YAML file.
        runs: folder of runs, to see what is done and how fast it went.
        steps_per_second: as for `plan_costs`.
        workers: runs at once.
        console: told of results that cannot be read.

    Raises:
        ValueError: a mistake in a file or a name.
    """
    grid = named_grid(experiment, profile)
    path = runs / TABLES / grid.name / GRID_FILE
    kept = read_grid(path) if path.is_file() else None
    costs = plan_costs(grid, kept, read_results(runs, console), runs, steps_per_second)
    notes = ["Steps and hours are at most: a run may stop early, and a sweep gives rates up.", *unknown_of(costs)]
    if grid.left_out:
        notes.append(f"Left out, since the profile has no budget for them: {', '.join(grid.left_out)}")
    return Group(show_plan(costs, workers), *(Text(note) for note in notes))


def plan_costs(
    grid: Grid,
    kept: Grid | None,
    results: Sequence[RunResult],
    runs: Path,
    steps_per_second: float | None = None,
) -> list[TaskCost]:
    """Give the cost of each task of a grid that may not be resolved yet.

    Args:
        grid: as the experiment and the profile say.
        kept: the same grid as a bench resolved and kept it, where there is one: it knows its runs exactly.
        results: what is in the folder of runs.
        runs: that folder.
        steps_per_second: of one worker; by default measured from finished runs of the same task and body, those of
            the same depth and trained groups where there are some.
    """
    over = [result.spec for result in results if result.status != "failed"]
    on_real_data = {spec.task for spec in over if spec.data == "real"}
    specs = [_with_generated_data(spec) if spec.task in on_real_data else spec for spec in _known_specs(grid, kept)]
    done = {
        fields: {spec.canonical(without=fields) for spec in over} for fields in {_unsettled(spec) for spec in specs}
    }
    costs = []
    for task in dict.fromkeys(spec.task for spec in specs):
        wanted = {spec.run_id: spec for spec in specs if spec.task == task}
        finished = [s for s in wanted.values() if s.canonical(without=_unsettled(s)) in done[_unsettled(s)]]
        open_ = [spec for run_id, spec in wanted.items() if run_id not in {spec.run_id for spec in finished}]
        left = sum(spec.max_steps for spec in open_)
        bodies = {spec.body for spec in wanted.values()}
        alike = [r for r in results if r.spec.task == task and r.spec.body in bodies and r.curve and r.seconds]
        speed = steps_per_second or _mean_speed(open_ or list(wanted.values()), alike)
        costs.append(TaskCost(task, len(wanted), len(finished), left, speed, _mean_bytes(alike, runs)))
    return costs


def _mean_speed(specs: Sequence[RunSpec], results: Sequence[RunResult]) -> float | None:
    """Give the steps a second over all of these runs, each as fast as finished runs of its kind; None without any.

    A readout alone, on features that are computed once, is a hundred times faster than what goes through the body: a
    kind is the same body, depth and trained groups. Where none is finished, the others' mean stands for it.
    """
    if not results:
        return None
    usual = _steps_per_second(results)
    by_kind: dict[tuple[object, ...], list[RunResult]] = {}
    for result in results:
        by_kind.setdefault(_kind(result.spec), []).append(result)
    speeds = {kind: _steps_per_second(members) for kind, members in by_kind.items()}
    seconds = sum(spec.max_steps / speeds.get(_kind(spec), usual) for spec in specs)
    return sum(spec.max_steps for spec in specs) / seconds


def _steps_per_second(results: Sequence[RunResult]) -> float:
    return sum(r.curve[-1][0] for r in results) / sum(r.seconds for r in results)


def _kind(spec: RunSpec) -> tuple[object, ...]:
    return spec.body, spec.layers, spec.train


def _known_specs(grid: Grid, kept: Grid | None) -> list[RunSpec]:
    """Give the grid's specs; those of the kept grid where it is the same but for what was settled."""
    planned = [run.spec for run in grid.runs]
    if kept is None or len(kept.runs) != len(planned):
        return planned
    same = frozenset(SETTLED)
    pairs = [(run.spec, spec) for run, spec in zip(kept.runs, planned, strict=True)]
    return [known if known.canonical(same) == spec.canonical(same) else spec for known, spec in pairs]


def _with_generated_data(spec: RunSpec) -> RunSpec:
    """Say `real` where the plan says `embedded` and the task generates its data, so that there is no stand-in.

    Asking the task does import torch: do it only where runs of it on real data are over.
    """
    if spec.data != "embedded":
        return spec
    from fpt_bench.extensions import find_task

    return spec.model_copy(update={"data": "real"}) if find_task(spec.task).kinds == ("real",) else spec


def _unsettled(spec: RunSpec) -> frozenset[str]:
    return frozenset(name for name in SETTLED if getattr(spec, name) == "auto")


def _mean_bytes(results: Sequence[RunResult], runs: Path) -> float | None:
    sizes = [_bytes_under(runs / result.spec.run_id) for result in results[:WEIGHED]]
    return sum(sizes) / len(sizes) if sizes else None


def _bytes_under(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def show_plan(costs: Sequence[TaskCost], workers: int) -> Table:
    """Draw the costs, one row a task and one for all of them."""
    table = Table("task", box=None, pad_edge=False)
    for name in ("runs", "done", "steps left", "steps/s", "hours", f"hours, {workers} at once", "GB"):
        table.add_column(name, justify="right")
    for cost in costs:
        table.add_row(cost.task, *_cells(cost, workers))
    hours, sizes = [cost.hours_left for cost in costs], [cost.bytes_left for cost in costs]
    total: Any = [sum(c.runs for c in costs), sum(c.done for c in costs), f"{sum(c.steps_left for c in costs):,}"]
    total += ["", _sum(hours, 1, "{:,.1f}"), _sum(hours, workers, "{:,.1f}"), _sum(sizes, 1e9, "{:,.2f}")]
    table.add_row("all", *map(str, total), style="bold")
    return table


def _cells(cost: TaskCost, workers: int) -> list[str]:
    hours, size = cost.hours_left, cost.bytes_left
    return [
        str(cost.runs),
        str(cost.done),
        f"{cost.steps_left:,}",
        "?" if cost.steps_per_second is None else f"{cost.steps_per_second:,.1f}",
        _sum([hours], 1, "{:,.1f}"),
        _sum([hours], workers, "{:,.1f}"),
        _sum([size], 1e9, "{:,.2f}"),
    ]


def _sum(values: Sequence[float | None], divided_by: float, form: str) -> str:
    """Write a sum; a question mark where a part of it is not known."""
    known = [value for value in values if value is not None]
    return "?" if len(known) < len(values) else form.format(sum(known) / divided_by)


def unknown_of(costs: Sequence[TaskCost]) -> list[str]:
    """Give sentences on what the plan does not know, and what to do about it."""
    slow = [cost.task for cost in costs if cost.hours_left is None]
    light = [cost.task for cost in costs if cost.bytes_left is None]
    notes = []
    if slow:
        notes.append(f"No finished run shows the speed of {', '.join(slow)}: state it by --steps-per-second.")
    if light:
        notes.append(
            f"No finished run shows the disk of {', '.join(light)}: a run keeps {RESULT_FILE}, logs, twice what it "
            "trains and Adam's two moments of it, 4 bytes a number."
        )
    return notes
