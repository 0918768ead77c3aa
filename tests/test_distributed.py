"""One run by two processes: the same examples, the same curve."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.training.devices import Devices
from fpt_bench.training.tasks import find_task

RUN = ["run", "--task", "bit-xor", "--data", "real", "--layers", "1", "--max-steps", "50", "--eval-every", "10"]
FIXED = ["--dropout", "0", "--precision", "float32", "--eval-batch-size", "48", "--offline"]


def run(runs: Path, *options: str, under: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the result of a run that the command `under` starts, with the loss of every tenth step as `losses`."""
    command = [*under, sys.executable, "-m", "fpt_bench", *RUN, *FIXED, "--runs", str(runs), *options]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=600)
    assert done.returncode == 0, done.stderr
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
    assert_same_run(run(tmp_path / "one"), run(tmp_path / "two", "--devices", "2", "--strategy", "ddp"))


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


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "1", "NODE_RANK": "1"}, 3),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "2"}, 2),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "LOCAL_RANK": "1"}, 1),
    ],
)
def test_a_process_knows_its_place(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], rank: int) -> None:
    for name in ("LOCAL_RANK", "NODE_RANK", "SLURM_NTASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Devices(devices=2, num_nodes=2).rank == rank
