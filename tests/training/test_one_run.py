"""From a spec to a result: reproducible, resumable, and never done twice."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from datamodules.contract import Batch
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Progress
from fpt_bench.results.folder import RESULT_FILE, TEST_PREDICTIONS_FILE
from fpt_bench.results.predictions import read_answers, read_predictions
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training import one_run
from fpt_bench.training.module import FPTModule
from fpt_bench.training.one_run import run_one
from fpt_bench.training.resolve import resolve


def numbers(result: RunResult) -> dict[str, object]:
    """All of a result that must not depend on when and how often it was interrupted."""
    return result.numbers()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Workspace]:
    workspace = Workspace(tmp_path_factory.mktemp("runs"), offline=True)
    # Said, not left to the hardware: a process that is started for a test is not told that tests take float32.
    fields = {"max_steps": 30, "eval_every": 10, "dropout": 0.1, "precision": "float32"}
    spec = RunSpec(task="bit-xor", data="real", layers=2, **fields)
    return run_one(spec, workspace), workspace


def test_a_result_is_complete(finished: tuple[RunResult, Workspace]) -> None:
    result, workspace = finished
    assert result.status == "ok"
    assert [step for step, _ in result.curve] == [10, 20, 30]
    assert result.best_step in (10, 20, 30)
    assert result.validation_score == max(accuracy for _, accuracy in result.curve)
    assert result.test_examples == 128
    assert result.test_scores == {"test": result.test_score}
    assert result.train_score is not None
    assert result.data is not None
    assert result.data.kind == "real"
    assert result.data.floor == result.data.trivial["best constant"] == pytest.approx(0.534375)
    assert result.body is not None
    assert result.body.fingerprint.startswith("53aa51172d14")
    (attempt,) = result.attempts
    assert attempt.threads == torch.get_num_threads()
    assert json.loads((workspace.runs / result.spec.run_id / RESULT_FILE).read_text())["status"] == "ok"


def test_the_same_spec_gives_the_same_curve_bit_for_bit(finished: tuple[RunResult, Workspace], tmp_path: Path) -> None:
    result, _ = finished
    again = run_one(result.spec, Workspace(tmp_path, offline=True))
    assert numbers(again) == numbers(result)


def test_what_is_said_to_the_whole_test_set_is_kept(finished: tuple[RunResult, Workspace]) -> None:
    result, workspace = finished
    folder = workspace.runs / result.spec.run_id
    answers = read_answers(folder)
    assert answers is not None
    assert answers.accuracy == pytest.approx(result.test_score)
    assert answers.said.shape == (128, 5)
    assert ((answers.confidence >= 0.5) & (answers.confidence <= 1)).all(), "the likelier one of two classes"
    shown = read_predictions(folder)
    assert [tuple(answers.said[p.example].tolist()) for p in shown] == [p.predicted for p in shown]
    assert (folder / TEST_PREDICTIONS_FILE).stat().st_size < 3000


def test_a_finished_run_trains_nothing(finished: tuple[RunResult, Workspace], monkeypatch: pytest.MonkeyPatch) -> None:
    result, workspace = finished
    monkeypatch.setattr("fpt_bench.training.model.build_body", lambda *_: pytest.fail("a body was built"))
    assert run_one(result.spec, workspace) == result


def test_a_checkpoint_holds_what_is_trained_and_no_frozen_weight(finished: tuple[RunResult, Workspace]) -> None:
    result, workspace = finished
    path = workspace.runs / result.spec.run_id / "checkpoints" / "last.ckpt"
    weights = torch.load(path, weights_only=True)["state_dict"]
    assert sum(value.numel() for value in weights.values()) == result.trained_parameters()


def test_a_run_that_is_stopped_goes_on_to_the_same_curve(
    finished: tuple[RunResult, Workspace], workspace: Workspace
) -> None:
    result, _ = finished

    class StopError(Exception):
        pass

    def stop_later(progress: Progress) -> None:
        if progress.step > 12:
            raise StopError

    with pytest.raises(StopError):
        run_one(result.spec, workspace, stop_later)
    first_steps: list[int] = []
    resumed = run_one(result.spec, workspace, lambda progress: first_steps.append(progress.step))
    assert min(first_steps) > 10, "it went on from its checkpoint"
    assert numbers(resumed) == numbers(result)


@pytest.mark.slow
def test_kill_9_in_the_middle_changes_nothing(finished: tuple[RunResult, Workspace], tmp_path: Path) -> None:
    result, _ = finished
    code = (
        "import os, signal, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path; from fpt_bench.training.one_run import run_one\n"
        "from fpt_bench.config.spec import RunSpec; from fpt_bench.results.workspace import Workspace\n"
        f"spec = RunSpec.model_validate_json({result.spec.model_dump_json()!r})\n"
        "def die(progress):\n"
        "    if progress.step > 12: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"run_one(spec, Workspace(Path({str(tmp_path)!r}), offline=True), die)"
    )
    process = subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / result.spec.run_id / RESULT_FILE).exists()
    first_steps: list[int] = []
    resumed = run_one(
        result.spec, Workspace(tmp_path, offline=True), lambda progress: first_steps.append(progress.step)
    )
    assert min(first_steps) > 10, "it went on from its checkpoint"
    assert numbers(resumed) == numbers(result)


def test_a_run_that_was_moved_keeps_its_best_weights(finished: tuple[RunResult, Workspace], tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop_later(progress: Progress) -> None:
        if progress.step > 22:
            raise StopError

    # A rate at which the first validation is the best: resuming must not replace its weights.
    spec = finished[0].spec.model_copy(update={"learning_rate": 1e-9})
    whole = run_one(spec, Workspace(tmp_path / "whole", offline=True))
    assert whole.best_step == 10
    with pytest.raises(StopError):
        run_one(spec, Workspace(tmp_path / "before", offline=True), stop_later)
    (tmp_path / "before").rename(tmp_path / "after")
    moved = run_one(spec, Workspace(tmp_path / "after", offline=True))
    assert numbers(moved) == numbers(whole)
    best = torch.load(tmp_path / "after" / spec.run_id / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["global_step"] == 10


def test_a_run_killed_before_its_test_is_not_trained_on(
    finished: tuple[RunResult, Workspace], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, done = finished
    folder = workspace.runs / result.spec.run_id
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("best.ckpt", "last.ckpt"):
        source = done.runs / result.spec.run_id / "checkpoints" / name
        (folder / "checkpoints" / name).write_bytes(source.read_bytes())
    monkeypatch.setattr("pytorch_lightning.Trainer.fit", lambda *_: pytest.fail("it trained"))
    assert numbers(run_one(result.spec, workspace)) == numbers(result)


def test_a_garbled_result_is_reported_and_only_that_run_is_done_again(
    finished: tuple[RunResult, Workspace], workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    result, _ = finished
    spec = result.spec.model_copy(update={"max_steps": 10})
    good = run_one(spec, workspace)
    path = workspace.runs / spec.run_id / RESULT_FILE
    path.write_text(path.read_text()[:100])
    assert numbers(run_one(spec, workspace)) == numbers(good)
    assert str(path) in caplog.text


def test_a_diverging_run_is_an_outcome(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_loss = FPTModule.loss

    def overflow_later(module: FPTModule, batch: Batch) -> torch.Tensor:
        return real_loss(module, batch) * (float("inf") if module.global_step == 14 else 1.0)

    monkeypatch.setattr(FPTModule, "loss", overflow_later)
    result = run_one(tiny_spec, workspace)
    assert (result.status, result.error) == ("diverged", "diverged: the loss is inf at step 14")
    assert [step for step, _ in result.curve] == [10]
    assert (result.score, result.test_score) == (0.475, None), "the worst rule; the best has 0.534"


@pytest.mark.slow
def test_xor_is_solved_and_a_perfect_validation_ends_the_run(workspace: Workspace) -> None:
    spec = RunSpec(task="bit-xor", data="real", max_steps=400, eval_every=25, dropout=0.0)
    result = run_one(spec, workspace)
    assert result.validation_score == 1.0
    assert result.test_score == 1.0
    assert result.best_step is not None
    assert result.curve[-1][0] == result.best_step < 400


def test_patience_ends_the_run(tiny_spec: RunSpec, workspace: Workspace) -> None:
    changes = {"learning_rate": 1e-9, "max_steps": 200, "patience": 2}
    result = run_one(tiny_spec.model_copy(update=changes), workspace)
    assert [step for step, _ in result.curve] == [10, 20, 30]
    assert result.best_step == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "bit-xorr"}, "unknown task 'bit-xorr'. Did you mean 'bit-xor'"),
        ({"body": "minilmm"}, "unknown body 'minilmm'. Did you mean 'minilm'"),
        ({"init": "pretraind"}, "unknown init 'pretraind'. Did you mean 'pretrained'"),
        ({"data_arguments": {"string_bit": 3}}, "unknown data argument of bit-xor 'string_bit'"),
        ({"data_arguments": {"string_bits": "three"}}, "data argument string_bits of bit-xor: Input should be a valid"),
        ({"data_arguments": {"validation_share": 1e-4}}, "expected shares of at least 1 of the 1024 inputs"),
        ({"layers": 99}, "expected layers from 1 to 6, got 99"),
    ],
)
def test_resolve_names_the_mistake(
    tiny_spec: RunSpec, workspace: Workspace, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        resolve(tiny_spec.model_copy(update=changes), workspace)


def test_data_arguments_take_the_types_of_the_task(tiny_spec: RunSpec, workspace: Workspace) -> None:
    loose = {"string_bits": 3.0, "validation_share": "2.5e-1"}
    spec, _ = resolve(tiny_spec.model_copy(update={"data_arguments": loose}), workspace)
    assert spec.data_arguments == {"string_bits": 3, "validation_share": 0.25}
    assert isinstance(spec.data_arguments["string_bits"], int)


EASY = RunSpec(
    task="tests.scored_tasks:Easy", data="real", body="none", init="random", train="input,readout", dropout=0.0,
    learning_rate=0.1, max_steps=60, eval_every=5, precision="float32",
)  # fmt: skip


def test_a_run_killed_after_a_perfect_validation_trains_no_step_more(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_one(EASY, Workspace(tmp_path / "whole", offline=True))
    assert whole.curve[-1][1] == 1.0
    assert whole.curve[-1][0] < EASY.max_steps

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(one_run, "_test", killed)
        with pytest.raises(KeyboardInterrupt):
            run_one(EASY, workspace)
    assert run_one(EASY, workspace).numbers() == whole.numbers()


def test_logits_that_are_not_finite_in_the_test_are_an_outcome(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = FPTModule.test_step

    def overflowing(module: FPTModule, batch: Batch, index: int) -> None:
        usual(module, batch._replace(inputs=batch.inputs * 1e39), index)

    monkeypatch.setattr(FPTModule, "test_step", overflowing)
    result = run_one(EASY, workspace)
    assert result.error is not None
    assert result.error.startswith(
        f"diverged: logits that are not finite on test, by the weights of step {result.best_step}"
    )
    assert (result.status, result.test_score, result.score) == ("diverged", None, result.unlearned)
