"""Losses and answers of each kind of label, by hand, and where labels are missing."""

import math
from types import SimpleNamespace

import pytest
import torch

from datamodules.contract import Batch, TaskSpec
from datamodules.metrics import IGNORED
from fpt_bench.bodies.build import build_body
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.module import FPTModule
from fpt_bench.training.objective import mean_loss, what_is_said, what_is_scored

NUMBERS = TaskSpec(
    "numbers", "vectors", 3, 4, num_labels=2, read_positions=2, label_kind="numbers", metric="r2",
    trivial={"mean": 0.0}, ragged=True,
)  # fmt: skip
ABSOLUTE = TaskSpec(
    "absolute", "vectors", 3, 4, num_labels=2, label_kind="numbers", metric="r2", trivial={"mean": 0.0}, ragged=True,
    loss="absolute-error",
)  # fmt: skip
FLAGS = TaskSpec(
    "flags", "vectors", 3, 4, num_labels=2, label_kind="multi-label", metric="f1", trivial={"all": 0.5}, ragged=True
)
CLASSES = TaskSpec("classes", "vectors", 3, 4, 2, num_labels=2, ragged=True)
LOGITS = torch.tensor([[[2.0], [5.0]], [[-1.0], [1.0]]])
MISSING = torch.tensor([[1.0, math.nan], [-1.0, 3.0]])


@pytest.mark.parametrize(("task", "expected"), [(NUMBERS, (1 + 0 + 4) / 3), (ABSOLUTE, (1 + 0 + 2) / 3)])
def test_the_loss_of_numbers_passes_over_missing_ones(task: TaskSpec, expected: float) -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = mean_loss(task, logits, MISSING)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all(), "NaN of a missing label reaches no gradient"
    assert logits.grad[0, 1].item() == 0


def test_the_loss_of_yes_and_no_passes_over_missing_ones() -> None:
    loss = mean_loss(FLAGS, LOGITS, torch.tensor([[1, IGNORED], [0, 1]]))
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1)) + math.log1p(math.exp(-1))) / 3
    assert loss.item() == pytest.approx(expected)


def test_the_loss_of_classes_passes_over_missing_ones() -> None:
    logits = torch.tensor([[[0.0, 1.0], [9.0, 0.0]], [[2.0, 0.0], [0.0, 0.0]]])
    loss = mean_loss(CLASSES, logits, torch.tensor([[1, IGNORED], [0, 1]]))
    assert loss.item() == pytest.approx((math.log1p(math.exp(-1)) + math.log1p(math.exp(-2)) + math.log(2)) / 3)


def test_what_is_said_and_how_surely() -> None:
    said, confidence = what_is_said(FLAGS, LOGITS)
    assert said.tolist() == [[1, 1], [0, 1]]
    assert confidence is not None
    assert confidence[1].tolist() == pytest.approx([1 / (1 + math.exp(-1))] * 2)
    assert what_is_scored(FLAGS, LOGITS)[1, 0].item() == pytest.approx(1 / (1 + math.exp(1)))
    said, confidence = what_is_said(NUMBERS, LOGITS)
    assert said.tolist() == [[2.0, 5.0], [-1.0, 1.0]]
    assert confidence is None


def test_slices_with_unlike_numbers_of_labels_give_the_gradient_of_the_whole_batch() -> None:
    """Of two processes: the mean of their losses is the loss of the batch that they share."""
    body, _ = build_body(RunSpec(task="bit-xor", body="none", init="random", layers=None), 4)
    module = FPTModule(NUMBERS, body, RunSpec(task="bit-xor", dropout=0.0))
    batch = Batch(torch.randn(2, 4, 3), torch.ones(2, 4, dtype=torch.bool), MISSING)
    whole = module.loss(batch)
    mean_count = torch.tensor((1 + 2) / 2)
    strategy = SimpleNamespace(reduce=lambda _, reduce_op: mean_count if reduce_op == "mean" else None)
    module._trainer = SimpleNamespace(world_size=2, strategy=strategy)  # type: ignore[assignment]
    slices = [batch.part(0, 1), batch.part(1, 2)]
    losses = [module._weighted(module.loss(each), each.labels) for each in slices]
    assert (losses[0] + losses[1]).item() / 2 == pytest.approx(whole.item())
    assert sum(module.loss(each).item() for each in slices) / 2 != pytest.approx(whole.item())
