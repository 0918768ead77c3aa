"""From results to a bench: the cells of a grid, each beside the one that it is compared with."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.metrics import best_of
from fpt_bench.analysis.across_tasks import Overall, compare_across_tasks
from fpt_bench.analysis.cells import STATED, Cell, Convergence
from fpt_bench.analysis.codes import codes_of
from fpt_bench.analysis.comparisons import Difference, Pair, compare_family
from fpt_bench.analysis.statistics import Arrival, estimate_speed_up, normalise, steps_to_reach
from fpt_bench.analysis.targets import target_of
from fpt_bench.config.experiment import NOBODY
from fpt_bench.config.grid import Grid
from fpt_bench.config.published import published_figures
from fpt_bench.results.result import RunResult
from fpt_bench.results.simple_records import SimpleRecord, examples_shown, read_records


@dataclass(frozen=True)
class Bench:
    """One experiment at one profile: what was asked for and what came out so far."""

    grid: Grid
    cells: tuple[Cell, ...]
    """In the grid's order."""
    overall: tuple[Overall, ...]
    """In the order of the arms; empty where fewer than two tasks have a score under every arm."""
    folder: Path | None = None
    """Folder of the runs' folders; None for results that lie nowhere."""

    @classmethod
    def of(
        cls,
        grid: Grid,
        results: Iterable[RunResult],
        published: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        simple: Iterable[SimpleRecord] | None = None,
    ) -> "Bench":
        """Return the bench of a grid and its results.

        Args:
            grid: which run belongs to which task and arm.
            results: outcomes, in any order; those that the grid does not name are passed over.
            published: figures to show beside real data; by default those of configs/reference/published.yaml.
            folder: where the runs' folders are.
            simple: floors and simple learners, found by task, data and examples; by default those that are kept.

        Raises:
            ValueError: runs of one task have scores that cannot be compared: of two metrics or directions.
        """
        by_id = {result.spec.run_id: result for result in results}
        _require_one_scale(grid, by_id)
        figures = published_figures() if published is None else published
        records = {record.key: record for record in (read_records() if simple is None else simple)}
        alone = {
            key: _beside(Cell.alone(*key, specs, by_id, grid.tuning_seeds), records)
            for key, specs in grid.cells().items()
        }
        cells = tuple(_compared(cell, _opponent_of(cell, alone, grid), grid, figures) for cell in alone.values())
        found = _differences(alone, grid)
        cells = tuple(replace(cell, delta=found.get((cell.task, cell.arm))) for cell in cells)
        cells = tuple(replace(cell, codes=codes_of(cell, _opponent_of(cell, alone, grid))) for cell in cells)
        return cls(grid, cells, _overall(cells, grid), folder)

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(cell.task for cell in self.cells))

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(cell.arm for cell in self.cells))

    @property
    def baseline(self) -> str:
        return self.grid.experiment.baseline

    def opponent(self, arm: str) -> str | None:
        """Return the arm that an arm is compared with, if with any."""
        return self.grid.experiment.opponent(arm)

    @property
    def own_opponents(self) -> dict[str, str]:
        """By arm, which other it names to be compared with, in place of the baseline; empty in most benches."""
        arms = self.grid.experiment.arms.items()
        return {name: arm.against for name, arm in arms if arm.against not in (None, NOBODY)}

    def cell(self, task: str, arm: str) -> Cell | None:
        return next((cell for cell in self.cells if (cell.task, cell.arm) == (task, arm)), None)

    def of_task(self, task: str) -> list[Cell]:
        """Return a task's cells, in the order of the arms."""
        return [cell for cell in self.cells if cell.task == task]

    def best_of_task(self, task: str) -> Cell | None:
        """Return the arm with the best mean score on a task; None where none has a score."""
        cells = [cell for cell in self.of_task(task) if cell.accuracy is not None]
        if not cells:
            return None
        means = {cell.arm: cell.accuracy.mean for cell in cells if cell.accuracy is not None}
        return self.cell(task, best_of(means, cells[0].data.higher_is_better))

    def simple_of(self, task: str) -> SimpleRecord | None:
        """Return floors and simple learners on a task's data: as the baseline arm sees them, else the first."""
        cells = sorted(self.of_task(task), key=lambda cell: cell.arm != self.baseline)
        return next((cell.simple for cell in cells if cell.simple is not None), None)

    @property
    def expected(self) -> int:
        """How many runs there will be, over all cells."""
        return sum(cell.expected for cell in self.cells)

    @property
    def scored(self) -> int:
        """How many of them have a score."""
        return sum(cell.scored for cell in self.cells)

    @cached_property
    def is_mixed(self) -> bool:
        """Whether a task is not scored by accuracy: then each line of a table says its metric and unit."""
        return any(cell.metric != "accuracy" for cell in self.cells)

    @property
    def was_swept(self) -> bool:
        """Whether any cell has several learning rates."""
        return any(len(cell.choice.scores) > 1 for cell in self.cells)

    @property
    def results(self) -> list[RunResult]:
        """All runs that are over, in the grid's order, once each."""
        return list({r.spec.run_id: r for cell in self.cells for r in cell.tried}.values())


def _require_one_scale(grid: Grid, by_id: Mapping[str, RunResult]) -> None:
    """Raise a ValueError that names two runs of one task whose scores cannot be compared."""
    first: dict[str, RunResult] = {}
    for run in grid.runs:
        result = by_id.get(run.spec.run_id)
        if result is None or result.data is None:
            continue
        other = first.setdefault(run.task, result)
        if other.data is not None and other.data.scale_in_words != result.data.scale_in_words:
            said = [f"{each.spec.run_id} has {each.data.scale_in_words}" for each in (other, result) if each.data]
            raise ValueError(
                f"{grid.name}: expected scores of {run.task} that can be compared, but {' and '.join(said)}. Remove "
                "the runs of one of them, or keep them in another folder"
            )


def _beside(cell: Cell, records: Mapping[tuple[str, str, int], SimpleRecord]) -> Cell:
    """Return a cell with the floors and simple learners of what its runs saw."""
    if not cell.runs:
        return cell
    spec = cell.first.spec
    return replace(cell, simple=records.get((spec.task, cell.data.fingerprint, examples_shown(spec))))


def _compared(cell: Cell, baseline: Cell | None, grid: Grid, figures: Mapping[str, Any]) -> Cell:
    """Return a cell with what comes of the cell that it is compared with, its target and the published figures."""
    return replace(
        cell,
        convergence=_converge(cell, baseline, grid.targets.get(cell.task)) if cell.runs else None,
        published=_published(cell, grid, figures),
    )


def _differences(alone: Mapping[tuple[str, str], Cell], grid: Grid) -> dict[tuple[str, str], Difference]:
    """Compare every arm with its opponent on the same task, all comparisons of the bench as one family.

    Those that have no seeds yet are of it, so that a word which fell is not taken back when they have.
    """
    pairs = {}
    for key, cell in alone.items():
        baseline = _opponent_of(cell, alone, grid)
        if baseline is not None and cell.runs and baseline.runs:
            pairs[key] = Pair(cell.scores, baseline.scores, baseline.unit)
    return compare_family(pairs, grid.experiment.margin, grid.differences)


def _opponent_of(cell: Cell, alone: Mapping[tuple[str, str], Cell], grid: Grid) -> Cell | None:
    """Return the cell that a cell is compared with."""
    opponent = grid.experiment.opponent(cell.arm)
    return None if opponent is None else alone.get((cell.task, opponent))


def _converge(cell: Cell, baseline: Cell | None, stated: float | None) -> Convergence:
    target, what = _target(cell, stated)
    arrivals, faster = [_arrival(r, target) for r in cell.runs], None
    steps = [step for step, _ in arrivals]
    # Of other data another target may hold, and a step there is none here.
    if baseline is not None and baseline.runs and _target(baseline, stated)[0] == target:
        faster = estimate_speed_up(arrivals, [_arrival(r, target) for r in baseline.runs])
    return Convergence(
        target=target,
        what=what,
        steps=float(np.median(steps)),
        reached=sum(math.isfinite(s) for s in steps),
        speed_up=faster,
    )


def _target(cell: Cell, stated: float | None) -> tuple[float, str]:
    return target_of(cell.data, cell.simple) if stated is None else (stated, STATED)


def _published(cell: Cell, grid: Grid, figures: Mapping[str, Any]) -> float | None:
    """Return the published accuracy that an arm is shown beside; None beside other data, files or sizes."""
    arm = grid.experiment.arms[cell.arm]
    if arm.published is None or not figures:
        return None
    arguments, depth = arm.published.data_arguments(figures, cell.task), arm.run.get("layers")
    of_published_size = bool(cell.runs) and all(
        r.data
        and r.data.kind == "real"
        and r.data.as_published is not False
        and r.spec.data_arguments == arguments
        and r.spec.layers == depth
        for r in cell.at_rate
    )
    return arm.published.accuracy(figures, cell.task) if of_published_size else None


def _overall(cells: Sequence[Cell], grid: Grid) -> tuple[Overall, ...]:
    """Judge all arms by the same tasks, those in which every arm has a score, and by one floor a task: the baseline's.

    An arm of other data, such as shuffled tokens, may have a lower floor, and would be the better for it.
    """
    scores: dict[str, dict[str, list[float]]] = {}
    floors = {cell.task: cell.floor for cell in reversed(cells) if cell.runs}
    floors |= {cell.task: cell.floor for cell in cells if cell.runs and cell.arm == grid.experiment.baseline}
    for cell in cells:
        scores.setdefault(cell.task, {})[cell.arm] = [
            normalise(score, floors[cell.task] or 0.0, r.perfect)
            for score, r in zip(cell.scores, cell.runs, strict=True)
        ]
    opponents = {arm: grid.experiment.opponent(arm) for arm in grid.experiment.arms}
    return compare_across_tasks(scores, opponents, [(c.task, c.arm) for c in cells if c.learned is not None])


def _arrival(result: RunResult, target: float) -> Arrival:
    if result.status == "diverged":
        return math.inf, 0
    step = steps_to_reach(result.curve, target, result.higher_is_better)
    return step, max((before for before, _ in result.curve if before < step), default=0)
