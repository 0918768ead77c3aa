"""Runs on numbers, multi-label and ragged labels: they learn, their best is the best, and one table shows them all."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as theirs

from datamodules.metrics import IGNORED
from fpt_bench.analysis.cells import Bench
from fpt_bench.analysis.export import cells_frame
from fpt_bench.config.experiment import Arm, Experiment
from fpt_bench.config.grid import Grid, GridRun
from fpt_bench.config.spec import RunSpec
from fpt_bench.report.tables import markdown
from fpt_bench.results.folder import BEST, TEST_PREDICTIONS_FILE, checkpoint_file
from fpt_bench.results.predictions import read_answers, read_predictions
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.checkpoints import read_checkpoint
from fpt_bench.training.one_run import run_one
from tests.scored_tasks import SIZES

TASKS = {"Share": 0.1, "Flags": 0.9, "Ragged": 0.9, "RaggedShares": 0.5}
"""By class in `scored_tasks`, a score that shows learning."""


def spec_of(task: str, **fields: object) -> RunSpec:
    own = {"max_steps": 40, "eval_every": 10, "learning_rate": 3e-2, "dropout": 0.0, "batch_size": 16}
    name = task if task == "bit-xor" else f"tests.scored_tasks:{task}"
    every = {"task": name, "data": "real", "body": "none", "init": "random", "layers": None, **own, **fields}
    return RunSpec.model_validate(every)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, RunResult], Path]:
    runs = tmp_path_factory.mktemp("runs")
    return {task: run_one(spec_of(task), Workspace(runs, offline=True)) for task in (*TASKS, "bit-xor")}, runs


@pytest.mark.parametrize("task", TASKS)
def test_every_kind_of_label_is_learned(finished: tuple[dict[str, RunResult], Path], task: str) -> None:
    result = finished[0][task]
    assert result.status == "ok", result.error
    assert result.data is not None
    assert result.test_score is not None
    assert result.train_score is not None
    better = np.less if task == "Share" else np.greater
    assert better(result.test_score, TASKS[task])
    assert better(result.train_score, TASKS[task])
    assert better(TASKS[task], result.data.floor), "what shows learning is better than the floor"


def test_a_result_says_what_its_scores_are(finished: tuple[dict[str, RunResult], Path]) -> None:
    said = {
        task: (r.data.metric, r.data.higher_is_better, r.data.perfect, r.data.is_fraction)
        for task, r in finished[0].items()
        if r.data is not None
    }
    assert said == {
        "Share": ("mean-absolute-error", False, 0.0, False),
        "Flags": ("f1", True, 1.0, True),
        "Ragged": ("accuracy", True, 1.0, True),
        "RaggedShares": ("r2", True, 1.0, False),
        "bit-xor": ("accuracy", True, 1.0, True),
    }


def test_of_a_metric_of_which_less_is_better_the_lowest_validation_is_tested(
    finished: tuple[dict[str, RunResult], Path],
) -> None:
    results, runs = finished
    result = results["Share"]
    assert result.validation_score == min(score for _, score in result.curve)
    best = read_checkpoint(checkpoint_file(runs / result.spec.run_id, BEST))
    assert best["global_step"] == result.best_step


SCORERS: dict[str, Callable[..., float]] = {
    "Share": theirs.mean_absolute_error,
    "Flags": lambda labels, said: theirs.f1_score(labels, said, average="micro"),
    "Ragged": theirs.accuracy_score,
    "RaggedShares": theirs.r2_score,
}


@pytest.mark.parametrize("task", TASKS)
def test_the_kept_answers_score_what_the_result_says(finished: tuple[dict[str, RunResult], Path], task: str) -> None:
    results, runs = finished
    folder = runs / results[task].spec.run_id
    answers = read_answers(folder)
    assert answers is not None
    assert len(answers.labels) == SIZES["test"]
    there = ~np.isnan(answers.labels) if task == "RaggedShares" else answers.labels != IGNORED
    labels, said = (each if task == "Flags" else each[there] for each in (answers.labels, answers.said))
    assert SCORERS[task](labels, said) == pytest.approx(results[task].test_score, abs=1e-5)
    if "Ragged" in task:
        assert 0 < there.sum() < there.size
        missing = answers.said[~there]
        assert np.isnan(missing).all() if task == "RaggedShares" else (missing == IGNORED).all()
    with np.load(folder / TEST_PREDICTIONS_FILE) as arrays:
        numbers = task in ("Share", "RaggedShares")
        assert set(arrays) == ({"labels", "numbers"} if numbers else {"labels", "classes", "confidence"})
        assert arrays["labels"].dtype == (np.float32 if numbers else np.int16 if task == "Ragged" else np.uint8)


def test_the_first_predictions_pass_over_missing_labels(finished: tuple[dict[str, RunResult], Path]) -> None:
    results, runs = finished
    ragged = read_predictions(runs / results["Ragged"].spec.run_id)
    assert all([a is None for a in p.labels] == [b is None for b in p.predicted] for p in ragged)
    assert any(None in p.labels for p in ragged)
    assert all(p.outcome == f"{p.right} of {sum(label is not None for label in p.labels)}" for p in ragged)
    shares = read_predictions(runs / results["Share"].spec.run_id)
    off = abs((shares[0].labels[0] or 0) - (shares[0].predicted[0] or 0))
    assert shares[0].outcome == f"off by {off:.3g}"


def test_one_table_shows_them_all_each_with_its_metric(finished: tuple[dict[str, RunResult], Path]) -> None:
    results, runs = finished
    tasks = [results[task].spec.task for task in ("bit-xor", *TASKS)]
    arms = {"none": Arm(run={}), "slow": Arm(run={"learning_rate": 1e-4})}
    grid_runs = tuple(
        GridRun(task=task, arm=arm, spec=results[name].spec.model_copy(update={"seed": 0 if arm == "none" else 1}))
        for task, name in zip(tasks, ("bit-xor", *TASKS), strict=True)
        for arm in arms
    )
    experiment = Experiment(name="kinds", claim="All are shown.", tasks=tuple(tasks), baseline="slow", arms=arms)
    targets = {results["Share"].spec.task: 0.05}
    grid = Grid(experiment=experiment, profile="test", targets=targets, runs=grid_runs)
    worse = {"Share": 0.2, "Flags": 0.7, "Ragged": 0.6, "RaggedShares": 0.125, "bit-xor": 0.5}
    others = [
        RunResult.model_validate(
            {
                **json.loads(results[name].model_dump_json()),
                "spec": json.loads(run.spec.model_dump_json()),
                "test_score": worse[name],
            }
        )
        for run, name in zip(grid_runs[1::2], ("bit-xor", *TASKS), strict=True)
    ]
    bench = Bench.of(grid, [*results.values(), *others], {}, runs)
    page = markdown(bench)
    lines = [[field.strip() for field in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    rows = {tuple(line[:2]): dict(zip(lines[0], line, strict=False)) for line in lines[2:12]}
    assert lines[0][:5] == ["task", "arm", "score", "n", "floor"]
    module = "tests.scored_tasks"
    shown = {
        (task.replace("\\", ""), arm): (row["score"], row["floor"], row["Δ to slow"])
        for (task, arm), row in rows.items()
        if arm == "slow"
    }
    assert shown == {
        ("bit-xor (accuracy)", "slow"): ("50.0 %", "50.0 %", ""),
        (f"{module}:Share (mean absolute error, lower is better)", "slow"): ("0.200", "0.188", ""),
        (f"{module}:Flags (f1)", "slow"): ("70.0 %", "73.7 %", ""),
        (f"{module}:Ragged (accuracy)", "slow"): ("60.0 %", "50.0 %", ""),
        (f"{module}:RaggedShares (r2)", "slow"): ("0.125", "0.00", ""),
    }
    share = results["Share"]
    delta = next(row["Δ to slow"] for (task, arm), row in rows.items() if ":Share" in task and arm == "none")
    assert delta == f"{(share.test_score or 0) - 0.2:+.{3 if abs((share.test_score or 0) - 0.2) >= 0.1 else 4}f}"
    assert "(validation score - floor) / (perfect - floor)" in page
    assert "accuracy -" not in page
    frame = cells_frame(bench)
    assert list(frame["metric"].unique()) == ["accuracy", "mean-absolute-error", "f1", "r2"]
    assert {"score_mean", "train_score"} <= set(frame.columns)
    cell = bench.cell(share.spec.task, "none")
    assert cell is not None
    assert 0 < cell.area < 1
    assert cell.convergence is not None
    assert cell.convergence.converged == pytest.approx(0.1875 + 0.9 * (0.05 - 0.1875))
    overall = {o.arm: o.estimate.mean for o in bench.overall}
    assert overall["none"] > overall["slow"], "lower errors count for the better"
