"""Own tasks and bodies from files outside the repository: the examples of the docs, and what is said of mistakes."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fpt_bench.bodies.catalog import find_body_entry
from fpt_bench.cli import app
from fpt_bench.commands.bench import plan_grid
from fpt_bench.config.command_line import make_command
from fpt_bench.config.plugins import BODIES_GROUP, TASKS_GROUP
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.tasks import find_task
from tests.paths import EXAMPLES

TASK, SMALL, MEAN = "my_task:MajorityDataModule", "my_body:SMALL", "my_body:MEAN"
SHORT = ["--task", TASK, "--init", "random", "--max-steps", "60", "--eval-every", "30", "--learning-rate", "1e-2"]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files of docs/examples, from which their modules are imported."""
    folder = tmp_path / "mine"
    shutil.copytree(EXAMPLES, folder)
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in ("my_task", "my_body"):
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
        assert (result.test_accuracy or 0) > 0.8, "the mean tells the majority"
        folder = outside / "runs" / result.spec.run_id
        assert (folder / RESULT_FILE).is_file()
        assert folder.name.startswith("my_task-MajorityDataModule_my_body-")
        command = make_command(result.spec, "embedded")
        assert command is not None
        assert f"--task {TASK}" in command


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
