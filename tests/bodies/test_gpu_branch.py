"""The ways of a GPU, taken on a CPU and counted: operators are launches there, and scalars that are read are waits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode, unset_fake_temporarily
from transformers import GPT2Config

from datamodules.contract import Batch, TaskSpec
from datamodules.sources.packages import MissingPackageError
from fpt_bench.bodies.build import build_body, plan_body
from fpt_bench.bodies.families.registry import family_of
from fpt_bench.bodies.native import packing
from fpt_bench.bodies.native.activation import ACTIVATIONS
from fpt_bench.config.known import BODIES
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.module import FPTModule
from tests.counting import Counting, forget_shapes

BATCH, FEATURES = 16, 16


def make_module(body: str, length: int, read: int = 1, **fields: object) -> FPTModule:
    task = TaskSpec("made-up", "vectors", FEATURES, length, 2, num_labels=read, read_positions=read)
    options = {"init": "random", "dropout": 0.0, "precision": "float32", "body_execution": "native", **fields}
    spec = RunSpec(task="bit-xor", body=body, **options)
    torch.manual_seed(0)
    made, _ = build_body(spec, length)
    return FPTModule(task, made, spec)


def make_batch(length: int, read: int = 1, ragged: bool = False) -> Batch:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(BATCH, length, FEATURES, generator=generator)
    lengths = torch.full((BATCH,), length)
    if ragged:
        lengths[1:] = torch.randint(read, length + 1, (BATCH - 1,), generator=generator)
    labels = torch.randint(2, (BATCH, read), generator=generator)
    return Batch(inputs, torch.arange(length) < lengths[:, None], labels).counted()


def step_of(module: FPTModule, batch: Batch) -> Counting:
    """Return what a training step dispatches that is not the first of its shape."""
    optimizer: Any = module.train().configure_optimizers()
    counting = Counting()

    def step() -> None:
        module.loss(batch).backward()
        module.configure_gradient_clipping(optimizer, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    step()
    with counting:
        step()
    return counting


@pytest.fixture
def gpt2(tmp_path: Path) -> str:
    """GPT-2's twelve layers and heads, 48 wide: how many operators there are does not depend on width."""
    GPT2Config(n_embd=48, n_head=12, n_layer=12).save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.usefixtures("gpu_branch")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_of_gpt2_reads_nothing_and_launches_little(gpt2: str, precision: str) -> None:
    counted = step_of(make_module(gpt2, 64, precision=precision), make_batch(64))
    assert not counted.waits
    assert counted.operators.total() < 900, counted.operators
    assert counted.kernels < 420, counted.operators


@pytest.mark.usefixtures("gpu_branch")
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("body", ["minilm", "smollm2", "vit-base"])
def test_a_step_of_any_body_reads_nothing(body: str, ragged: bool, dropout: float) -> None:
    module = make_module(body, 12, read=2, layers=2, dropout=dropout)
    assert not step_of(module, make_batch(12, read=2, ragged=ragged)).waits


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("read", [1, 3])
@pytest.mark.parametrize("body", ["minilm", "gpt2", "smollm2", "vit-saliency"])
def test_its_logits_and_gradients_are_those_of_a_cpu(
    body: str, read: int, ragged: bool, request: pytest.FixtureRequest
) -> None:
    found = []
    for branch in ("cpu", "gpu"):
        if branch == "gpu":
            request.getfixturevalue("gpu_branch")
        module, batch = make_module(body, 20, read, layers=2), make_batch(20, read, ragged)
        logits = module(batch)
        nn.functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten()).backward()
        found.append([logits.detach(), *(parameter.grad for parameter in module.trained_parameters().values())])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("gpu_branch")
@pytest.mark.parametrize("ragged", [False, True])
def test_the_reference_reads_no_lengths_that_are_known(ragged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    module, batch = make_module("minilm", 12, layers=1, body_execution="reference"), make_batch(12, ragged=ragged)

    def refuse(_: Tensor) -> None:
        pytest.fail("a tensor was read")

    with torch.no_grad():
        expected = module.eval()(batch._replace(lengths=None))
        monkeypatch.setattr(Tensor, "tolist", refuse)
        assert torch.equal(module(batch), expected)


@pytest.mark.usefixtures("gpu_branch")
@pytest.mark.parametrize("ragged", [False, True])
def test_indices_are_made_once_a_shape_and_serve_training_after_a_validation(
    ragged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, batch = make_module("gpt2", 12, read=2, layers=2), make_batch(12, read=2, ragged=ragged)
    with torch.inference_mode():
        module(batch)
    monkeypatch.setattr(packing, "to_device", lambda *_: pytest.fail("an index was made again"))
    module.loss(batch).backward()
    assert all(parameter.grad is not None for parameter in module.trained_parameters().values())


@pytest.fixture
def made_up_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let tensors have shapes, dtypes and `cuda` as their device, but no numbers: one that is read is an error.

    So is an operator on tensors of two devices. Memory is not pinned, and no backward pass runs there.
    """
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    forget_shapes()
    with FakeTensorMode():
        yield
    forget_shapes()


def moved(module: nn.Module, device: str) -> nn.Module:
    """Put empty parameters on a device in place of a module's own."""
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            empty = torch.empty(parameter.shape, dtype=parameter.dtype, device=device)
            setattr(part, name, nn.Parameter(empty, requires_grad=parameter.requires_grad))
    return module


@pytest.mark.usefixtures("made_up_gpu")
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("body", ["minilm", "gpt2", "smollm2", "vit-base"])
def test_all_of_a_forward_pass_is_on_the_gpu_and_nothing_is_read(body: str, ragged: bool) -> None:
    with unset_fake_temporarily():
        own = make_module(body, 12, read=2, layers=2, dropout=0.1, precision="bfloat16")
        batch = make_batch(12, read=2, ragged=ragged)
    module = moved(own.train(), "cuda")
    there = Batch(
        torch.empty(batch.inputs.shape, device="cuda"),
        torch.empty(batch.mask.shape, dtype=torch.bool, device="cuda"),
        torch.empty(batch.labels.shape, dtype=torch.int64, device="cuda"),
        batch.lengths,
    )
    assert module.loss(there).device.type == "cuda"
    with pytest.raises(DataDependentOutputException):
        module(there._replace(lengths=None))


@pytest.mark.usefixtures("gpu_branch")
def test_activations_stand_behind_one_name_for_both() -> None:
    values = torch.linspace(-4, 4, 99)
    with Counting() as counting:
        ACTIVATIONS["gelu-tanh"](values)
    assert counting.operators == {"gelu": 1}


@pytest.mark.parametrize("name", BODIES)
def test_every_named_body_is_built_as_on_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every class has the fused attention that is asked for there: the library takes what the class has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    try:
        plan = plan_body(RunSpec(task="bit-xor", body=name, init="random"), 10)
    except MissingPackageError as error:  # of a body for who asks for it
        pytest.skip(str(error))
    if name == "longformer":
        with pytest.raises(ValueError, match="scaled_dot_product_attention"), torch.device("meta"):
            family_of(plan.config.model_type).build_random(plan.config, "sdpa")
    with torch.device("meta"):
        made = family_of(plan.config.model_type).build_random(plan.config, plan.attention)
    assert made.config.num_hidden_layers == plan.config.num_hidden_layers
