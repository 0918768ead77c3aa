"""From results to a bench: what came out of each task under each arm, as typed values. Accuracies are fractions."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.metrics import best_of
from fpt_bench.analysis.statistics import (
    Estimate,
    area_under_curve,
    converged_accuracy,
    estimate_interquartile_mean,
    estimate_mean,
    estimate_paired_difference,
    estimate_welch_difference,
    normalise,
    speed_up,
    steps_to_reach,
)
from fpt_bench.analysis.sweep import Choice, choose_rate
from fpt_bench.config.grid import Grid
from fpt_bench.config.published import published_figures
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import DataRecord, RunResult

ResultsById = Mapping[str, RunResult]


@dataclass(frozen=True)
class Difference:
    """An arm's accuracy minus the baseline arm's."""

    estimate: Estimate
    paired: bool
    """By seed; else Welch's."""


@dataclass(frozen=True)
class Convergence:
    """How soon an arm reaches its task's target."""

    target: float
    """Accuracy, as the profile fixes it."""
    converged: float
    """Validation accuracy that counts as there: most of the way from floor to target."""
    steps: float
    """Median over seeds of the first validated optimizer step that is there; infinity where it is none."""
    reached: int
    """Seeds that get there."""
    speed_up: float | None
    """Times fewer steps than the baseline arm; None unless both medians are finite."""


@dataclass(frozen=True)
class Cell:
    """One task under one arm. What is not known is None."""

    task: str
    arm: str
    choice: Choice
    """Which learning rate stands for the cell."""
    tried: tuple[RunResult, ...]
    """All runs that are over, at every learning rate."""
    expected: int
    """How many runs there will be, over all rates, but those of rates that are given up."""
    delta: Difference | None = None
    convergence: Convergence | None = None
    published: float | None = None
    """Published accuracy to show beside it."""

    @classmethod
    def alone(cls, task: str, arm: str, specs: Sequence[RunSpec], by_id: ResultsById) -> "Cell":
        """Return a cell as it is by itself, compared with nothing.

        Args:
            task: its row of the bench.
            arm: its column.
            specs: all its runs, in the grid's order.
            by_id: outcomes.
        """
        choice = choose_rate(specs, by_id)
        given_up = {score.rate for score in choice.scores if score.given_up}
        ids = dict.fromkeys(spec.run_id for spec in specs)
        tried = tuple(by_id[run_id] for run_id in ids if run_id in by_id)
        return cls(task, arm, choice, tried, sum(spec.learning_rate not in given_up for spec in specs))

    @cached_property
    def at_rate(self) -> tuple[RunResult, ...]:
        """Runs that are over at the chosen rate."""
        return tuple(r for r in self.tried if r.spec.learning_rate == self.choice.rate)

    @cached_property
    def runs(self) -> tuple[RunResult, ...]:
        """Runs at the chosen rate that have a score."""
        return tuple(r for r in self.at_rate if r.score is not None)

    @property
    def n(self) -> int:
        return len(self.runs)

    @cached_property
    def accuracy(self) -> Estimate | None:
        return estimate_mean([_score(r) for r in self.runs]) if self.runs else None

    @property
    def scored(self) -> int:
        """How many of the expected runs have a score."""
        given_up = {score.rate for score in self.choice.scores if score.given_up}
        return sum(r.score is not None for r in self.tried if r.spec.learning_rate not in given_up)

    def count(self, status: str) -> int:
        """Return how many runs at the chosen rate ended so: ok, diverged or failed."""
        return sum(r.status == status for r in self.at_rate)

    @property
    def first(self) -> RunResult:
        """The first run with a score: what all runs of a cell share is read off it."""
        return self.runs[0]

    @property
    def data(self) -> DataRecord:
        """Of a cell that has a score."""
        assert self.first.data is not None, "a run with a score has said what its data are"
        return self.first.data

    @property
    def floor(self) -> float | None:
        return self.data.floor if self.runs else None

    @property
    def floor_name(self) -> str:
        """Of a cell that has a score: the trivial baseline that its floor is."""
        return best_of(self.data.trivial, self.data.higher_is_better) if self.data.trivial else "guess"

    @property
    def metric(self) -> str:
        """What its scores are; accuracy where nothing has a score yet."""
        return self.first.metric if self.runs else "accuracy"

    @property
    def is_fraction(self) -> bool:
        """Whether its scores are shown in percent."""
        return not self.runs or self.first.is_fraction

    @property
    def higher_is_better(self) -> bool:
        return not self.runs or self.first.higher_is_better

    @property
    def is_embedded(self) -> bool:
        """Whether the data are a stand-in, which a dagger marks."""
        return bool(self.runs) and self.data.kind == "embedded"

    @property
    def data_source(self) -> str:
        """Of a cell that has a score: where examples come from, and which sizes were set."""
        sizes = ", ".join(f"{name}={value}" for name, value in self.first.spec.data_arguments.items())
        return f"{self.data.source}; {sizes}" if sizes else self.data.source

    @property
    def body_source(self) -> str:
        return self.first.body.source if self.first.body else ""

    @property
    def body_notes(self) -> str:
        return "; ".join(self.first.body.notes) if self.first.body else ""

    @property
    def made_with(self) -> tuple[str, ...]:
        """What can move a number though the spec is the same: releases of torch, and devices."""
        made = [attempt for r in self.runs for attempt in r.attempts]
        return tuple(dict.fromkeys(f"torch {a.versions.get('torch', 'unknown')} on {a.device}" for a in made))

    @property
    def seconds(self) -> float:
        """Mean over the runs that have a score."""
        return float(np.mean([r.seconds for r in self.runs]))

    @cached_property
    def area(self) -> float:
        """Mean over the runs that have a score of the area under the validation curve."""
        return float(np.mean([_area(r) for r in self.runs]))

    @property
    def train_score(self) -> float | None:
        return _mean(r.train_score for r in self.runs if r.train_score is not None)

    @property
    def gaps(self) -> list[float]:
        """Training minus test accuracy of each run that has both."""
        return [
            r.train_score - r.test_score for r in self.runs if r.train_score is not None and r.test_score is not None
        ]

    @property
    def train_test_gap(self) -> float | None:
        return _mean(self.gaps)


@dataclass(frozen=True)
class Overall:
    """An arm over all tasks in which every arm has a score."""

    arm: str
    tasks: tuple[str, ...]
    estimate: Estimate
    """Interquartile mean of normalised accuracy over tasks and seeds."""


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
    ) -> "Bench":
        """Return the bench of a grid and its results.

        Args:
            grid: which run belongs to which task and arm.
            results: outcomes, in any order; those that the grid does not name are passed over.
            published: figures to show beside real data; by default those of configs/reference/published.yaml.
            folder: where the runs' folders are.
        """
        by_id = {result.spec.run_id: result for result in results}
        figures = published_figures() if published is None else published
        alone = {key: Cell.alone(*key, specs, by_id) for key, specs in grid.cells().items()}
        cells = tuple(
            _compared(cell, alone.get((cell.task, grid.experiment.baseline)), grid, figures) for cell in alone.values()
        )
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

    def cell(self, task: str, arm: str) -> Cell | None:
        return next((cell for cell in self.cells if (cell.task, cell.arm) == (task, arm)), None)

    def of_task(self, task: str) -> list[Cell]:
        """Return a task's cells, in the order of the arms."""
        return [cell for cell in self.cells if cell.task == task]

    @property
    def expected(self) -> int:
        """How many runs there will be: all seeds of every cell and rate, but those of rates that are given up."""
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


def _compared(cell: Cell, baseline: Cell | None, grid: Grid, figures: Mapping[str, Any]) -> Cell:
    """Return a cell with what comes of its task's baseline cell, its target and the published figures."""
    target = grid.targets.get(cell.task)
    beside = None if baseline is None or cell.arm == baseline.arm else baseline
    return replace(
        cell,
        delta=None if beside is None else _difference(cell, beside),
        convergence=None if target is None or not cell.runs else _converge(cell, beside, target),
        published=_published(cell, grid, figures),
    )


def _difference(cell: Cell, baseline: Cell) -> Difference | None:
    """Compare an arm with the baseline arm of its task: paired by seed where the seeds are the same."""
    ours, theirs = ({r.spec.seed: _score(r) for r in c.runs} for c in (cell, baseline))
    if not ours or not theirs:
        return None
    if ours.keys() == theirs.keys() and _same_data(cell, baseline):
        return Difference(estimate_paired_difference([ours[s] for s in ours], [theirs[s] for s in ours]), paired=True)
    return Difference(estimate_welch_difference(list(ours.values()), list(theirs.values())), paired=False)


def _same_data(cell: Cell, baseline: Cell) -> bool:
    """Return whether two arms saw the same examples in the same order from the same input layer."""
    shared = ("task", "data", "data_arguments", "batch_size", "body")
    first, second = cell.at_rate[0].spec, baseline.at_rate[0].spec
    prints = {r.data.fingerprint for r in (*cell.at_rate, *baseline.at_rate) if r.data}
    return all(getattr(first, name) == getattr(second, name) for name in shared) and len(prints) == 1


def _converge(cell: Cell, baseline: Cell | None, target: float) -> Convergence:
    steps = [_steps(r, target) for r in cell.runs]
    return Convergence(
        target=target,
        converged=converged_accuracy(cell.data.floor, target),
        steps=float(np.median(steps)),
        reached=sum(math.isfinite(s) for s in steps),
        speed_up=speed_up(steps, [_steps(r, target) for r in baseline.runs]) if baseline and baseline.runs else None,
    )


def _published(cell: Cell, grid: Grid, figures: Mapping[str, Any]) -> float | None:
    """Return the published accuracy that an arm is shown beside; None beside other data or sizes."""
    arm = grid.experiment.arms[cell.arm]
    if arm.published is None or not figures:
        return None
    arguments, depth = arm.published.data_arguments(figures, cell.task), arm.run.get("layers")
    of_published_size = all(
        r.data and r.data.kind == "real" and r.spec.data_arguments == arguments and r.spec.layers == depth
        for r in cell.at_rate
    )
    return arm.published.accuracy(figures, cell.task) if of_published_size else None


def _overall(cells: Sequence[Cell], grid: Grid) -> tuple[Overall, ...]:
    """Judge all arms by the same tasks: those in which every arm has a score."""
    scores: dict[str, dict[str, list[float]]] = {}
    for cell in cells:
        scores.setdefault(cell.task, {})[cell.arm] = [
            normalise(_score(r), r.floor or 0.0, r.perfect) for r in cell.runs
        ]
    tasks = tuple(task for task, arms in scores.items() if all(arms.values()))
    if len(tasks) < 2:
        return ()
    return tuple(
        Overall(arm, tasks, estimate_interquartile_mean([scores[task][arm] for task in tasks]))
        for arm in grid.experiment.arms
    )


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None


def _score(result: RunResult) -> float:
    assert result.score is not None
    return result.score


def _area(result: RunResult) -> float:
    floor, curve = result.floor or 0.0, list(result.curve)
    if result.status == "diverged":  # what it had learned is lost from the next validation on
        curve.append((min(result.spec.max_steps, (curve[-1][0] if curve else 0) + result.spec.eval_every), floor))
    return area_under_curve(curve, floor, result.spec.max_steps, result.perfect)


def _steps(result: RunResult, target: float) -> float:
    if result.status == "diverged":
        return math.inf
    return steps_to_reach(result.curve, converged_accuracy(result.floor or 0.0, target), result.higher_is_better)
