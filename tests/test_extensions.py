"""Own tasks and bodies from files outside the repository: the examples of the docs, and what is said of mistakes."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from datamodules.checks import check_task
from fpt_bench.bodies.catalog import find_body_entry
from fpt_bench.cli import app
from fpt_bench.commands.grid_plan import plan_grid
from fpt_bench.config.command_line import make_command
from fpt_bench.config.plugins import BODIES_GROUP, TASKS_GROUP
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.workers import hire, run_all
from fpt_bench.results.events import Finished
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.resolve import resolve
from fpt_bench.training.tasks import find_task
from tests.paths import EXAMPLES

TASK, SMALL, MEAN = "my_task:MajorityDataModule", "my_body:SMALL", "my_body:MEAN"
REGRESSION = "my_regression:ShareDataModule"
TABLE = "my_table:DiabetesDataModule"
SHORT = ["--task", TASK, "--init", "random", "--max-steps", "60", "--eval-every", "30", "--learning-rate", "1e-2"]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files of docs/examples, from which their modules are imported."""
    folder = tmp_path / "mine"
    shutil.copytree(EXAMPLES, folder)
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in ("my_task", "my_body", "my_regression", "my_table"):
        sys.modules.pop(name, None)


def fpt_bench(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))


def test_the_example_task_and_bodies_are_learned(outside: Path) -> None:
    for body, execution, train in ((SMALL, "native", "all"), (MEAN, "reference", "input,readout,norm,position")):
        done = fpt_bench("run", *SHORT, "--body", body, "--train", train, "--runs", str(outside / "runs"), "--json")
        assert done.exit_code == 0, done.stderr
        result = RunResult.model_validate(json.loads(done.stdout))
        assert result.body is not None
        assert result.body.execution == execution
        assert result.status == "ok"
        assert (result.test_score or 0) > 0.8, "the mean tells the majority"
        folder = outside / "runs" / result.spec.run_id
        assert (folder / RESULT_FILE).is_file()
        assert folder.name.startswith("my_task-MajorityDataModule_my_body-")
        command = make_command(result.spec, "embedded")
        assert command is not None
        assert f"--task {TASK}" in command


@pytest.mark.usefixtures("outside")
def test_the_example_task_is_sound() -> None:
    check_task(find_task(TASK), length=9)


def test_the_example_of_regression_is_sound_and_learned(outside: Path) -> None:
    shown = fpt_bench("inspect", REGRESSION)
    assert shown.exit_code == 0, shown.output
    assert "scored by mean-absolute-error, lower is better; loss squared-error" in shown.stdout
    assert "floor 0.120: always a half 0.123; mean of training " in shown.stdout
    assert "-> 0.364" in shown.stdout, "four of the first example's eleven bits"
    done = fpt_bench("run", "--task", REGRESSION, *SHORT[2:], "--body", MEAN, "--runs", str(outside / "runs"))
    assert done.exit_code == 0, done.stderr
    (said,) = (line for line in done.stdout.splitlines() if line.startswith("test mean-absolute-error"))
    assert "(floor 0.120)" in said
    assert float(said.split()[2]) < 0.06, "the mean tells the share"
    listed = fpt_bench("list", "runs", "--runs", str(outside / "runs")).stdout
    assert "mean-absolute-error" in listed
    assert said.split()[2] in listed


def test_the_example_of_a_real_table_is_sound_and_beside_its_simple_learner(outside: Path) -> None:
    shown = fpt_bench("inspect", TABLE)
    assert shown.exit_code == 0, shown.output
    assert "sound: no fault was found" in shown.stdout
    sizes = [line.split()[1] for line in shown.stdout.splitlines() if line.startswith(("train", "valid", "test "))]
    assert sizes == ["262", "80", "100"], "442 patients, each in one split"
    learned = fpt_bench("learn", "--task", TABLE, "--runs", str(outside / "runs"))
    assert learned.exit_code == 0, learned.output
    (ridge,) = (line for line in learned.stdout.splitlines() if "ridge regression" in line)
    assert 0.3 < float(ridge.split()[-1]) < 0.4, "r2, not in percent"
    done = fpt_bench("run", "--task", TABLE, *SHORT[2:], "--body", SMALL, "--runs", str(outside / "runs"))
    assert done.exit_code == 0, done.stderr
    assert "test r2 " in done.stdout


def test_the_example_experiment_is_planned(outside: Path) -> None:
    grid, _ = plan_grid(
        str(outside / "my_experiment.yaml"), str(outside / "my_profile.yaml"), Workspace(outside / "runs", offline=True)
    )
    assert [(run.task, run.arm, run.spec.seed) for run in grid.runs] == [
        (TASK, arm, seed) for arm in ("frozen", "full") for seed in (0, 1)
    ]
    assert {run.spec.batch_size for run in grid.runs} == {16}, "tasks.yaml does not know it: RunSpec's own default"
    assert grid.left_out == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--task", "my_tusk:MajorityDataModule"],
            "expected a module that can be imported, got: No module named 'my_t",
        ),
        (["--task", "my_task:MajorityData"], "Did you mean 'MajorityDataModule'?"),
        (["--task", "my_task:np"], "expected a class derived from TaskDataModule, got <module 'numpy'"),
        (["--task", TASK, "--body", "my_body:MeanModel"], "expected a BodyEntry, got <class 'my_body.MeanModel'>"),
        (["--task", TASK, "--body", SMALL], "has no pretrained weights; ask for random"),
        (["--task", TASK, "--data-arguments", "lenght=9"], "Did you mean 'length'?"),
    ],
)
def test_a_mistake_is_a_sentence(outside: Path, arguments: list[str], message: str) -> None:
    done = fpt_bench("run", *arguments, "--max-steps", "2", "--eval-every", "2", "--runs", str(outside / "runs"))
    assert done.exit_code == 2, done.output
    assert message in done.stderr


def test_an_installed_package_can_offer_names(outside: Path) -> None:
    installed = outside / "mine-1.0.dist-info"  # what pip leaves beside a package's modules
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        f"[{TASKS_GROUP}]\nmajority = {TASK}\n[{BODIES_GROUP}]\nsmall = {SMALL}\n"
    )
    done = fpt_bench("run", "--task", "majorty")
    assert "unknown task 'majorty'. Did you mean 'majority'?" in done.stderr
    assert "Say whether a row of bits" in fpt_bench("list", "tasks").stdout
    assert "a GPT-2 of 2 layers" in fpt_bench("list", "bodies").stdout
    assert find_task("majority").__name__ == "MajorityDataModule"
    assert find_body_entry("small").architecture["n_embd"] == 64


def test_names_with_paths_make_safe_folders_and_built_in_ones_stay() -> None:
    odd = RunSpec(task="../a/b.c:D", body="x:y", init="random").run_id
    assert odd.startswith("-a-b.c-D_x-y_random_seed0_")
    # The id that a run has had since before other names were possible.
    assert RunSpec(task="bit-xor", seed=3).run_id == "bit-xor_minilm_pretrained_seed3_91be8747ef10"


MISTAKES = """
from dataclasses import replace
import numpy as np
from datamodules.contract import TaskDataModule
from datamodules.examples import ArrayExamples
from my_task import MajorityDataModule

class Spoiled(MajorityDataModule):
    def change(self, split, inputs, labels):
        return inputs, labels
    def examples(self, split):
        whole = super().examples(split)
        return ArrayExamples(*self.change(split, whole.inputs, whole.labels))

class Doubles(Spoiled):
    def change(self, split, inputs, labels):
        return inputs.astype(np.float64), labels

class ThirdClass(Spoiled):
    def change(self, split, inputs, labels):
        return inputs, labels + (split == "test")

class NoTest(Spoiled):
    def change(self, split, inputs, labels):
        return (inputs[:0], labels[:0]) if split == "test" else (inputs, labels)

class Floats(Spoiled):
    def change(self, split, inputs, labels):
        return inputs, inputs.mean(axis=1)

class Doubled(Spoiled):
    def change(self, split, inputs, labels):
        return inputs, inputs.mean(axis=1).astype(np.float64)

class OneSplit(MajorityDataModule):
    def examples(self, split):
        return super().examples("train")

class SeedDecides(Spoiled):
    def change(self, split, inputs, labels):
        return inputs + np.float32(2 * self.seed), labels

class TooLong(MajorityDataModule):
    @property
    def task(self):
        return replace(super().task, max_length=8)

class Tokens(Spoiled):
    @property
    def task(self):
        return replace(super().task, input_kind="tokens", input_size=2)
    def change(self, split, inputs, labels):
        return inputs[:, :, 0].astype(np.int64) + 1, labels

class NoFloor(Spoiled):
    def floors(self):
        return {"guess": 0.25}

    @property
    def task(self):
        return replace(super().task, trivial={})

class Unfinished(TaskDataModule):
    source = "nothing"

class NoSpec(MajorityDataModule):
    task = None

class NoShared(MajorityDataModule):
    def __init__(self, length: int = 9):
        super().__init__(length=length)

class Loose(MajorityDataModule):
    def __init__(self, length=9, more=None, **shared):
        super().__init__(length=length, **shared)

class Needs(MajorityDataModule):
    def __init__(self, length: int, **shared):
        super().__init__(length=length, **shared)
"""


@pytest.fixture
def mistakes(outside: Path) -> Iterator[Path]:
    """The same folder with a module of tasks that are each wrong in one way."""
    (outside / "mistakes.py").write_text(MISTAKES)
    yield outside
    sys.modules.pop("mistakes", None)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("Doubles", "task Doubles: train, examples 0 to 63: expected inputs of float32, got float64"),
        (
            "ThirdClass",
            "task ThirdClass: test, examples 0 to 63: expected labels from 0 to 1 (num_classes is 2), got",
        ),
        ("NoTest", "task NoTest: test: expected at least 1 example, got none"),
        (
            "Floats",
            "expected labels of int64 where they are classes, got float32. Where labels are numbers, say label_kind",
        ),
        (
            "Doubled",
            "expected labels as integers from 0 to C - 1, or as float32 where the task's label_kind is 'numbers'",
        ),
        ("OneSplit", "test: expected examples that do not stand in train, got 1,536 of 1,536 with the same inputs"),
        ("SeedDecides", "test: expected the same examples whatever the seed, got others with seed 1 than with 0"),
        ("TooLong", "expected 1 to 8 positions (the task's max_length), got 11"),
        ("Tokens", "expected tokens from 0 to 1 (input_size is 2), got 2"),
        ("NoFloor", "expected a floor of at least 52.7 %, which the best constant scores on test, got 25.0 %"),
        ("Unfinished", "task 'mistakes:Unfinished': expected a class that defines examples, task, got none"),
        ("NoSpec", "expected its `task` to be a TaskSpec, got None"),
        ("NoShared", "expected a class that takes **shared: Unpack[SharedArguments]"),
        ("Needs", "data argument length of mistakes:Needs: expected a value, got none"),
    ],
)
def test_a_mistake_in_a_task_is_a_sentence_before_anything_trains(
    mistakes: Path, monkeypatch: pytest.MonkeyPatch, task: str, message: str
) -> None:
    monkeypatch.setattr("fpt_bench.training.one_run.make_model", lambda *_: pytest.fail("a model was made"))
    done = fpt_bench("run", "--task", f"mistakes:{task}", "--init", "random", "--runs", str(mistakes / "runs"))
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert not list((mistakes / "runs").rglob(RESULT_FILE))


def test_keywords_before_shared_are_arguments_whether_keyword_only_or_not(mistakes: Path) -> None:
    def resolved(task: str, **arguments: object) -> dict[str, object]:
        spec = RunSpec.model_validate({"task": f"mistakes:{task}", "init": "random", "data_arguments": arguments})
        return resolve(spec, Workspace(mistakes / "runs", offline=True))[0].data_arguments  # type: ignore[return-value]

    assert resolved("Needs", length="7") == {"length": 7}
    assert resolved("Loose", length="7") == {"length": 7}, "without an annotation: the default's type"
    with pytest.raises(ValueError, match=r"more of mistakes:Loose: expected a type, got none\. Annotate it"):
        resolved("Loose", more=3)
    with pytest.raises(ValueError, match="data argument length of mistakes:Loose: Input should be a valid integer"):
        resolved("Loose", length="seven")
    with pytest.raises(ValueError, match="unknown data argument of mistakes:Loose 'seed'"):
        resolved("Loose", seed=3)


@pytest.mark.slow
def test_a_mistake_in_a_task_is_a_failed_run_of_a_bench(mistakes: Path) -> None:
    spec = RunSpec(task="mistakes:NoTest", data="real", init="random", max_steps=2, eval_every=2)
    workspace = Workspace(mistakes / "runs")
    with hire(1, workspace) as crew:
        failed = [event.result for event in run_all([spec], workspace, crew) if isinstance(event, Finished)]
    assert [result.status for result in failed] == ["failed"]
    assert "test: expected at least 1 example, got none" in (failed[0].error or "")
