"""The one LightningModule: what is read out, what learns, and that it can learn."""

import math
import signal
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric.utilities import move_data_to_device
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from torch.utils.data._utils.pin_memory import pin_memory

from datamodules.bits import BitXorDataModule
from datamodules.contract import Batch, TaskSpec
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.reference import read_out
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Progress
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.checkpoints import AtomicCheckpoints
from fpt_bench.training.devices import Devices
from fpt_bench.training.module import FPTModule, make_input_layer, reseed
from fpt_bench.training.one_run import _Run, _set_up, run_one
from fpt_bench.training.phases import PhaseClock
from fpt_bench.training.preemption import Notice
from tests.counting import Counting

TOKENS = TaskSpec("tokens", "tokens", input_size=7, max_length=9, num_classes=3)


def make_module(spec: RunSpec, task: TaskSpec) -> FPTModule:
    body, _ = build_body(spec, task.max_length)
    return FPTModule(task, body, spec)


def xor_batch(size: int) -> Batch:
    return BitXorDataModule(batch_size=size).training_batch(0)


def train(module: FPTModule, batch: Batch, steps: int) -> list[float]:
    optimizer = module.configure_optimizers()
    losses = []
    for _ in range(steps):
        loss = module.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_read_out_takes_the_last_real_positions_of_each_row() -> None:
    hidden = torch.arange(10.0).reshape(2, 5, 1)
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    assert read_out(hidden, mask, 2).flatten().tolist() == [1, 2, 8, 9]


def test_read_out_refuses_a_sequence_that_is_too_short() -> None:
    with pytest.raises(ValueError, match="expected at least 2 real positions in every sequence, got 1"):
        read_out(torch.zeros(1, 3, 1), torch.tensor([[True, False, False]]), 2)


def test_logits_are_examples_by_labels_by_classes_for_every_kind_of_input() -> None:
    xor = make_module(RunSpec(task="bit-xor", layers=1), BitXorDataModule().task)
    assert xor(xor_batch(4)).shape == (4, 5, 2)
    tokens = make_module(RunSpec(task="bit-xor", layers=1), TOKENS)
    batch = Batch(
        torch.tensor([[1, 2, 0], [3, 4, 5]]), torch.tensor([[1, 1, 0], [1, 1, 1]]).bool(), torch.zeros(2, 1).long()
    )
    assert tokens(batch).shape == (2, 1, 3)


def test_padding_does_not_change_logits() -> None:
    module = make_module(RunSpec(task="bit-xor", layers=2), TOKENS).eval()
    labels = torch.zeros(1, 1).long()
    short = Batch(torch.tensor([[1, 2, 3]]), torch.ones(1, 3).bool(), labels)
    padded = Batch(torch.tensor([[1, 2, 3, 0, 0]]), torch.tensor([[1, 1, 1, 0, 0]]).bool(), labels)
    with torch.no_grad():
        torch.testing.assert_close(module(short), module(padded), rtol=0, atol=1e-5)


def test_the_input_layer_is_orthogonal_with_the_published_gain() -> None:
    layer = make_input_layer(TaskSpec("x", "vectors", 16, 4, 2), 64)
    weight = layer.weight.detach()
    torch.testing.assert_close(weight.T @ weight, 1.41**2 * torch.eye(16), rtol=0, atol=1e-5)
    assert not layer.bias.any()


def test_the_input_scale_multiplies_the_first_weights_of_either_kind_of_input() -> None:
    for task in (TaskSpec("x", "vectors", 16, 4, 2), TaskSpec("x", "tokens", 16, 4, 2)):
        spec = RunSpec(task="bit-xor", layers=1)
        small = make_module(spec.model_copy(update={"input_scale": 0.02}), task)
        full = make_module(spec, task)
        torch.testing.assert_close(small.input.weight, 0.02 * full.input.weight, rtol=1e-4, atol=1e-8)
        assert torch.equal(small.readout.weight, full.readout.weight), "nothing else is drawn anew"


def test_all_arms_of_a_seed_start_from_the_same_input_layer_and_readout() -> None:
    task = BitXorDataModule().task
    spec = RunSpec(task="bit-xor", layers=1, seed=5)
    first = make_module(spec, task)
    second = make_module(spec.model_copy(update={"init": "random"}), task)
    other = make_module(spec.model_copy(update={"seed": 6}), task)
    assert torch.equal(first.input.weight, second.input.weight)
    assert torch.equal(first.readout.weight, second.readout.weight)
    assert not torch.equal(first.input.weight, other.input.weight)


def test_frozen_bytes_stay_and_trained_ones_change() -> None:
    module = make_module(RunSpec(task="bit-xor", layers=2, dropout=0.1), BitXorDataModule().task)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    train(module.train(), xor_batch(16), steps=3)
    trained = set(module.trained_parameters())
    for name, value in module.state_dict().items():
        assert torch.equal(before[name], value) is (name not in trained), name


def test_every_parameter_is_in_exactly_one_group() -> None:
    module = make_module(RunSpec(task="bit-xor", layers=1), BitXorDataModule().task)
    assert set(module.groups) == {name for name, _ in module.named_parameters()}
    counts = module.count_parameters()
    assert sum(count.total for count in counts.values()) == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("init", ["pretrained", "random"])
def test_the_loss_starts_near_that_of_a_uniform_guess(init: str) -> None:
    task = BitXorDataModule().task
    module = make_module(RunSpec(task="bit-xor", init=init), task).eval()
    with torch.no_grad():
        assert module.loss(xor_batch(128)).item() == pytest.approx(math.log(task.num_classes), abs=0.25)


def test_it_overfits_one_batch() -> None:
    module = make_module(RunSpec(task="bit-xor", layers=2, dropout=0.0, learning_rate=3e-3), BitXorDataModule().task)
    batch = xor_batch(8)
    losses = train(module.train(), batch, steps=60)
    assert losses[-1] < 0.05 < losses[0]
    assert (module.eval()(batch).argmax(-1) == batch.labels).all()


def test_full_training_reaches_every_group_of_the_body() -> None:
    module = make_module(RunSpec(task="bit-xor", layers=1, train="all"), BitXorDataModule().task)
    module.loss(xor_batch(4)).backward()
    reached = {module.groups[name] for name, p in module.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {"input", "readout", "norm", "position", "attention", "feedforward"}


def test_a_loss_that_is_no_number_is_a_divergence() -> None:
    module = make_module(RunSpec(task="bit-xor", layers=1), BitXorDataModule().task)
    batch = xor_batch(2)
    broken = batch._replace(inputs=torch.full_like(batch.inputs, np.nan))
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        module.training_step(broken, 0)


def test_a_batch_moves_with_its_lengths_counted_before_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = torch.tensor([[True, True], [True, False]])
    batch = Batch(torch.zeros(2, 2, 1), mask, torch.zeros(2, 1).long())
    moved = move_data_to_device(batch, torch.device("meta"))  # by this function Lightning moves batches
    assert isinstance(moved, Batch)
    assert [tensor.device.type for tensor in moved[:3]] == ["meta"] * 3
    assert moved.lengths == (2, 1)
    assert move_data_to_device(moved, torch.device("meta")).lengths == (2, 1), "nothing is counted there"
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    assert pin_memory(batch).lengths is None
    assert moved.part(1, 2).lengths == (1,)


class Reads(Callback):
    """Counts what is read of tensors from the start of each training step to the start of the next one."""

    def __init__(self, counting: Counting) -> None:
        self.counting, self.by_step = counting, dict[int, int]()
        self.step, self.before = -1, 0

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self.by_step[self.step] = self.counting.waits.total() - self.before
        self.step, self.before = trainer.global_step, self.counting.waits.total()


@pytest.mark.usefixtures("gpu_branch")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("execution", ["native", "reference"])
def test_a_run_reads_nothing_between_the_steps_that_are_logged(
    workspace: Workspace, execution: str, precision: str
) -> None:
    fields = {"max_steps": 15, "eval_every": 15, "dropout": 0.1, "init": "random", "layers": 1}
    spec = RunSpec(task="bit-xor", data="real", precision=precision, body_execution=execution, **fields)
    run = _set_up(spec, workspace, lambda _: None, None, Devices(), PhaseClock(), AtomicCheckpoints())
    counting = Counting()
    reads = Reads(counting)
    run.trainer.callbacks.insert(0, reads)
    with counting:
        run.trainer.fit(run.module, datamodule=run.datamodule)
    (optimizer,) = run.trainer.optimizers
    assert optimizer.defaults["fused"]
    assert [step for step, count in reads.by_step.items() if count and step >= 0] == [9]
    assert max(reads.by_step) == 13, "the last step ends with a validation"
    assert run.module.last_loss is not None


@pytest.mark.usefixtures("gpu_branch")
@pytest.mark.parametrize("task", ["Share", "Flags", "Ragged", "RaggedShares"])
def test_no_kind_of_label_is_read_between_the_steps_that_are_logged(workspace: Workspace, task: str) -> None:
    fields = {"max_steps": 15, "eval_every": 15, "body": "none", "layers": None, "init": "random"}
    spec = RunSpec(task=f"tests.scored_tasks:{task}", data="real", **fields)
    run = _set_up(spec, workspace, lambda _: None, None, Devices(), PhaseClock(), AtomicCheckpoints())
    counting = Counting()
    reads = Reads(counting)
    run.trainer.callbacks.insert(0, reads)
    with counting:
        run.trainer.fit(run.module, datamodule=run.datamodule)
    assert [step for step, count in reads.by_step.items() if count and step >= 0] == [9]


def test_losses_are_looked_at_together_and_the_first_that_is_no_number_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where later losses are numbers again: nothing is learned here, so that no weight turns into NaN."""
    real, seen = FPTModule.loss, []

    def overflow_once(module: FPTModule, batch: Batch) -> torch.Tensor:
        seen.append(module.global_step)
        return real(module, batch) + (float("inf") if module.global_step == 13 else 0.0)

    monkeypatch.setattr(FPTModule, "loss", overflow_once)
    spec = RunSpec(task="bit-xor", data="real", layers=1, max_steps=30, eval_every=30, init="random")
    result = run_one(spec, workspace)
    assert (result.status, result.error) == ("diverged", "diverged: the loss is inf at step 13")
    assert seen[-1] == 19, "it is looked at with the step that is logged"
    assert result.test_score is None


@pytest.mark.parametrize(("max_steps", "eval_every"), [(6, 3), (5, 5)])
def test_a_loss_after_the_last_look_is_looked_at_when_training_ends(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, max_steps: int, eval_every: int
) -> None:
    real, last = FPTModule.loss, max_steps - 1

    def overflow_last(module: FPTModule, batch: Batch) -> torch.Tensor:
        return real(module, batch) * (float("nan") if module.global_step == last else 1.0)

    monkeypatch.setattr(FPTModule, "loss", overflow_last)
    spec = RunSpec(task="bit-xor", data="real", layers=1, max_steps=max_steps, eval_every=eval_every, init="random")
    result = run_one(spec, workspace)
    assert (result.status, result.error) == ("diverged", f"diverged: the loss is nan at step {last}")
    assert max_steps not in dict(result.curve)
    assert result.test_score is None


def test_a_run_that_has_diverged_leaves_no_checkpoint_to_go_on_from(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FPTModule.loss
    monkeypatch.setattr(
        FPTModule, "loss", lambda module, batch: real(module, batch) * (math.nan if module.global_step == 3 else 1.0)
    )
    monkeypatch.setattr("fpt_bench.training.callbacks.REPORT_SECONDS", 0.0)
    notice = Notice()

    def ask(progress: Progress) -> None:
        if progress.step == 5:
            notice.signal = signal.SIGTERM

    spec = RunSpec(task="bit-xor", data="real", layers=1, max_steps=20, eval_every=20, init="random")
    result = run_one(spec, workspace, ask, notice)
    assert (result.status, result.error) == ("diverged", "diverged: the loss is nan at step 3")


def test_reseeding_draws_what_torch_does_and_writes_no_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2**63 + 5)
    expected = torch.rand(4)
    monkeypatch.setattr("traceback.format_stack", lambda *_: pytest.fail("a stack trace was formatted"))
    reseed(2**63 + 5, torch.device("cpu"))
    assert torch.equal(torch.rand(4), expected)


def test_adam_learns_the_same_bits_with_all_tensors_at_once() -> None:
    batch, found = xor_batch(16), []
    for few in (2**20, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fpt_bench.training.module.FEW", few)
            module = make_module(RunSpec(task="bit-xor", layers=1, dropout=0.0), BitXorDataModule().task)
            found.append((train(module, batch, steps=5), module.state_dict()))
    assert found[0][0] == found[1][0]
    for ours, theirs in zip(found[0][1].values(), found[1][1].values(), strict=True):
        assert torch.equal(ours, theirs)


def fit(workspace: Workspace, watch: Callback, **fields: Any) -> _Run:
    """Train three steps with one more callback, before all others."""
    own = {"layers": 1, "init": "random", "max_steps": 3, "eval_every": 3, "precision": "float32"}
    spec = RunSpec(task="bit-xor", data="real", **own, **fields)
    run = _set_up(spec, workspace, lambda _: None, None, Devices(), PhaseClock(), AtomicCheckpoints())
    run.trainer.callbacks.insert(0, watch)  # type: ignore[attr-defined]
    run.trainer.fit(run.module, datamodule=run.datamodule)
    return run


class Norms(Callback):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: FPTModule, *_: Any) -> None:
        self.seen.append(torch.stack([p.grad.norm() for p in pl_module.trained_parameters().values()]).norm().item())


def test_no_step_takes_a_gradient_above_the_largest_norm(workspace: Workspace) -> None:
    norms = Norms()
    fit(workspace, norms, gradient_clip=1e-3)
    assert norms.seen == pytest.approx([1e-3] * 3, rel=0.01)


def test_each_step_and_each_seed_draws_masks_of_its_own(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr("fpt_bench.training.module.reseed", lambda seed, _: drawn.append(seed))
    for seed in (0, 1):
        fit(workspace, Callback(), seed=seed)
    assert len(set(drawn)) == len(drawn) == 6


def test_the_positions_that_were_trained_on_are_counted(workspace: Workspace) -> None:
    assert fit(workspace, Callback()).recorder.positions == 3 * 16 * 10
