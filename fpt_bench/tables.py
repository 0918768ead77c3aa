"""From results to frames: a row for each task and arm, each learning rate, or each arm; accuracies as fractions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from fpt_bench.grid import Grid
from fpt_bench.results import Provenance, RunResult
from fpt_bench.spec import RunSpec
from fpt_bench.statistics import (
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
from fpt_bench.sweep import Choice, choose_rate


def build_frame(grid: Grid, results: Sequence[RunResult], published: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Give one row for each task and arm, in the grid's order.

    Accuracies and areas are fractions, differences are differences of fractions, steps are optimizer steps;
    what is not known is NaN. Where learning rates were swept, a row describes the runs at the chosen rate.

    Args:
        grid: which run belongs to which task and arm.
        results: outcomes, in any order; those that the grid does not name are passed over.
        published: content of `configs/reference/published.yaml`, for figures shown beside real data.
    """
    by_id = {result.spec.run_id: result for result in results}
    planned = grid.cells()
    choices = {place: choose_rate(specs, by_id) for place, specs in planned.items()}
    cells = _chosen_runs(planned, choices, by_id)
    rows = []
    for (task, arm), members in cells.items():
        baseline = cells.get((task, grid.experiment.baseline), [])
        row = {"task": task, "arm": arm, **_describe_sweep(planned[task, arm], choices[task, arm], by_id)}
        row |= _describe_cell(members, grid.targets.get(task))
        row |= _compare(members, baseline, grid.targets.get(task), arm == grid.experiment.baseline)
        row["published"] = _published(grid, task, arm, members, published or {})
        rows.append(row)
    return pd.DataFrame(rows)


def build_rates(grid: Grid, results: Sequence[RunResult]) -> pd.DataFrame:
    """Give one row for each task, arm and learning rate of the arms that were swept: mean validation accuracy and more.

    Empty where nothing was swept.
    """
    by_id = {result.spec.run_id: result for result in results}
    rows = []
    for (task, arm), specs in grid.cells().items():
        choice = choose_rate(specs, by_id)
        rows += [
            {"task": task, "arm": arm, **asdict(score), "chosen": score.rate == choice.rate}
            for score in choice.scores
            if len(choice.scores) > 1
        ]
    return pd.DataFrame(rows)


def build_overall(grid: Grid, results: Sequence[RunResult]) -> pd.DataFrame:
    """Give one row for each arm: the interquartile mean of normalised accuracy over tasks and seeds.

    Only tasks in which every arm has a score count, so that all arms are judged by the same tasks. Empty where fewer
    than two are left.
    """
    by_id = {result.spec.run_id: result for result in results}
    planned = grid.cells()
    choices = {place: choose_rate(specs, by_id) for place, specs in planned.items()}
    scores: dict[str, dict[str, list[float]]] = {}
    for (task, arm), members in _chosen_runs(planned, choices, by_id).items():
        values = [normalise(_score(r), r.floor or 0.0) for r in members if r.score is not None]
        scores.setdefault(task, {})[arm] = values
    tasks = [task for task, arms in scores.items() if all(arms.values())]
    rows: list[dict[str, Any]] = []
    for arm in grid.experiment.arms if len(tasks) > 1 else ():
        overall = estimate_interquartile_mean([scores[task][arm] for task in tasks])
        rows.append({"arm": arm, "tasks": " ".join(tasks), **_named("overall", overall), "n_at_least": overall.n})
    return pd.DataFrame(rows)


def _chosen_runs(
    planned: Mapping[tuple[str, str], Sequence[RunSpec]],
    choices: Mapping[tuple[str, str], Choice],
    by_id: Mapping[str, RunResult],
) -> dict[tuple[str, str], list[RunResult]]:
    """Give the outcomes of each task and arm at its chosen learning rate."""
    return {
        place: [
            by_id[spec.run_id] for spec in specs if spec.run_id in by_id and spec.learning_rate == choices[place].rate
        ]
        for place, specs in planned.items()
    }


def _describe_sweep(specs: Sequence[RunSpec], choice: Choice, by_id: Mapping[str, RunResult]) -> dict[str, Any]:
    """Describe how the learning rate was come by, and how many runs, over all rates, are expected and have a score."""
    given_up = {score.rate for score in choice.scores if score.given_up}
    expected = [spec.run_id for spec in specs if spec.learning_rate not in given_up]
    return {
        "expected": len(expected),
        "scored": sum(run_id in by_id and by_id[run_id].score is not None for run_id in expected),
        "learning_rate": choice.rate,
        "learning_rates": " ".join(f"{score.rate:g}" for score in choice.scores),
        "rate_edge": choice.edge,
        "rate_provisional": choice.provisional,
    }


def _describe_cell(members: Sequence[RunResult], target: float | None) -> dict[str, Any]:
    """Describe the runs of one task and arm by themselves."""
    row: dict[str, Any] = {status: sum(r.status == status for r in members) for status in ("ok", "diverged", "failed")}
    scored = [r for r in members if r.score is not None]
    row["n"] = len(scored)
    if not scored:
        return row
    first = scored[0]
    assert first.data is not None
    accuracy = estimate_mean([_score(r) for r in scored])
    row |= {
        "data": first.data.kind,
        "data_source": _describe_data(first),
        "dropout": first.spec.dropout,
        "data_fingerprint": first.data.fingerprint[:16],
        "body": first.spec.body,
        "body_source": first.body.source if first.body else "",
        "body_fingerprint": first.body.fingerprint[:16] if first.body else "",
        "body_notes": "; ".join(first.body.notes) if first.body else "",
        "trained_parameters": first.trained_parameters(),
        "floor": first.data.floor,
        "floor_name": max(first.data.trivial, key=first.data.trivial.__getitem__, default="guess"),
        **_named("accuracy", accuracy),
        "train_accuracy": _mean([r.train_accuracy for r in scored if r.train_accuracy is not None]),
        "train_test_gap": _mean(
            [
                r.train_accuracy - r.test_accuracy
                for r in scored
                if r.train_accuracy is not None and r.test_accuracy is not None
            ]
        ),
        "max_steps": first.spec.max_steps,
        "eval_every": first.spec.eval_every,
        "test_examples": first.test_examples,
        "seconds": float(np.mean([r.seconds for r in scored])),
        "area": float(np.mean([_area(r) for r in scored])),
    }
    if made_with := dict.fromkeys(_made_with(r.provenance) for r in scored if r.provenance):
        row["made_with"] = " and ".join(made_with)
    if target is not None:
        steps = _steps(scored, target)
        row |= {
            "target": target,
            "steps_to_target": float(np.median(steps)),
            "reached_target": sum(math.isfinite(s) for s in steps),
        }
    return row


def _made_with(provenance: Provenance) -> str:
    """Name what can move a number though the spec is the same: the release of torch, and the device."""
    return f"torch {provenance.versions.get('torch', 'unknown')} on {provenance.device}"


def _describe_data(result: RunResult) -> str:
    """Say where a run's examples come from, and which sizes were set."""
    assert result.data is not None
    sizes = ", ".join(f"{name}={value}" for name, value in result.spec.data_arguments.items())
    return f"{result.data.source}; {sizes}" if sizes else result.data.source


def _compare(
    members: Sequence[RunResult], baseline: Sequence[RunResult], target: float | None, is_baseline: bool
) -> dict[str, Any]:
    """Compare an arm with the baseline arm of its task: paired by seed where the seeds are the same."""
    ours = {r.spec.seed: _score(r) for r in members if r.score is not None}
    theirs = {r.spec.seed: _score(r) for r in baseline if r.score is not None}
    if is_baseline or not ours or not theirs:
        return {}
    paired = ours.keys() == theirs.keys() and _same_data(members, baseline)
    if paired:
        difference = estimate_paired_difference([ours[s] for s in ours], [theirs[s] for s in ours])
    else:
        difference = estimate_welch_difference(list(ours.values()), list(theirs.values()))
    row: dict[str, Any] = {**_named("delta", difference), "delta_method": "paired" if paired else "Welch"}
    if target is not None:
        row["speed_up"] = speed_up(
            _steps([r for r in members if r.score is not None], target),
            _steps([r for r in baseline if r.score is not None], target),
        )
    return row


def _same_data(members: Sequence[RunResult], baseline: Sequence[RunResult]) -> bool:
    """Say whether two arms saw the same examples in the same order from the same input layer."""
    shared = ("task", "data", "data_arguments", "batch_size")
    first, second = members[0], baseline[0]
    same_spec = all(getattr(first.spec, name) == getattr(second.spec, name) for name in shared)
    prints = {r.data.fingerprint for r in (*members, *baseline) if r.data}
    return same_spec and first.spec.body == second.spec.body and len(prints) == 1


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _score(result: RunResult) -> float:
    assert result.score is not None
    return result.score


def _area(result: RunResult) -> float:
    assert result.data is not None
    floor, curve = result.data.floor, list(result.curve)
    if result.status == "diverged":  # what it had learned is lost from the next validation on
        curve.append((min(result.spec.max_steps, (curve[-1][0] if curve else 0) + result.spec.eval_every), floor))
    return area_under_curve(curve, floor, result.spec.max_steps)


def _steps(results: Sequence[RunResult], target: float) -> list[float]:
    return [
        math.inf if r.status == "diverged" else steps_to_reach(r.curve, converged_accuracy(r.floor or 0.0, target))
        for r in results
    ]


def _named(prefix: str, estimate: Estimate) -> dict[str, float]:
    return {
        f"{prefix}_mean": estimate.mean,
        f"{prefix}_deviation": estimate.deviation,
        f"{prefix}_low": estimate.low,
        f"{prefix}_high": estimate.high,
    }


def _published(
    grid: Grid, task: str, arm: str, members: Sequence[RunResult], published: Mapping[str, Any]
) -> float | None:
    """Give the published accuracy, a fraction, that an arm is shown beside; None beside other data or sizes."""
    own = grid.experiment.arms[arm]
    place = own.published
    if place is None or not published:
        return None
    paper, table, row = place.split(".")
    arguments = published[paper].get("tasks", {}).get(task, {}).get("data_arguments", {})
    depth = own.run.get("layers")
    if not all(
        r.data and r.data.kind == "real" and r.spec.data_arguments == arguments and r.spec.layers == depth
        for r in members
    ):
        return None
    figures = published[paper][table]
    columns = figures["columns"]
    means = figures[row]["mean"] if isinstance(figures[row], Mapping) else figures[row]
    return means[columns.index(task)] / 100 if task in columns else None
