"""Runs on numbers, multi-label and ragged labels: they learn, their best is the best, and one table shows them all."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn import metrics as theirs

from datamodules.metrics import IGNORED
from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.export import cells_frame
from fpt_bench.config.experiment import Arm, Experiment
from fpt_bench.config.grid import Grid, GridRun
from fpt_bench.config.spec import RunSpec
from fpt_bench.report.figures.draw import house_style, reworded
from fpt_bench.report.figures.panels import draw_curves
from fpt_bench.report.figures.rows import draw_accuracy
from fpt_bench.report.figures.style import make_looks
from fpt_bench.report.page.contents import make_section
from fpt_bench.report.summary import summarize
from fpt_bench.report.tables import markdown
from fpt_bench.results.events import Progress
from fpt_bench.results.folder import BEST, TEST_PREDICTIONS_FILE, checkpoint_file
from fpt_bench.results.predictions import read_answers, read_predictions
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.checkpoints import read_checkpoint
from fpt_bench.training.one_run import run_one
from tests.scored_tasks import SIZES, Scripted

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


@pytest.mark.parametrize(
    ("script", "patience", "best_step", "steps"),
    [
        ([0.5, 0.2, 0.2, 0.1], None, 40, [10, 20, 30, 40]),
        ([0.5, 0.2, 0.2, 0.9], 2, 20, [10, 20, 30, 40]),
        ([0.5, 0.2, 0.2, 0.9], 1, 20, [10, 20, 30]),
        ([0.5, 0.0, 0.2, 0.9], None, 20, [10, 20]),
        ([0.5, 0.6, 0.5, 0.7], 3, 10, [10, 20, 30, 40]),
    ],
)
def test_best_step_patience_and_enough_follow_the_metrics_direction(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, script: list[float], patience: int | None,
    best_step: int, steps: list[int],
) -> None:  # fmt: skip
    monkeypatch.setattr(Scripted, "script", list(script))
    monkeypatch.setattr("fpt_bench.training.one_run.require_sound", lambda _: None)
    reported: list[Progress] = []
    result = run_one(spec_of("ScriptedError", patience=patience), workspace, reported.append)
    assert (result.status, result.error) == ("ok", None)
    assert [step for step, _ in result.curve] == steps
    assert result.best_step == best_step
    assert read_checkpoint(checkpoint_file(workspace.runs / result.spec.run_id, BEST))["global_step"] == best_step
    assert reported[-1].score == pytest.approx(dict(result.curve)[steps[-1]])
    assert not reported[-1].is_fraction


def test_an_interrupted_run_goes_on_from_its_lowest_validation(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Scripted, "script", [0.2, 0.5, 0.6, 0.7, 0.3])
    monkeypatch.setattr("fpt_bench.training.one_run.require_sound", lambda _: None)

    def stop(progress: Progress) -> None:
        if progress.step == 20:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run_one(spec_of("ScriptedError"), workspace, stop)
    result = run_one(spec_of("ScriptedError"), workspace)
    assert "starts over" not in caplog.text
    assert (result.status, result.best_step) == ("ok", 10)
    assert [attempt.first_step for attempt in result.attempts] == [0, 10]


def test_a_validation_score_that_is_no_number_is_a_divergence(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "script", [0.5, float("inf"), 0.5])
    monkeypatch.setattr("fpt_bench.training.one_run.require_sound", lambda _: None)
    result = run_one(spec_of("ScriptedError"), workspace)
    assert (result.status, result.error) == ("diverged", "diverged: the validation scripted-error is inf at step 20")
    assert result.data is not None
    assert result.score == max(result.data.trivial.values()), "the worst rule: lower is better"


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


def mixed_bench(finished: tuple[dict[str, RunResult], Path]) -> Bench:
    """All kinds of label in one bench, with an arm that has learned less and was never run."""
    results, runs = finished
    tasks = [results[task].spec.task for task in ("bit-xor", *TASKS)]
    arms = {"none": Arm(run={}), "slow": Arm(run={"learning_rate": 1e-4})}
    grid_runs = tuple(
        GridRun(task=task, arm=arm, spec=results[name].spec.model_copy(update={"seed": 0 if arm == "none" else 1}))
        for task, name in zip(tasks, ("bit-xor", *TASKS), strict=True)
        for arm in arms
    )
    experiment = Experiment(name="kinds", question="Are all shown?", tasks=tuple(tasks), baseline="slow", arms=arms)
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
    return Bench.of(grid, [*results.values(), *others], {}, runs)


def test_one_table_shows_them_all_each_with_its_metric(finished: tuple[dict[str, RunResult], Path]) -> None:
    results, bench = finished[0], mixed_bench(finished)
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
        ("bit-xor (accuracy)", "slow"): ("50.0 %", "53.4 %", ""),
        (f"{module}:Share (mean absolute error, lower is better)", "slow"): ("0.200", "0.188", ""),
        (f"{module}:Flags (f1)", "slow"): ("70.0 %", "73.7 %", ""),
        (f"{module}:Ragged (accuracy)", "slow"): ("60.0 %", "50.6 %", ""),
        (f"{module}:RaggedShares (r2)", "slow"): ("0.125", "0.00478", ""),
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
    assert cell.convergence.target == 0.05, "as the profile states it"
    overall = {o.arm: o.estimate.mean for o in bench.overall}
    assert overall["none"] > overall["slow"], "lower errors count for the better"
    # Of the way from floor to perfect: (0.5 - 0.534) / 0.466, (0.2 - 0.1875) / (0 - 0.1875), (0.7 - 0.737) / 0.263,
    # (0.6 - 0.506) / 0.494 and (0.125 - 0.005) / 0.995.
    assert overall["slow"] == pytest.approx(0.0061, abs=0.003)


def test_figures_of_several_metrics_say_what_is_drawn(finished: tuple[dict[str, RunResult], Path]) -> None:
    bench = mixed_bench(finished)
    looks = make_looks(bench.arms)
    with house_style():
        rows, curves = (draw(bench, looks) for draw in (draw_accuracy, draw_curves))
    assert rows is not None
    assert curves is not None
    (axes,) = rows.figure.axes
    assert axes.get_xlabel() == "% of the way from floor to perfect"
    titles = {
        "bit-xor": "bit-xor (accuracy, %)",
        "Share": "Share (mean absolute error, lower is better)",
        "Flags": "Flags (f1, %)",
        "Ragged": "Ragged (accuracy, %)",
        "RaggedShares": "RaggedShares (r2)",
    }
    panels = {panel.get_title("left").removeprefix("tests.scored_tasks:"): panel for panel in curves.figure.axes}
    assert list(panels) == [title for task, title in titles.items() if len(finished[0][task].curve) > 1]
    assert curves.figure.get_supylabel() == "validation score"
    share = results_of(panels[titles["Share"]])
    assert max(share) <= 1, "an error is drawn as it is, not in percent"
    assert "ccuracy" not in reworded(rows, mixed=True).caption


def results_of(axes: Any) -> list[float]:
    return [float(y) for line in axes.lines for y in line.get_ydata()]


def test_the_summary_and_the_page_speak_of_each_metric(
    finished: tuple[dict[str, RunResult], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])
    bench = mixed_bench(finished)
    said = {paragraph.subject: paragraph.text for paragraph in summarize(bench)}
    (share,) = (text for subject, text in said.items() if ":Share" in subject)
    assert re.search(r"none scores 0\.0\d+, -0\.\d+ from slow", share), share
    section = make_section(bench, make_looks(bench.arms), tmp_path, Console(file=io.StringIO()))
    (scores, *_) = section.tables
    assert scores.columns[:5] == ("task", "arm", "score", "n", "floor")
    assert all(row.entries[3].link for row in scores.rows), "n leads to the first run"
    assert section.run_table.columns[6:8] == ("test", "validation")
    facts = dict(next(run for run in section.runs if "Share" in run.title).facts)
    assert re.fullmatch(r"0\.0\d+ on 32 examples", facts["test mean-absolute-error"])
    assert facts["floor"].startswith("always a half 0.188; mean of training ")
