"""The one LightningModule: what is read out, what learns, and that it can learn."""

import math

import numpy as np
import pytest
import torch

from datamodules.bits import BitXorDataModule
from datamodules.contract import Batch, TaskSpec
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.reference import read_out
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.module import FPTModule, make_input_layer

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
