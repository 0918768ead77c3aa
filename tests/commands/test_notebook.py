"""What a notebook calls."""

import subprocess
import sys
from pathlib import Path

import pytest

import fpt_bench
from fpt_bench.config.grid_of import named_grid
from fpt_bench.config.picks import Picks
from fpt_bench.results.result_files import write_result
from tests.made_up import made_up_result

SHORT = {"layers": 1, "max_steps": 4, "eval_every": 2, "dropout": 0.0}


def test_a_run_from_python_is_the_run_of_the_command_line(tmp_path: Path) -> None:
    result = fpt_bench.run(task="bit-xor", init="random", runs=tmp_path, offline=True, **SHORT)
    assert (result.status, result.spec.task, result.spec.data) == ("ok", "bit-xor", "real")
    assert fpt_bench.run(result.spec, runs=tmp_path, offline=True) == result, "it is there"
    assert fpt_bench.load_results(tmp_path) == [result]
    with pytest.raises(ValueError, match=r"unknown task .cifr.\. Did you mean .cifar"):
        fpt_bench.run(task="cifr", runs=tmp_path)
    with pytest.raises(ValueError, match="got both or neither"):
        fpt_bench.run(result.spec, task="bit-xor", runs=tmp_path)


@pytest.mark.slow
def test_a_bench_from_python_gives_cells(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "question: A test.\ntasks: [bit-xor]\nbaseline: random\n"
        "arms: {language: {run: {init: pretrained}}, random: {run: {init: random}}}\n"
    )
    (tmp_path / "short.yaml").write_text(
        "summary: A test.\nbodies: {}\nseeds: [0]\nrun: {layers: 1, dropout: 0.0}\n"
        "tasks: {bit-xor: {max_steps: 4, eval_every: 2}}\n"
    )
    files = str(tmp_path / "mine.yaml"), str(tmp_path / "short.yaml")
    bench = fpt_bench.bench(*files, runs=tmp_path / "runs", workers=1, offline=True)
    assert [(cell.task, cell.arm, cell.n) for cell in bench.cells] == [
        ("bit-xor", "language", 1),
        ("bit-xor", "random", 1),
    ]
    cell = bench.cell("bit-xor", "language")
    assert cell is not None
    assert cell.delta is not None
    assert (tmp_path / "runs" / "tables" / "mine-short" / "table.md").is_file()


def test_a_bench_from_python_picks_as_the_command_line_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def plan(experiment: str, profile: str, *rest: object, picks: Picks) -> None:
        raise InterruptedError(f"{named_grid(experiment, profile, picks=picks).picked}; {rest[1]}")

    monkeypatch.setattr("fpt_bench.commands.notebook.plan_grid", plan)
    asked = {"tasks": ["mnist"], "arms": ["language"], "seeds": [7, 8], "fields": {"learning_rate": 3e-4, "layers": 2}}
    words = "--tasks mnist --arms language --set layers=2 --set learning_rate=0.0003; \\(7, 8\\)"
    with pytest.raises(InterruptedError, match=f"^{words}$"):
        fpt_bench.bench("headline", "embedded", runs=tmp_path, **asked)  # type: ignore[arg-type]


def test_results_are_one_frame_wide_or_long(tmp_path: Path) -> None:
    for result in (made_up_result("bit-xor", 0, 0.9), made_up_result("mnist", 1, 0.5, rate=0.01)):
        write_result(result, tmp_path / result.spec.run_id)
    wide = fpt_bench.results_frame(tmp_path)
    assert list(wide["task"]) == ["bit-xor", "mnist"]
    assert list(wide["test_score"]) == [0.9, 0.5]
    assert list(wide["learning_rate"]) == [0.001, 0.01]
    long = fpt_bench.results_frame(tmp_path, shape="long")
    assert list(long[long["task"] == "mnist"]["split"]) == ["validation", "validation", "train", "test"]
    with pytest.raises(ValueError, match=r"unknown shape 'wid'\. Did you mean 'wide'"):
        fpt_bench.results_frame(tmp_path, "wid")  # type: ignore[arg-type]


def test_the_door_is_thin() -> None:
    code = "import sys, fpt_bench; sys.exit(any(m.startswith('fpt_bench.') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, (
        "nothing is loaded before it is asked for"
    )
    with pytest.raises(AttributeError, match="no attribute 'bnch'"):
        fpt_bench.bnch  # noqa: B018
