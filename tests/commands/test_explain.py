"""`plan --explain`: each field of a task's and arm's runs, and who says it; and that a bench is checked whole first."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fpt_bench.cli import app
from fpt_bench.config.spec import RunSpec

EXPERIMENT = """
question: A test.
tasks: [bit-memory, mnist]
baseline: random
arms:
  language: {role: language, run: {init: pretrained, data_arguments: {shuffled: true}}}
  random: {role: language, run: {init: random}}
  absent: {role: absent}
"""
PROFILE = """
summary: A test.
bodies: {language: {body: minilm, layers: 2}, absent: null}
seeds: [0, 1]
run: {dropout: 0.0}
tasks: {bit-memory: {max_steps: 100, eval_every: 50, data_arguments: {pattern_bits: 100}}}
experiments: {mine: {run: {max_steps: 20, eval_every: 10}}}
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Arguments that name the experiment and the profile."""
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    (tmp_path / "other.yaml").write_text(EXPERIMENT.replace("  random:", "  plain: {run: {body: lstm}}\n  random:"))
    (tmp_path / "tiny.yaml").write_text(PROFILE)
    return [str(tmp_path / "mine.yaml"), "--profile", str(tmp_path / "tiny.yaml")]


def fpt_bench(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, list(arguments))


def rows(done: Result) -> dict[str, list[str]]:
    """Return the cells of the table's rows by the first."""
    cells = ([cell.strip() for cell in line.split("  ") if cell.strip()] for line in done.stdout.splitlines())
    return {row[0]: row[1:] for row in cells if row}


def test_each_field_is_shown_with_its_value_and_its_layer(files: list[str]) -> None:
    done = fpt_bench("plan", *files, "--explain", "bit-memory", "language")
    assert done.exit_code == 0, done.stderr
    shown = rows(done)
    assert done.stdout.startswith("mine: bit-memory, language")
    assert shown["field"] == ["value", "from"]
    assert shown["task"] == ["bit-memory", "experiment mine: tasks"]
    assert shown["data_arguments.pattern_bits"] == ["100", "profile tiny: tasks.bit-memory"]
    assert shown["data_arguments.shuffled"] == ["true", "experiment mine: arms.language.run"]
    assert shown["layers"] == ["2", "profile tiny: bodies.language"]
    assert shown["init"] == ["pretrained", "experiment mine: arms.language.run"]
    assert shown["learning_rate"] == ["0.001", "tasks.yaml: bit-memory"]
    assert shown["max_steps"] == ["20", "profile tiny: experiments.mine.run"]
    assert shown["dropout"] == ["0.0", "profile tiny: run"]
    assert shown["train"] == ["input, readout, norm, position", "default"]
    assert shown["body_path"] == ["null", "default"]
    assert shown["seed"] == ["0, 1", "profile tiny: seeds"]
    assert {field.partition(".")[0] for field in shown} >= set(RunSpec.model_fields)


def test_of_several_experiments_those_that_have_both_are_shown(files: list[str]) -> None:
    both = f"{files[0]},{files[0].replace('mine', 'other')}"
    done = fpt_bench("plan", both, *files[1:], "--explain", "bit-memory", "random")
    assert "mine: bit-memory, random" in done.stdout
    assert "other: bit-memory, random" in done.stdout
    done = fpt_bench("plan", both, *files[1:], "--explain", "bit-memory", "plain")
    assert "mine" not in done.stdout
    assert rows(done)["body"] == ["lstm", "experiment other: arms.plain.run"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["bit-memry", "random"], "unknown task of the experiment 'bit-memry'. Did you mean 'bit-memory'?"),
        (["bit-memory", "rando"], "unknown arm of the experiment 'rando'. Did you mean 'random'?"),
        (
            ["mnist", "random"],
            "expected a task that profile tiny has a budget for in experiment mine, got mnist; it has",
        ),
        (["bit-memory", "absent"], "expected an arm that profile tiny has a body for, got absent"),
    ],
)
def test_what_is_not_there_is_said_with_exit_code_2(asked: list[str], message: str, files: list[str]) -> None:
    done = fpt_bench("plan", *files, "--explain", *asked)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_fields_that_do_not_fit_together_are_explained_all_the_same(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(PROFILE.replace("eval_every: 10", "eval_every: 15"))
    wrong = fpt_bench("plan", *files)
    assert wrong.exit_code == 2
    named = "(max_steps of profile tiny: experiments.mine.run, eval_every of profile tiny: experiments.mine.run)"
    assert named in wrong.stderr
    assert rows(fpt_bench("plan", *files, "--explain", "bit-memory", "random"))["eval_every"][0] == "15"


def test_no_mistake_needs_torch_to_be_found(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(EXPERIMENT.replace("shuffled", "shuffled: true}, layer: {x"))
    code = (
        "import sys; from typer.testing import CliRunner; from fpt_bench.cli import app\n"
        "for command in (['plan', sys.argv[1]], ['bench', '--experiments', sys.argv[1]]):\n"
        "    done = CliRunner().invoke(app, [*command, *sys.argv[2:]])\n"
        "    assert done.exit_code == 2 and \"Did you mean 'layers'\" in done.stderr, done.stderr\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_data_argument_that_a_task_does_not_take_stops_a_bench_before_its_first_run(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_all(*_: object) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr("fpt_bench.commands.bench.run_all", run_all)
    (tmp_path / "other.yaml").write_text(EXPERIMENT.replace("shuffled: true", "pattern_bit: 9"))
    both = f"{files[0]},{files[0].replace('mine', 'other')}"
    done = fpt_bench("bench", "--experiments", both, *files[1:], "--runs", str(tmp_path / "runs"), "--offline")
    assert done.exit_code == 2, done.exception
    assert "unknown data argument of bit-memory 'pattern_bit'. Did you mean 'pattern_bits'?" in done.stderr
