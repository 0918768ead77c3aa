"""A process that is asked to leave saves a checkpoint, and the run goes on from it to the same curve."""

import os
import signal
from pathlib import Path

import pytest

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Progress
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one
from fpt_bench.training.preemption import Notice, PreemptedError

pytestmark = pytest.mark.usefixtures("handlers_as_before")
SPEC = RunSpec(task="bit-xor", data="real", layers=1, max_steps=30, eval_every=10, dropout=0.1, precision="float32")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run_one(SPEC, Workspace(tmp_path_factory.mktemp("whole"), offline=True))


@pytest.mark.parametrize(
    ("sent", "at", "left"),
    [(signal.SIGTERM, 5, 5), (signal.SIGUSR1, 14, 14), (signal.SIGUSR2, 20, 20), (signal.SIGTERM, 20, 20)],
)
def test_asked_to_leave_it_goes_on_from_that_step(
    whole: RunResult, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals, at: int, left: int
) -> None:
    monkeypatch.setattr("fpt_bench.training.callbacks.REPORT_SECONDS", 0.0)
    notice = Notice()

    def ask(progress: Progress) -> None:
        if progress.step == at and not notice:
            os.kill(os.getpid(), sent)

    notice.listen()
    with pytest.raises(PreemptedError, match=f"left at step {left}$"):
        run_one(SPEC, workspace, ask, notice)
    assert notice.signal == sent
    assert not (workspace.runs / SPEC.run_id / RESULT_FILE).exists()
    steps: list[int] = []
    resumed = run_one(SPEC, workspace, lambda progress: steps.append(progress.step))
    assert min(steps) == left + 1, "no step was done twice"
    assert resumed.numbers() == whole.numbers()


def test_asked_at_the_last_step_it_finishes(whole: RunResult, workspace: Workspace) -> None:
    notice = Notice()

    def ask(progress: Progress) -> None:
        if progress.step == SPEC.max_steps:
            os.kill(os.getpid(), signal.SIGTERM)

    notice.listen()
    result = run_one(SPEC, workspace, ask, notice)
    assert result.numbers() == whole.numbers()


def test_a_run_killed_while_it_is_resumed_leaves_no_claim_in_the_way(workspace: Workspace) -> None:
    folder: Path = workspace.runs / SPEC.run_id
    folder.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        from fpt_bench.results.lease import Lease

        with Lease(folder / "run.claim"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (folder / "run.claim").exists()
    assert run_one(SPEC, workspace).status == "ok"
    assert not (folder / "run.claim").exists()


def test_asked_while_the_body_it_starts_from_is_trained_it_leaves(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"max_steps": 6, "eval_every": 3, "batch_size": 4, "layers": 1, "data": "real"}
    row["data_arguments"] = {"pattern_bits": 50, "validation_examples": 8, "test_examples": 8}
    monkeypatch.setattr("fpt_bench.config.inits._pretraining_row", lambda _: row)
    spec = SPEC.model_copy(update={"init": "task:bit-memory"})
    notice = Notice()
    notice.signal = signal.SIGUSR1
    with pytest.raises(PreemptedError, match=r"left at step 1$"):
        run_one(spec, workspace, notice=notice)
    assert not list(workspace.runs.glob(f"**/{RESULT_FILE}")), "the body's training was left, too"
