"""Single runs in a folder without a bench: a table of them."""

from pathlib import Path

from typer.testing import CliRunner

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.plain_runs import grid_of_runs
from fpt_bench.cli import app
from fpt_bench.commands.console import notes
from fpt_bench.report.page.report_page import benches_in
from fpt_bench.results.result_files import write_result
from tests.made_up import made_up_result

RESULTS = [
    made_up_result("bit-xor", seed=0, accuracy=0.9),
    made_up_result("bit-xor", seed=1, accuracy=0.8),
    made_up_result("bit-xor", seed=0, accuracy=0.6, init="random"),
    made_up_result("bit-xor", seed=0, accuracy=0.7, rate=1e-2),
    made_up_result("mnist", seed=0, accuracy=0.5, rate=1e-4),
]


def test_what_tells_single_runs_of_a_task_apart_is_an_arm() -> None:
    grid = grid_of_runs(RESULTS)
    cells = {(cell.task, cell.arm): cell.n for cell in Bench.of(grid, RESULTS).cells}
    assert cells == {
        ("bit-xor", "minilm pretrained, learning_rate 0.001"): 2,
        ("bit-xor", "minilm random, learning_rate 0.001"): 1,
        ("bit-xor", "minilm pretrained, learning_rate 0.01"): 1,
        ("mnist", "minilm pretrained, learning_rate 0.0001"): 1,
    }
    assert grid.experiment.baseline == "minilm random, learning_rate 0.001"
    assert list(grid_of_runs(RESULTS[:3]).experiment.arms) == ["minilm pretrained", "minilm random"]


def test_a_data_argument_that_only_some_runs_state_tells_them_apart() -> None:
    plain = made_up_result("bit-xor", seed=0, accuracy=0.9)
    other = plain.model_copy(update={"spec": plain.spec.model_copy(update={"data_arguments": {"length": 9}})})
    arms = list(grid_of_runs([plain, other, made_up_result("mnist", seed=0, accuracy=0.5)]).experiment.arms)
    assert arms == ["minilm pretrained, length default", "minilm pretrained, length 9", "minilm pretrained"]


def test_table_and_report_take_a_folder_of_single_runs(tmp_path: Path) -> None:
    for result in RESULTS:
        write_result(result, tmp_path / result.spec.run_id)
    done = CliRunner().invoke(app, ["table", str(tmp_path)])
    assert done.exit_code == 0, done.stderr
    assert "# single-runs" in done.stdout
    assert "| minilm random, learning_rate 0.001" in done.stdout
    assert not (tmp_path / "tables").exists(), "the next run is in the table, too"
    (bench,) = benches_in(tmp_path, notes)
    assert (bench.scored, bench.folder) == (5, tmp_path)


def test_a_folder_without_any_run_is_told_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["table", str(tmp_path)])
    assert done.exit_code == 2
    assert "found none" in done.stderr
