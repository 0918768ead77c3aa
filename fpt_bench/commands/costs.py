"""What runs cost: steps, hours and disk, from what finished runs of their kind took."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpt_bench.config.grid import Grid
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import sizes_of_runs
from fpt_bench.results.result import RunResult

SETTLED = ("data", "precision", "body_execution")
"""Fields that may say `auto` in what is planned, and say what was used in a result."""
OTHER_FILES = 200_000
"""Bytes of a run's folder beside its checkpoints: result, predictions, logs."""
WEIGHED = 20
"""Finished runs of a kind whose folders are measured for disk."""


@dataclass(frozen=True)
class Cost:
    """What some runs cost. Steps and hours are at most: runs may stop early or be given up."""

    name: str
    """Of the task, or of the experiment."""
    runs: int
    done: int
    steps_left: int
    steps_per_second: float
    """NaN where no speed was stated and no finished run shows one."""
    bytes_a_run: float
    """NaN where no finished run shows it."""
    by_kept: bool = False
    """Whether speed and disk are those of kept results, of another machine."""

    @property
    def hours_left(self) -> float:
        """Hours of one worker."""
        return self.steps_left / self.steps_per_second / 3600 if self.steps_left else 0.0

    @property
    def bytes_left(self) -> float:
        return self.bytes_a_run * (self.runs - self.done) if self.runs > self.done else 0.0


def settled(grid: Grid, kept: Grid | None, results: Sequence[RunResult]) -> Grid:
    """Return a grid whose specs are as a bench settled them, where one did: in the grid that it kept, or in results.

    Args:
        grid: as the experiment and the profile say; its specs may say `auto`.
        kept: the grid that a bench wrote, if there is one.
        results: what is in the folder of runs.
    """
    over = [result.spec for result in results if result.is_over]
    on_real_data = {spec.task for spec in over if spec.data == "real"}
    specs = [_with_generated_data(s) if s.task in on_real_data else s for s in _known_specs(grid, kept)]
    found = {
        fields: {spec.canonical(without=fields): spec for spec in over}
        for fields in {_unsettled(spec) for spec in specs}
    }
    specs = [found[_unsettled(s)].get(s.canonical(without=_unsettled(s)), s) for s in specs]
    runs = tuple(run.model_copy(update={"spec": spec}) for run, spec in zip(grid.runs, specs, strict=True))
    return grid.model_copy(update={"runs": runs})


def plan_costs(
    specs: Sequence[RunSpec],
    over: Collection[str],
    results: Sequence[RunResult],
    runs: Path,
    steps_per_second: float | None = None,
    kept: Sequence[RunResult] = (),
) -> list[Cost]:
    """Return the cost of runs by task.

    Args:
        specs: as `settled` returns them.
        over: ids of the runs that are done, here or elsewhere.
        results: what is in the folder of runs.
        runs: that folder.
        steps_per_second: of one worker; by default measured from finished runs of the same task and body, those of
            the same depth and trained groups where there are some.
        kept: results of elsewhere, which show speed and disk of what no run in the folder shows: those of processors,
            where there are some, since a GPU's would promise others too much.
    """
    costs = []
    for task in dict.fromkeys(spec.task for spec in specs):
        wanted = {spec.run_id: spec for spec in specs if spec.task == task}
        open_ = [spec for run_id, spec in wanted.items() if run_id not in over]
        left = sum(spec.max_steps for spec in open_)
        bodies = {spec.body for spec in wanted.values()}
        here, elsewhere = (
            [r for r in found if r.spec.task == task and r.spec.body in bodies and r.curve and r.seconds]
            for found in (results, kept)
        )
        elsewhere = [r for r in elsewhere if not r.on_gpu] or elsewhere
        speed = steps_per_second or _mean_speed(open_ or list(wanted.values()), here or elsewhere)
        is_kept = bool(left and elsewhere and not here)
        kinds = {_kind(spec) for spec in open_}
        size = (
            _kept_bytes([r for r in elsewhere if _kind(r.spec) in kinds] or elsewhere)
            if is_kept
            else _mean_bytes(here, runs)
        )
        costs.append(Cost(task, len(wanted), len(wanted) - len(open_), left, speed, size, is_kept))
    return costs


def _mean_speed(specs: Sequence[RunSpec], results: Sequence[RunResult]) -> float:
    """Return the steps a second over all of these runs, each as fast as finished runs of its kind; NaN without any.

    A readout alone, on features that are computed once, is a hundred times faster than what goes through the body: a
    kind is the same body, depth and trained groups. Where none is finished, the others' mean stands for it.
    """
    if not results:
        return math.nan
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
    """Return a grid's specs, in its order; those that a bench resolved and kept, where the same grid was run."""
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
    from fpt_bench.training.tasks import find_task

    return spec.model_copy(update={"data": "real"}) if find_task(spec.task).kinds == ("real",) else spec


def _unsettled(spec: RunSpec) -> frozenset[str]:
    return frozenset(name for name in SETTLED if getattr(spec, name) == "auto")


def _mean_bytes(results: Sequence[RunResult], runs: Path) -> float:
    sizes = sizes_of_runs(runs, results[:WEIGHED])
    return sum(sizes) / len(sizes) if sizes else math.nan


def _kept_bytes(results: Sequence[RunResult]) -> float:
    """Return what a run folder takes by what was trained: in two checkpoints, and twice again as Adam's moments."""
    return sum(4 * 4 * r.trained_parameters() + OTHER_FILES for r in results) / len(results)


def together(name: str, costs: Sequence[Cost]) -> Cost:
    """Return the cost of all of these runs as one, with their mean speed and size."""
    runs, done, steps = (sum(getattr(cost, field) for cost in costs) for field in ("runs", "done", "steps_left"))
    hours, size = sum(cost.hours_left for cost in costs), sum(cost.bytes_left for cost in costs)
    speed = steps / (3600 * hours) if hours else math.nan
    return Cost(
        name, runs, done, steps, speed, size / (runs - done) if runs > done else 0.0, any(c.by_kept for c in costs)
    )
