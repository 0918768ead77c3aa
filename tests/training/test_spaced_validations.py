"""Validations that thin out: where they lie, undisturbed, resumed and asked to leave."""

import os
import signal
from itertools import pairwise

import pytest

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Progress
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one
from fpt_bench.training.preemption import Notice, PreemptedError

pytestmark = pytest.mark.usefixtures("handlers_as_before")
SPEC = RunSpec(
    task="bit-xor",
    data="real",
    body="none",
    init="random",
    learning_rate=1e-4,
    max_steps=24,
    eval_every=2,
    eval_growth=0.5,
)
STEPS = (2, 4, 6, 8, 12, 18, 24)
"""By hand: two apart until half of the steps so far is four, at 8."""


def test_resumed_and_asked_to_leave_they_lie_where_they_lie_undisturbed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.training.callbacks.REPORT_SECONDS", 0.0)

    def die(progress: Progress) -> None:
        if progress.step == 11:
            raise InterruptedError

    def ask(progress: Progress) -> None:
        if progress.step == 16 and not notice:
            os.kill(os.getpid(), signal.SIGUSR1)

    with pytest.raises(InterruptedError):
        run_one(SPEC, workspace, die)
    notice = Notice()
    notice.listen()
    with pytest.raises(PreemptedError, match=r"left at step 16$"):
        run_one(SPEC, workspace, ask, notice)
    resumed = run_one(SPEC, workspace)
    assert [attempt.first_step for attempt in resumed.attempts] == [0, 8, 16]
    undisturbed = run_one(SPEC, Workspace(workspace.runs.parent / "others", offline=True))
    assert tuple(step for step, _ in undisturbed.curve) == STEPS
    assert resumed.numbers() == undisturbed.numbers()


def test_asked_to_leave_where_a_validation_is_due_it_is_done_first(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.training.callbacks.REPORT_SECONDS", 0.0)

    def ask(progress: Progress) -> None:
        if progress.step == 12 and not notice:
            os.kill(os.getpid(), signal.SIGUSR1)

    notice = Notice()
    notice.listen()
    with pytest.raises(PreemptedError, match=r"left at step 12$"):
        run_one(SPEC, workspace, ask, notice)
    resumed = run_one(SPEC, workspace)
    assert tuple(step for step, _ in resumed.curve) == STEPS
    assert [attempt.first_step for attempt in resumed.attempts] == [0, 12]


def test_patience_counts_validations(workspace: Workspace) -> None:
    still = SPEC.model_copy(update={"learning_rate": 1e-12, "patience": 5})
    assert tuple(step for step, _ in run_one(still, workspace).curve) == STEPS[:6]


@pytest.mark.parametrize(
    ("most", "every", "growth", "count"), [(5, 10, 0.0, 1), (5, 10, 0.5, 1), (1000, 50, 0.0, 20), (30000, 250, 0.1, 41)]
)
def test_the_last_step_is_validated_and_no_two_validations_are_nearer_than_asked(
    most: int, every: int, growth: float, count: int
) -> None:
    spec, steps = RunSpec(task="mnist", max_steps=most, eval_every=every, eval_growth=growth), [0]
    while steps[-1] < most:
        steps.append(spec.validation_after(steps[-1]))
    assert steps[-1] == most
    assert len(steps) - 1 == count
    for before, after in pairwise(steps[:-1]):
        assert after - before >= max(min(every, most), growth * before - every)
    # Asked in the middle of a gap it is the same schedule.
    assert all(spec.validation_after(after - 1) == after for after in steps[1:])


def test_evenly_spaced_a_run_is_called_as_before() -> None:
    assert "eval_growth" not in RunSpec(task="mnist").canonical()
    assert RunSpec(task="mnist").run_id != RunSpec(task="mnist", eval_growth=0.1).run_id
