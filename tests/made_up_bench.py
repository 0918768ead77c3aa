"""A whole bench that nobody measured, on disk as a real one: three tasks, three arms, seeds and rates as asked."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fpt_bench.config.experiment import Arm, Experiment
from fpt_bench.config.grid import Grid, GridRun
from fpt_bench.config.named import named_experiment
from fpt_bench.config.spec import Argument, RunSpec
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import GRID_FILE, tables_folder
from fpt_bench.results.result import Attempt, BodyRecord, DataRecord, GroupCount, RunResult
from fpt_bench.results.result_files import write_result

TASKS: dict[str, dict[str, Any]] = {
    "bit-memory": {"floor": 0.75, "steps": 400, "kind": "real", "target": 0.84},
    "bit-xor": {"floor": 0.5, "steps": 1200, "kind": "real", "target": 0.95},
    "mnist": {"floor": 0.1, "steps": 250, "kind": "embedded", "target": 0.685},
}
ARMS: dict[str, tuple[dict[str, Any], dict[str, tuple[float, float]]]] = {
    "language": (
        {"init": "pretrained"},
        {"bit-memory": (0.85, 200), "bit-xor": (1.0, 60), "mnist": (0.81, 60)},
    ),
    "random": ({"init": "random"}, {"bit-memory": (0.754, 200), "bit-xor": (1.0, 600), "mnist": (0.49, 150)}),
    "full": (
        {"init": "random", "train": "all"},
        {"bit-memory": (0.97, 150), "bit-xor": (1.0, 100), "mnist": (0.62, 120)},
    ),
}
"""By arm: what it sets, and by task the final accuracy and the step of half the way there."""


def made_up_bench(
    tasks: Sequence[str] = tuple(TASKS),
    seeds: Sequence[int] = (0, 1, 2),
    rates: Sequence[float] = (1e-3,),
    names: dict[str, str] | None = None,
) -> tuple[Grid, list[RunResult]]:
    """Return a grid and a result for each of its runs.

    Args:
        tasks: some of TASKS.
        seeds: as many as wanted.
        rates: learning rates of every arm; at rates over 5e-3 the arm `full` diverges.
        names: other names for arms.
    """
    runs, results = [], []
    names = names or {}
    for task in tasks:
        for arm, (fields, outcomes) in ARMS.items():
            for rate in rates:
                for seed in seeds:
                    spec = _spec(task, rate, seed, fields)
                    runs.append(GridRun(task=task, arm=names.get(arm, arm), spec=spec))
                    results.append(_result(spec, arm, *outcomes[task]))
    published = {"language": "lu2021.table2_initializations.language"}
    experiment = Experiment(
        name="made-up",
        question="Language helps, says this made-up bench.",
        tasks=tuple(tasks),
        baseline=names.get("random", "random"),
        arms={names.get(arm, arm): Arm(run=fields, published=published.get(arm)) for arm, (fields, _) in ARMS.items()},
        claims=(
            {
                "better": names.get("language", "language"),
                "worse": names.get("random", "random"),
                "tasks": [tasks[-1]],
                "refuted_by": "random ahead",
                "source": "nobody",
            },
        ),
    )
    targets = {task: TASKS[task]["target"] for task in tasks}
    return Grid(experiment=experiment, profile="embedded", targets=targets, runs=tuple(runs)), results


def write_bench(folder: Path, grid: Grid, results: Sequence[RunResult]) -> Path:
    """Put a bench on disk as `bench` leaves it, and return the folder."""
    write_atomically(tables_folder(folder, grid) / GRID_FILE, grid.model_dump_json())
    for result in results:
        write_result(result, folder / result.spec.run_id)
    return folder


def _spec(task: str, rate: float, seed: int, fields: dict[str, Any]) -> RunSpec:
    facts = TASKS[task]
    arguments: dict[str, Argument] = {"pattern_bits": 250} if task == "bit-memory" else {}
    return RunSpec(
        task=task, data=facts["kind"], data_arguments=arguments, learning_rate=rate, dropout=0.0, seed=seed,
        max_steps=facts["steps"], eval_every=25, **fields,
    )  # fmt: skip


def _result(spec: RunSpec, arm: str, final: float, half_way: float) -> RunResult:
    facts = TASKS[spec.task]
    floor, diverged = facts["floor"], arm == "full" and spec.learning_rate > 5e-3
    rate_error = 0.12 * abs(math.log10(spec.learning_rate) + 3) * (2 if arm == "full" else 1)
    noise = 0.02 * math.sin(7 * spec.seed + len(arm) + len(spec.task))
    top = min(1.0, max(floor, final - rate_error * (final - floor)) + noise * (final - floor))
    middle = half_way * (1 + 6 * noise)
    steps = range(25, (100 if diverged else spec.max_steps) + 1, 25)
    curve = [(s, floor + (top - floor) / (1 + math.exp(-(s - middle) / (0.2 * middle)))) for s in steps]
    best = max(curve, key=lambda point: point[1])
    trained = 10_600_000 if arm == "full" else 45_000
    return RunResult(
        spec=spec,
        status="diverged" if diverged else "ok",
        error="diverged: the loss is nan at step 107" if diverged else None,
        curve=tuple(curve),
        best_step=best[0],
        validation_score=best[1],
        test_score=None if diverged else max(floor, best[1] - 0.005),
        test_scores={} if diverged else {"test": max(floor, best[1] - 0.005)},
        test_examples=500,
        train_score=None if diverged else min(1.0, best[1] + (0.03 if arm == "full" else 0.004)),
        parameters={"norm": GroupCount(trained=trained, total=trained)},
        seconds=12.5,
        data=DataRecord(
            kind=facts["kind"],
            source=f"made-up {spec.task} & <b>examples</b>",
            fingerprint="d" * 64,
            trivial={"guess": floor},
            floor=floor,
        ),
        body=BodyRecord(source=f"made-up {spec.init} body", fingerprint="b" * 64, execution="transformers"),
        attempts=(
            Attempt(
                version="0.1.0",
                commit="0123456789ab",
                versions={"python": "3.11", "torch": "2.9"},
                device="made-up processor",
                threads=1,
                platform="made-up",
            ),
        ),
    )


HEADLINE_ARMS = {"language": "language", "random": "random-fanin", "full": "mimetic-qk"}
LADDER_ARMS = {"language": "language", "random": "random", "full": "random-fanin"}


def on_file(experiment: str, names: dict[str, str]) -> tuple[Grid, list[RunResult]]:
    """Results of an experiment of configs/experiments on digits, that nobody measured.

    Args:
        experiment: its name.
        names: what the arms `language`, `random` and `full` of the made-up bench are called there.
    """
    grid, results = made_up_bench(("mnist",), seeds=range(8), names=names)
    named = named_experiment(experiment)
    arms = {arm: named.arms[arm] for arm in names.values()}
    return grid.model_copy(update={"experiment": named.model_copy(update={"arms": arms, "claims": ()})}), results
