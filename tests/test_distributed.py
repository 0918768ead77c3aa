"""One run by two processes: the same examples, the same curve."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric.utilities.rank_zero import rank_zero_only
from typer.testing import CliRunner

from fpt_bench.cli import app
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.training.devices import STARTED_BY, Devices
from fpt_bench.training.rendezvous import Meeting, environment_of
from fpt_bench.training.tasks import find_task

RUN = ["run", "--task", "bit-xor", "--data", "real", "--layers", "1", "--max-steps", "50", "--eval-every", "10"]
FIXED = ["--dropout", "0", "--precision", "float32", "--eval-batch-size", "48", "--offline"]


def run_here(runs: Path) -> dict[str, Any]:
    """Return the result of a run by this process, as `run` does."""
    done = CliRunner().invoke(app, [*RUN, *FIXED, "--runs", str(runs)])
    assert done.exit_code == 0, done.stderr
    return result_of(runs)


def run(runs: Path, *options: str, under: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the result of a run that the command `under` starts, with the loss of every tenth step as `losses`."""
    command = [*under, sys.executable, "-m", "fpt_bench", *RUN, *FIXED, "--runs", str(runs), *options]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=600)
    assert done.returncode == 0, done.stderr
    return result_of(runs)


def result_of(runs: Path) -> dict[str, Any]:
    (path,) = runs.glob(f"*/{RESULT_FILE}")
    with (path.parent / "logs" / "csv" / "from-step-0" / "metrics.csv").open() as stream:
        losses = [float(row["train/loss"]) for row in csv.DictReader(stream) if row["train/loss"]]
    return {**json.loads(path.read_text()), "losses": losses}


def assert_same_run(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Hold what two processes give to what one gives: losses, curve and accuracies, to 1e-5."""
    assert one["spec"] == two["spec"], "how it is computed is no part of a run"
    assert two["attempts"][-1]["processes"] == 2
    assert len(one["losses"]) == 5
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-5)
    assert [step for step, _ in two["curve"]] == [10, 20, 30, 40, 50]
    assert [score for _, score in two["curve"]] == pytest.approx([score for _, score in one["curve"]], abs=1e-5)
    for name in ("test_score", "train_score", "validation_score"):
        assert two[name] == pytest.approx(one[name], abs=1e-5)


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one(tmp_path: Path) -> None:
    assert_same_run(run_here(tmp_path / "one"), run(tmp_path / "two", "--devices", "2", "--strategy", "ddp"))


@pytest.mark.parametrize("task", ["bit-xor", "listops"])
def test_the_slices_of_all_processes_are_the_batch_of_one(task: str) -> None:
    arguments = {"train_examples": 60, "validation_examples": 20, "test_examples": 20} if task == "listops" else {}
    module = find_task(task)(batch_size=12, eval_batch_size=8, **arguments)
    whole = [next(iter(module.train_dataloader())), *module.val_dataloader()]
    parts, validated = [], 0
    module.world_size = 3
    for rank in range(3):
        module.rank = rank
        parts.append(next(iter(module.train_dataloader())))
        validated += sum(len(batch.labels) for batch in module.val_dataloader())
    for together, separate in zip(whole[0][:3], zip(*(part[:3] for part in parts), strict=True), strict=True):
        assert torch.equal(together, torch.cat(separate))
    assert validated == sum(len(batch.labels) for batch in whole[1:]), "each example is validated once"


def test_where_there_are_fewer_validation_batches_than_processes_all_take_all() -> None:
    module = find_task("bit-xor")(eval_batch_size=10_000)
    module.rank, module.world_size = 1, 2
    assert len(module.val_dataloader()) == 1


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a batch that 3 processes can share evenly, got 16 examples"):
        Devices(devices=3).share_of(16)


STEP = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}
JOB = {"SLURM_JOB_ID": "9", "SLURM_NTASKS": "4", "SLURM_PROCID": "2"}
OURS = {STARTED_BY: str(os.getppid())}
ELASTIC = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "GROUP_RANK": "1"}
VARIABLES = (
    "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID",
    "SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_STEP_ID",
    "SLURM_STEP_NUM_TASKS", STARTED_BY,
)  # fmt: skip


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Leave these variables in the environment, and no others that say which process this is."""

    def leave(variables: dict[str, str]) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return leave


@pytest.mark.parametrize(
    ("variables", "starter", "rank"),
    [
        ({}, None, 0),
        ({**OURS, "LOCAL_RANK": "1", "NODE_RANK": "1"}, "us", 3),
        ({**JOB, **STEP}, "srun", 2),
        ({**JOB, **STEP, **OURS, "LOCAL_RANK": "1"}, "us", 1),
        (ELASTIC, "torchrun", 3),
        ({**JOB, "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, None, 0),
        # What is left over, or is an allocation's and not a step's.
        ({"LOCAL_RANK": "1", "RANK": "3", "WORLD_SIZE": "4"}, None, 0),
        ({STARTED_BY: "1", "LOCAL_RANK": "1"}, None, 0),
        ({"SLURM_JOB_ID": "9", "SLURM_NTASKS": "4"}, None, 0),
        (JOB, None, 0),
        ({**JOB, **STEP, "SLURM_STEP_ID": str(0xFFFFFFFA)}, None, 0),
        ({**JOB, **STEP, "SLURM_STEP_ID": "batch"}, None, 0),
        ({**ELASTIC, "WORLD_SIZE": "8"}, None, 0),
    ],
)
def test_a_process_knows_who_started_it(
    shell: Callable[[dict[str, str]], None], variables: dict[str, str], starter: str | None, rank: int
) -> None:
    shell(variables)
    used = Devices(devices=2, num_nodes=2)
    assert (used.starter, used.rank) == (starter, rank)
    assert Devices().rank == 0, "a run of one process is its own first one"
    assert Devices().starter is None


@pytest.mark.parametrize("variables", [{"NODE_RANK": "1", "GROUP_RANK": "2"}, {"MASTER_ADDR": "10.0.0.1"}])
def test_on_one_node_nothing_of_several_is_believed(
    shell: Callable[[dict[str, str]], None], variables: dict[str, str]
) -> None:
    shell(variables)
    environment = environment_of(Devices(devices=2))
    assert (Devices(devices=2).rank, environment.node_rank(), environment.main_address) == (0, 0, "127.0.0.1")
    assert not environment.creates_processes_externally


@pytest.mark.parametrize(
    ("variables", "devices", "says"),
    [
        (
            {**JOB, **STEP},
            Devices(2),
            "start 2 processes, --devices 2 on each of --num-nodes 1, got 4",
        ),
        ({**JOB, **STEP}, Devices(8), "expected srun to start 8 processes"),
        ({"NODE_RANK": "1"}, Devices(1, 2), "got no MASTER_ADDR, MASTER_PORT"),
        ({**OURS, "LOCAL_RANK": "one"}, Devices(2), "LOCAL_RANK: expected a number from 0 on"),
    ],
)
def test_processes_that_cannot_meet_are_a_sentence(
    shell: Callable[[dict[str, str]], None], variables: dict[str, str], devices: Devices, says: str
) -> None:
    shell(variables)
    with pytest.raises(ValueError, match=says):
        environment_of(devices)


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_a_run_of_one_process_logs_whatever_it_was_started_under(
    shell: Callable[[dict[str, str]], None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shell({name: "1"})
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    environment_of(Devices())
    assert rank_zero_only.rank == 0


def test_a_process_that_waits_says_so_and_gives_up_with_a_sentence(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.training.rendezvous.SAID_AFTER_SECONDS", 0.01)
    meeting = Meeting(Devices(devices=2))

    def wait(words: str) -> None:
        with meeting.awaited():
            time.sleep(0.2)
            raise RuntimeError(words)

    with pytest.raises(OSError, match=r"waits for the other 1 at .*: expected all of them, got: nobody came$"):
        wait("nobody came\nTraceback")
    assert "no longer than 10 minutes" in caplog.text
    meeting.all_there = True
    with pytest.raises(RuntimeError, match="of the model"):
        wait("of the model")
