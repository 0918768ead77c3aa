"""Faults of the machine: finished work stays, and the message says what to do.

Elsewhere: a worker killed for its memory, `test_launch.py`; kill -9 at any moment and two processes on one grid,
`test_kill.py`; clocks that are wrong, `test_claims.py`; a cache on a full disk, `test_caches.py`;
a corrupt checkpoint, `training/test_one_run.py`; hostile files, `test_security.py`; a dead node,
`launching/slurm/test_slurm.py`.
"""

import errno
import os
import socket
import threading
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from datamodules.contract import Batch, TaskDataModule
from fpt_bench.config.launcher import Launcher
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.slurm import send
from fpt_bench.launching.workers import keep_failure
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import read_result, write_result
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one
from tests.made_up import made_up_result, made_up_spec

SPEC = RunSpec(task="bit-xor", data="real", layers=1, max_steps=10, eval_every=5, dropout=0.0, precision="float32")
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full, a disk that is always full")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run_one(SPEC, Workspace(tmp_path_factory.mktemp("whole"), offline=True))


@needs_full
@pytest.mark.parametrize("kept", ["best", "last"])
def test_disk_full_during_a_checkpoint(
    whole: RunResult, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    folder = workspace.runs / SPEC.run_id / "checkpoints"
    folder.mkdir(parents=True)
    full = folder / f".unfinished-{socket.gethostname()}-{os.getpid()}-{kept}.ckpt"
    monkeypatch.setattr("fpt_bench.training.one_run.remove_unfinished", lambda _: full.symlink_to(FULL))
    with pytest.raises(OSError, match=r"no space left.*free some, and the same command resumes.*ckpt") as caught:
        run_one(SPEC, workspace)
    assert caught.value.errno == errno.ENOSPC
    assert not list(folder.glob(".unfinished*")), "what would take more space is gone"
    monkeypatch.undo()
    assert run_one(SPEC, workspace).numbers() == whole.numbers()


@needs_full
def test_disk_full_during_a_result(tmp_path: Path) -> None:
    run = tmp_path / made_up_spec("bit-xor", 0).run_id
    old, new = (made_up_result("bit-xor", seed=0, accuracy=accuracy) for accuracy in (0.8, 0.9))
    write_result(old, run)
    unfinished = run / f".{RESULT_FILE}.{socket.gethostname()}.{os.getpid()}"
    unfinished.symlink_to(FULL)
    with pytest.raises(OSError, match=r"no space left while writing; free some"):
        write_result(new, run)
    assert read_result(run) == old
    assert [path.name for path in run.iterdir()] == [RESULT_FILE]


def test_a_folder_that_turns_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / made_up_spec("bit-xor", 0).run_id
    old = made_up_result("bit-xor", seed=0, accuracy=0.8)
    write_result(old, run)

    def refuse(path: Path, _: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match=r"Read-only file system.*result\.json"):
        write_result(made_up_result("bit-xor", seed=0, accuracy=0.9), run)
    assert read_result(run) == old


def test_a_failure_does_not_replace_a_result(workspace: Workspace) -> None:
    done = made_up_result("bit-xor", seed=0, accuracy=0.9)
    write_result(done, workspace.runs / done.spec.run_id)
    assert keep_failure(done.spec, "late", workspace) == done
    assert read_result(workspace.runs / done.spec.run_id) == done


def test_a_failure_names_no_folder_of_the_machine(workspace: Workspace) -> None:
    spec = made_up_spec("bit-xor", 0)
    result = keep_failure(spec, f"{Path.cwd()}/mine and {Path.home()}/models: no config.json", workspace)
    assert result.error == "./mine and ~/models: no config.json"


def test_two_people_who_send_the_same_grid_at_once_send_it_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue: dict[str, str] = {}
    sent: list[str] = []

    def submit(_: object, specs: list[RunSpec], *__: object) -> dict[str, str]:
        time.sleep(0.1)
        jobs = {f"{len(sent) + 1}_{place}": spec.run_id for place, spec in enumerate(specs)}
        sent.extend(jobs.values())
        queue.update(dict.fromkeys(jobs, "queued"))
        return jobs

    monkeypatch.setattr("fpt_bench.launching.slurm._submit", submit)
    monkeypatch.setattr("fpt_bench.launching.slurm._queue", lambda: queue)
    specs = [made_up_spec("bit-xor", seed) for seed in range(3)]
    people = [threading.Thread(target=send, args=(specs, workspace, Launcher(kind="slurm"))) for _ in range(2)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(sent) == sorted(spec.run_id for spec in specs)


def with_nan(batch: Batch) -> Batch:
    return batch._replace(inputs=torch.full_like(batch.inputs, float("nan")))


def test_nan_in_training_data_is_a_divergence(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = TaskDataModule.training_batch

    def spoiled(module: TaskDataModule, step: int) -> Batch:
        return with_nan(real(module, step)) if step == 3 else real(module, step)

    monkeypatch.setattr(TaskDataModule, "training_batch", spoiled)
    result = run_one(SPEC, workspace)
    assert (result.status, result.error) == ("diverged", "diverged: the loss is nan at step 3")


def test_nan_in_validation_data_gives_no_accuracy(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = TaskDataModule.val_dataloader

    def spoiled(module: TaskDataModule) -> DataLoader[Batch]:
        return DataLoader([with_nan(batch) for batch in real(module)], batch_size=None)  # type: ignore[arg-type]

    monkeypatch.setattr(TaskDataModule, "val_dataloader", spoiled)
    result = run_one(SPEC, workspace)
    assert result.status == "diverged"
    assert "logits that are not finite at step 5: look for NaN in the data" in (result.error or "")
