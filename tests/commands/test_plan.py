"""What an experiment will cost: counted from the files alone, without torch."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fpt_bench.analysis.sweep import given_up_runs
from fpt_bench.cli import app
from fpt_bench.commands.costs import OTHER_FILES, Cost, plan_costs, settled
from fpt_bench.commands.plan import kept_results, show_plan, unknown_of
from fpt_bench.config.grid import Grid
from fpt_bench.config.grid_of import named_grid
from fpt_bench.config.yaml_files import find_config
from fpt_bench.results.folder import GRID_FILE, RESULT_FILE, tables_folder
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import write_result
from tests.commands.planned import EXPERIMENT, PROFILE, invoke
from tests.made_up import made_up_grid, made_up_result
from tests.paths import KEPT_RESULTS

STATED = ("--steps-per-second", "2")


def plan(folder: Path, *options: str) -> list[list[str]]:
    (folder / "mine.yaml").write_text(EXPERIMENT)
    (folder / "tiny.yaml").write_text(PROFILE)
    files = [str(folder / "mine.yaml"), "--profile", str(folder / "tiny.yaml"), "--runs", str(folder / "runs")]
    done = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["plan", *files, *options])
    assert done.exit_code == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def costs(grid: Grid, results: list[RunResult], runs: Path, kept: Grid | None = None) -> list[Cost]:
    return plan_costs(
        [run.spec for run in settled(grid, kept, results).runs],
        {r.spec.run_id for r in results if r.is_over},
        results,
        runs,
    )


def test_hours_follow_from_runs_steps_and_a_stated_speed(tmp_path: Path) -> None:
    lines = plan(tmp_path, *STATED, "--workers", "3")
    assert lines[1] == ["bit-xor", "6", "0", "600", "2.0", "0.1", "0.0", "?"]
    assert lines[2] == ["mnist", "6", "0", "43,200", "2.0", "6.0", "2.0", "?"]
    assert lines[3] == ["all", "12", "0", "43,800", "2.0", "6.1", "2.0", "?"]
    assert lines[-1][:3] == ["Left", "out,", "since"]
    assert lines[-1][-1] == "listops"


def test_without_a_speed_and_without_runs_it_says_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.commands.plan.kept_results", lambda: [])
    lines = plan(tmp_path)
    assert lines[2][4:6] == ["?", "?"]
    assert "No finished run shows the speed of bit-xor, mnist" in " ".join(" ".join(line) for line in lines)


def test_kept_results_show_the_speed_until_a_run_here_does(tmp_path: Path) -> None:
    specs = [run.spec for run in made_up_grid(tasks=("bit-xor",), seeds=(0, 1)).runs]
    kept = [made_up_result("bit-xor", seed=9, accuracy=0.9)]
    (cost,) = plan_costs(specs, (), [], tmp_path, kept=kept)
    assert (cost.steps_per_second, cost.by_kept) == (10.0, True)
    assert cost.bytes_a_run == 16 * 1234 + OTHER_FILES
    assert "guessed from kept results" in unknown_of([cost])[0]
    here = made_up_result("bit-xor", seed=0, accuracy=0.9).model_copy(update={"seconds": 20.0})
    (cost,) = plan_costs(specs, (), [here], tmp_path, kept=kept)
    assert (cost.steps_per_second, cost.by_kept) == (5.0, False)
    assert kept_results([KEPT_RESULTS])
    assert not kept_results([tmp_path / "none"])


@pytest.mark.parametrize("width", [66, 80])
def test_no_number_is_cut_by_its_column(width: int) -> None:
    console = Console(width=width)
    cost = Cost("successive-groups-random", 1234, 1000, 25_770_000, 12345.6, 2e9)
    with console.capture() as said:
        console.print(show_plan([cost], cost, 4))
    for number in ("25,770,000", "12,345.6", "468.00"):
        assert number in said.get()


def test_several_experiments_have_a_row_each_and_a_run_counts_once(tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text(EXPERIMENT)
    (tmp_path / "more.yaml").write_text(EXPERIMENT + "  frozen: {role: language, run: {train: readout}}\n")
    (tmp_path / "tiny.yaml").write_text(PROFILE)
    named = ",".join(str(tmp_path / name) for name in ("same.yaml", "more.yaml"))
    command = ["plan", named, "--profile", str(tmp_path / "tiny.yaml"), "--runs", str(tmp_path), *STATED]
    lines = [line.split() for line in CliRunner(env={"COLUMNS": "120"}).invoke(app, command).stdout.splitlines()]
    assert lines[1] == ["same", "12", "0", "43,800", "2.0", "6.1", "6.1", "?"]
    assert lines[2] == ["more", "6", "0", "21,900", "2.0", "3.0", "3.0", "?"]
    assert lines[3] == ["all", "18", "0", "65,700", "2.0", "9.1", "9.1", "?"]


def test_shared_runs_count_once_also_where_a_bench_settled_one_of_the_grids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.commands.plan.kept_results", lambda: [])
    (tmp_path / "same.yaml").write_text(EXPERIMENT)
    (tmp_path / "again.yaml").write_text(EXPERIMENT)
    (tmp_path / "tiny.yaml").write_text(PROFILE)
    grid = named_grid(str(tmp_path / "same.yaml"), str(tmp_path / "tiny.yaml"))
    settled = {"data": "real", "precision": "float32", "body_execution": "native"}
    kept = [run.model_copy(update={"spec": run.spec.model_copy(update=settled)}) for run in grid.runs]
    folder = tables_folder(tmp_path / "runs", grid)
    folder.mkdir(parents=True)
    (tables_folder(tmp_path / "runs", grid) / GRID_FILE).write_text(
        grid.model_copy(update={"runs": tuple(kept)}).model_dump_json()
    )
    twice = ",".join(str(tmp_path / name) for name in ("same.yaml", "again.yaml", "same.yaml"))
    command = ["plan", twice, "--profile", str(tmp_path / "tiny.yaml"), "--runs", str(tmp_path / "runs")]
    lines = [line.split() for line in CliRunner(env={"COLUMNS": "120"}).invoke(app, command).stdout.splitlines()]
    assert [line[:2] for line in lines[1:4]] == [["same", "12"], ["again", "0"], ["all", "12"]]
    assert "No finished run shows the speed of bit-xor, mnist:" in " ".join(" ".join(line) for line in lines)


def test_finished_runs_count_and_show_speed_and_disk(tmp_path: Path) -> None:
    grid = made_up_grid()
    results = [made_up_result("bit-xor", seed=0, accuracy=0.9), made_up_result("mnist", seed=1, accuracy=0.5)]
    failed = made_up_result("bit-xor", seed=2, accuracy=0.9).model_copy(update={"status": "failed", "curve": ()})
    for result in [*results, failed]:
        write_result(result, tmp_path / result.spec.run_id)
    xor, mnist = costs(grid, [*results, failed], tmp_path)
    assert (xor.runs, xor.done, xor.steps_left) == (6, 1, 500)
    assert xor.steps_per_second == 100 / 10.0
    assert xor.hours_left == 50 / 3600
    size = (tmp_path / results[0].spec.run_id / RESULT_FILE).stat().st_blocks * 512
    assert xor.bytes_left == 5 * size
    assert mnist.done == 1


def test_what_a_bench_settled_on_counts_as_done(tmp_path: Path) -> None:
    kept = made_up_grid()
    open_runs = [
        run.model_copy(update={"spec": run.spec.model_copy(update={"data": "auto", "precision": "auto"})})
        for run in kept.runs
    ]
    planned = kept.model_copy(update={"runs": tuple(open_runs)})
    results = [made_up_result("bit-xor", seed=0, accuracy=0.9)]
    for known in (None, kept):
        assert costs(planned, results, tmp_path, known)[0].done == 1


def with_spec(result: RunResult, **fields: object) -> RunResult:
    return result.model_copy(update={"spec": result.spec.model_copy(update=fields)})


def test_equal_data_arguments_in_another_order_are_the_same_run(tmp_path: Path) -> None:
    grid = made_up_grid(tasks=("mnist",), seeds=(0,))
    written = [
        run.model_copy(update={"spec": run.spec.model_copy(update={"data_arguments": {"a": 1, "b": 2}})})
        for run in grid.runs
    ]
    result = with_spec(made_up_result("mnist", seed=0, accuracy=0.9), data_arguments={"b": 2, "a": 1})
    (cost,) = costs(grid.model_copy(update={"runs": tuple(written)}), [result], tmp_path)
    assert (cost.runs, cost.done) == (2, 1)


@pytest.mark.parametrize(("task", "done"), [("bit-xor", 1), ("mnist", 0)])
def test_a_run_on_real_data_is_the_planned_one_only_where_the_task_has_no_stand_in(
    tmp_path: Path, task: str, done: int
) -> None:
    grid = made_up_grid(tasks=(task,), seeds=(0,))
    embedded = [run.model_copy(update={"spec": run.spec.model_copy(update={"data": "embedded"})}) for run in grid.runs]
    result = with_spec(made_up_result(task, seed=0, accuracy=0.9), data="real")
    (cost,) = costs(grid.model_copy(update={"runs": tuple(embedded)}), [result], tmp_path)
    assert cost.done == done


def test_runs_are_as_fast_as_finished_ones_that_train_the_same(tmp_path: Path) -> None:
    grid = made_up_grid(tasks=("mnist",), seeds=(0, 1))
    whole = made_up_result("mnist", seed=0, accuracy=0.9)
    readout = with_spec(whole.model_copy(update={"seconds": 0.1}), train=("readout",))
    (cost,) = costs(grid, [whole, readout], tmp_path)
    assert whole.curve[-1][0] == 100
    assert cost.steps_per_second == pytest.approx(100 / 10.0)


def test_the_plan_of_the_paper_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from fpt_bench.cli import app\n"
        "done = CliRunner().invoke(app, ['plan', 'headline', '--profile', 'paper', '--runs', sys.argv[1]])\n"
        "print(done.stdout); sys.exit(done.exit_code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("speed", ["0", "-1"])
def test_a_speed_of_nothing_is_refused(speed: str) -> None:
    done = CliRunner().invoke(app, ["plan", "headline", "--steps-per-second", speed])
    assert done.exit_code == 2


def test_seeds_of_the_command_line_are_what_is_planned(tmp_path: Path) -> None:
    lines = plan(tmp_path, *STATED, "--seeds", "0-9")
    assert [line[:2] for line in lines[1:4]] == [["bit-xor", "20"], ["mnist", "20"], ["all", "40"]]
    (tmp_path / "runs").mkdir()
    explained = invoke(tmp_path, "--seeds", "4,5", "--explain", "mnist", "random").stdout
    assert "the command line: --seeds" in explained
    refused = invoke(tmp_path, "--seeds", "9-0")
    assert (refused.exit_code, refused.stderr) == (2, "error: --seeds: expected seeds as 0-7 or 0,1,2, got '9-0'\n")


SWEPT = PROFILE.replace("seeds: [0, 1, 2]", "tuning_seeds: [0, 1]\nseeds: [2, 3, 4]\nlearning_rates: [1.0e-4, 1.0e-3]")


def test_a_sweep_is_planned_with_what_is_reported_at_one_rate_alone(tmp_path: Path) -> None:
    experiment = EXPERIMENT + "learning_rates: profile\n"
    done = invoke(tmp_path, *STATED, profile=SWEPT, experiment=experiment)
    lines = [line.split() for line in done.stdout.splitlines()]
    # Two arms: two rates on two seeds, then three seeds.
    assert lines[1][:4] == ["bit-xor", "14", "0", "1,400"]
    overlap = invoke(tmp_path, *STATED, "--seeds", "1-4", profile=SWEPT, experiment=experiment)
    assert overlap.exit_code == 2
    assert "expected seeds that choose a rate or are reported, got 1 in profile tiny: tuning_seeds" in overlap.stderr


def test_rates_that_a_sweep_gave_up_are_planned_no_more(tmp_path: Path) -> None:
    rates = (1e-5, 1e-4, 1e-3, 1e-2)
    grid = made_up_grid(tasks=("bit-xor",), rates=rates)
    scores = dict(zip(rates, (0.5, 0.9, 0.95, 0.5), strict=True))
    results = [
        made_up_result("bit-xor", 0, score, init, curve=((50, score), (100, score)), rate=rate)
        for rate, score in scores.items()
        for init in ("pretrained", "random")
    ]
    over = {result.spec.run_id: result for result in results}
    wanted = [run.spec for run in settled(grid, None, results).runs if run.spec.run_id not in given_up_runs(grid, over)]
    assert (plan_costs(wanted, over, results, tmp_path)[0].runs, len(grid.runs)) == (20, 24)


def test_what_is_done_takes_no_more_disk() -> None:
    assert Cost("mnist", 3, 3, 0, math.nan, math.nan).bytes_left == 0.0
    assert math.isnan(Cost("mnist", 3, 2, 10, math.nan, math.nan).bytes_left)


def test_options_that_a_view_does_not_know_are_refused() -> None:
    views = (["--explain", "mnist", "language", "--resolve", "5"], ["--resolve", "5", "--workers", "2"])
    for options, named in zip(views, ("--resolve", "--workers"), strict=True):
        done = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["plan", "headline", *options])
        assert done.exit_code == 2
        assert f"expected no {named} with {options[0]}" in done.stderr


@pytest.mark.parametrize("view", [[], ["--resolve", "5"]])
def test_a_data_argument_that_no_task_takes_is_refused_as_the_bench_would(view: list[str]) -> None:
    options = ["--tasks", "bit-xor", "--set", "data_arguments.lenght=3"]
    done = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["plan", "headline", *options, *view])
    assert done.exit_code == 2
    assert "unknown data argument of bit-xor 'lenght'. Known: shuffled, string_bits" in done.stderr


def test_a_data_argument_of_ones_own_profile_that_no_task_takes_is_refused(tmp_path: Path) -> None:
    ours = find_config("profiles", "embedded").read_text()
    assert "pattern_bits: 250" in ours
    (tmp_path / "mine.yaml").write_text(ours.replace("pattern_bits: 250", "pattern_bitz: 250"))
    done = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["plan", "headline", "--profile", str(tmp_path / "mine.yaml")])
    assert done.exit_code == 2
    assert "unknown data argument of bit-memory 'pattern_bitz'. Did you mean 'pattern_bits'?" in done.stderr


def test_what_is_kept_elsewhere_is_done(tmp_path: Path) -> None:
    plan(tmp_path, *STATED)
    grid = named_grid(str(tmp_path / "mine.yaml"), str(tmp_path / "tiny.yaml"))
    spec = next(run.spec for run in grid.runs if run.task == "mnist")
    kept = tmp_path / "kept"
    write_result(made_up_result("mnist", seed=0, accuracy=0.9).model_copy(update={"spec": spec}), kept / spec.run_id)
    assert plan(tmp_path, *STATED, "--kept", str(kept))[2] == ["mnist", "6", "1", "36,000", "2.0", "5.0", "5.0", "?"]
