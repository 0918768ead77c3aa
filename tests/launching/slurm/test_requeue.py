"""A job that is asked to leave: whether it puts itself back into the queue."""

import signal
from pathlib import Path

import pytest

from fpt_bench.config.spec import RunSpec
from fpt_bench.launching import slurm
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.preemption import Notice, PreemptedError


@pytest.mark.parametrize(("number", "again"), [(signal.SIGTERM, 0), (signal.SIGUSR1, 1), (signal.SIGUSR2, 1)])
def test_a_job_that_is_left_puts_itself_back_unless_slurm_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, again: int
) -> None:
    def leave(*_: object, notice: Notice) -> None:
        notice.signal = number
        raise PreemptedError("left at step 3")

    asked: list[list[str]] = []
    monkeypatch.setattr(Notice, "listen", lambda _: None)
    monkeypatch.setattr("fpt_bench.training.one_run.run_one", leave)
    monkeypatch.setattr(slurm.subprocess, "run", lambda command, **_: asked.append(command))
    for name, value in (("SLURM_ARRAY_JOB_ID", "7"), ("SLURM_ARRAY_TASK_ID", "2"), ("OMP_NUM_THREADS", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as left:
        slurm.work(RunSpec(task="bit-xor").model_dump_json(), Workspace(tmp_path))
    assert left.value.code == slurm.LEFT_EARLY
    assert asked == [["scontrol", "requeue", "7_2"]] * again
