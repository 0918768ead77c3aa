"""Warm-up: the rates of the first steps, undisturbed and resumed."""

import pytest
from torch import Tensor

from datamodules.contract import Batch
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Progress
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.module import FPTModule
from fpt_bench.training.one_run import run_one

FIELDS = {"init": "random", "learning_rate": 0.06, "dropout": 0.0, "max_steps": 12, "eval_every": 2}
SPEC = RunSpec(task="bit-xor", data="real", body="none", warmup_steps=6, **FIELDS)


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Step and rate of every step that is taken."""
    taken: list[tuple[int, float]] = []
    usual = FPTModule.training_step

    def watched(self: FPTModule, batch: Batch, batch_index: int) -> Tensor:
        (optimizer,) = self.trainer.optimizers
        taken.extend((self.global_step, group["lr"]) for group in optimizer.param_groups)
        return usual(self, batch, batch_index)

    monkeypatch.setattr(FPTModule, "training_step", watched)
    return taken


def test_a_resumed_warm_up_is_an_undisturbed_one(workspace: Workspace, rates: list[tuple[int, float]]) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run_one(SPEC, workspace, stop)
    resumed = run_one(SPEC, workspace)
    assert [attempt.first_step for attempt in resumed.attempts] == [0, 2]
    expected = [pytest.approx(0.01 * min(step + 1, 6)) for step in range(12)]
    assert [rate for _, rate in rates] == [*expected[:4], *expected[2:]]
    rates.clear()
    undisturbed = run_one(SPEC, Workspace(workspace.runs.parent / "others", offline=True))
    assert [rate for _, rate in rates] == expected
    assert resumed.numbers() == undisturbed.numbers()


def test_without_warm_up_a_run_is_called_as_before_and_its_rate_is_constant(
    workspace: Workspace, rates: list[tuple[int, float]]
) -> None:
    plain = SPEC.model_copy(update={"warmup_steps": 0})
    assert "warmup" not in plain.canonical()
    assert plain.run_id != SPEC.run_id
    assert run_one(plain, workspace).curve != run_one(SPEC, workspace).curve
    assert {rate for _, rate in rates[:12]} == {0.06}
