"""What a shell holds reaches no Trainer, and no run is well that was not trained to its end and tested whole."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from fpt_bench.commands.door import Terminated
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.workspace import Workspace
from fpt_bench.training import one_run
from fpt_bench.training.trainers import interruptible, make_tester, no_defaults_of_the_shell


@pytest.mark.parametrize(
    ("variable", "value", "attribute"),
    [
        ("PL_TRAINER_LIMIT_TEST_BATCHES", "3", "limit_test_batches"),
        ("PL_TRAINER_LIMIT_TRAIN_BATCHES", "0.5", "limit_train_batches"),
        ("PL_TRAINER_FAST_DEV_RUN", "True", "fast_dev_run"),
        ("PL_TRAINER_MAX_STEPS", "7", "max_steps"),
        ("PL_TRAINER_ACCUMULATE_GRAD_BATCHES", "4", "accumulate_grad_batches"),
        ("PL_TRAINER_GRADIENT_CLIP_ALGORITHM", "value", "gradient_clip_algorithm"),
        ("PL_TRAINER_OVERFIT_BATCHES", "1", "overfit_batches"),
    ],
)
def test_no_variable_is_a_default_of_a_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_spec: RunSpec, variable: str, value: str, attribute: str
) -> None:
    plain = getattr(make_tester(tiny_spec, tmp_path), attribute)
    monkeypatch.setenv(variable, value)
    assert getattr(pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False), attribute) != plain
    assert getattr(make_tester(tiny_spec, tmp_path), attribute) == plain


def test_lightnings_variables_are_hidden_while_it_works_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")
    for hidden in (no_defaults_of_the_shell, interruptible):
        with hidden():
            assert "PL_GLOBAL_SEED" not in os.environ
        assert os.environ["PL_GLOBAL_SEED"] == "3"


@pytest.mark.parametrize(
    ("maker", "cut", "says"),
    [
        ("make_tester", {"limit_test_batches": 1}, "expected all 128 examples of test to be tested, got 64"),
        ("make_trainer", {"max_steps": 20}, "expected 30 steps, or as many as patience allows, got an end at step 20"),
        ("make_trainer", {"limit_val_batches": 0}, "expected a validation to choose the step by, got none"),
    ],
)
def test_no_run_is_well_that_was_cut_short(
    monkeypatch: pytest.MonkeyPatch,
    tiny_spec: RunSpec,
    workspace: Workspace,
    maker: str,
    cut: dict[str, Any],
    says: str,
) -> None:
    make = getattr(one_run, maker)
    original = pl.Trainer.__init__

    def cut_short(self: pl.Trainer, **given: Any) -> None:
        original(self, **{**given, **cut})

    def make_cut(*given: Any) -> pl.Trainer:
        with monkeypatch.context() as patched:
            patched.setattr(pl.Trainer, "__init__", cut_short)
            return make(*given)  # type: ignore[no-any-return]

    monkeypatch.setattr(one_run, maker, make_cut)
    with pytest.raises(ValueError, match=says):
        one_run.run_one(tiny_spec, workspace)
    assert not list(workspace.runs.rglob(RESULT_FILE))


def test_what_ended_a_training_is_raised_again_as_it_was() -> None:
    for ended in (KeyboardInterrupt(), Terminated(signal.SIGTERM)):
        with pytest.raises(KeyboardInterrupt) as raised, interruptible():  # noqa: PT012 - as Lightning does
            try:
                raise ended
            except KeyboardInterrupt:
                raise SystemExit(1)  # noqa: B904
        assert raised.value is ended, "a kill has another exit code than Ctrl-C"
