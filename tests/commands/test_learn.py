"""`learn` measures what is not on record; `list floors` prints what is, and sets up nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fpt_bench.cli import app
from fpt_bench.results.folder import simple_learners_file
from fpt_bench.results.simple_records import read_records

PROFILE = """
summary: seconds
bodies: {language: minilm}
seeds: [0, 1]
run: {dropout: 0.0, data: embedded}
tasks:
  bit-memory:
    max_steps: 2
    eval_every: 2
    data_arguments: {pattern_bits: 50, validation_examples: 4, test_examples: 9}
  bit-xor: {max_steps: 2, eval_every: 2}
  homology:
    max_steps: 10
    eval_every: 5
    data_arguments: {folds: 2, superfamilies: 2, min_residues: 20, max_residues: 30}
"""


def in_process(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*arguments])


@pytest.fixture
def learned(tmp_path: Path) -> tuple[Path, list[str]]:
    """A folder with records of two small tasks, and the command that made them."""
    (tmp_path / "small.yaml").write_text(PROFILE)
    places = ["--runs", str(tmp_path / "runs"), "--data-root", str(tmp_path / "data"), "--offline"]
    command = ["learn", "--experiments", "headline", "--profile", str(tmp_path / "small.yaml"), *places]
    done = in_process(*command)
    assert done.exit_code == 0, done.output
    assert "homology, embedded, 160 examples: nearest protein by 3-mers" in done.stdout
    return tmp_path / "runs", command


def test_floors_and_learners_of_an_experiment_are_kept_once(learned: tuple[Path, list[str]]) -> None:
    runs, command = learned
    memory, _, homology = read_records(simple_learners_file(runs))
    assert (memory.task, memory.examples, memory.learners) == ("bit-memory", 32, {})
    assert set(memory.floors) == {"guess", "best constant", "copy and average"}
    assert (homology.examples, homology.floors["guess"]) == (160, 0.5)
    assert set(homology.learners) == {"nearest protein by 3-mers", "logistic on composition and length"}
    assert homology.versions["scikit-learn"]
    again = in_process(*command)
    assert again.exit_code == 0
    assert "3-mers" not in again.stdout, "what is on record is not measured again"


def test_a_command_that_was_stopped_goes_on_with_what_is_missing(learned: tuple[Path, list[str]]) -> None:
    runs, command = learned
    path = simple_learners_file(runs)
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({"records": whole["records"][1:]}))
    again = in_process(*command)
    assert "copy and average" in again.stdout
    assert "3-mers" not in again.stdout
    assert json.loads(path.read_text()) == whole, "the same figures again"


def test_list_floors_prints_kept_records_and_those_of_a_folder(learned: tuple[Path, list[str]]) -> None:
    done = in_process("list", "floors", "--runs", str(learned[0]))
    assert done.exit_code == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "task name kind score test examples learned from data"
    kept = "bit-memory copy and average floor 84.6 % 500 real pattern_bits=250"
    assert kept in lines
    assert "bit-memory guess floor 50.0 % 9 real pattern_bits=50 validation_examples=4 test_examples=9" in lines
    assert any("nearest protein by 3-mers simple learner" in line and " 160 embedded folds=2" in line for line in lines)
    assert len(lines) == len(set(lines)), "a floor that two budgets share is said once"
    for task in ("bit-memory", "bit-xor", "listops", "mnist", "cifar", "cifar-lra", "homology"):
        assert any(line.startswith(f"{task} ") for line in lines), task


def test_list_floors_loads_neither_torch_nor_scikit_learn(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from fpt_bench.cli import app\n"
        "try:\n    app(['list', 'floors', '--runs', sys.argv[1]])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(sorted({'torch', 'sklearn', 'pytorch_lightning'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "copy and average" in done.stdout, "one line a row where nobody watches"
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "bit-xor"], "task 'bit-xor': expected one with a simple learner, got one that has none"),
        (["--task", "bit-memory"], "task 'bit-memory': expected one with a simple learner, got one that has none"),
        (["--task", "mnits"], "unknown task 'mnits'. Did you mean 'mnist'?"),
        (["--data", "real"], "expected --task beside --data and --data-arguments, got none"),
        (["--experiments", "headlin"], "unknown experiment 'headlin'. Did you mean 'headline'?"),
    ],
)
def test_wrong_input_is_a_sentence_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = in_process("learn", *arguments, "--runs", str(tmp_path / "runs"))
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "runs").exists(), "nothing is written"


def test_a_file_that_is_no_record_is_left_as_it_is(tmp_path: Path) -> None:
    path = simple_learners_file(tmp_path)
    path.write_text("{")
    done = in_process("learn", "--task", "mnist", "--runs", str(tmp_path))
    assert done.exit_code == 2
    assert f"{path}: expected floors and simple learners in JSON" in done.stderr.replace("\n", "")
    assert path.read_text() == "{"
