"""The training steps that are timed: their shapes, and one step of ours or of the plain model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from benchmarks.products import CPU
from datamodules.contract import Batch, TaskSpec
from fpt_bench.bodies.build import build_body
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.module import FPTModule

FEATURES, CLASSES = 48, 10
BATCHES = 3
PUBLISHED_DROPOUT = 0.1
"""Of the published code, in all its runs."""
DROPOUTS = (0.0, PUBLISHED_DROPOUT)


@dataclass(frozen=True)
class Workload:
    """A shape of batch for a body; lengths are drawn evenly from `shortest` to `longest`."""

    body: str
    batch: int
    shortest: int
    longest: int
    repeats: int = 9
    threads: tuple[int, ...] = (1, 2)
    memory_only: bool = False
    """The plain model keeps too much for an ordinary machine: only our peak memory is measured."""

    @property
    def shapes(self) -> int:
        """How many of its batches differ in lengths."""
        return 1 if self.shortest == self.longest else BATCHES

    def batches(self) -> list[Batch]:
        """Return batches, padded to their longest example."""
        generator = np.random.default_rng(0)
        made = []
        for _ in range(BATCHES):
            lengths = torch.from_numpy(generator.integers(self.shortest, self.longest + 1, self.batch))
            length = int(lengths.max())
            inputs = torch.from_numpy(generator.normal(size=(self.batch, length, FEATURES)).astype(np.float32))
            labels = torch.from_numpy(generator.integers(0, CLASSES, (self.batch, 1)))
            made.append(Batch(inputs, torch.arange(length) < lengths[:, None], labels))
        return made


WORKLOADS = {
    "minilm-32x64": Workload("minilm", 32, 64, 64),
    "minilm-16x10": Workload("minilm", 16, 10, 10, repeats=40),
    "gpt2-16x64": Workload("gpt2", 16, 64, 64, repeats=7),
    "gpt2-64x10": Workload("gpt2", 64, 10, 10, repeats=7),
    "minilm-16x50-500": Workload("minilm", 16, 50, 500, repeats=3),
    # One thread would take ten minutes for each of these.
    "gpt2-2x1024": Workload("gpt2", 2, 1024, 1024, repeats=3, threads=(2,)),
    "minilm-4x500-2000": Workload("minilm", 4, 500, 2000, repeats=3, threads=(2,)),
    "gpt2-8x1024": Workload("gpt2", 8, 1024, 1024, memory_only=True),
    "minilm-2x8": Workload("minilm", 2, 8, 8),
}
SMOKE = "minilm-2x8"
"""For the test of this benchmark."""


def make_step(
    workload: Workload, dropout: float, precision: str | None, device: torch.device = CPU
) -> Callable[[int], None]:
    """Return a function that takes one training step on the batch of a turn.

    Args:
        workload: body and shape.
        dropout: probability, wherever the body drops.
        precision: of our transformer's products; None: the plain step, which is Hugging Face's, in float32, eager on a
            CPU and with the library's own choice of attention on a GPU; `autocast`: that under autocast to bfloat16.
        device: where model and batches lie.
    """
    spec = RunSpec(
        task="bit-xor",
        body=workload.body,
        init="random",
        dropout=dropout,
        body_execution="reference" if precision in (None, "autocast") else "native",
        precision="float32" if precision in (None, "autocast") else precision,
    )
    task = TaskSpec("workload", "vectors", FEATURES, max_length=workload.longest, num_classes=CLASSES)
    torch.manual_seed(0)
    body, _ = build_body(spec, task.max_length, offline=True)
    module = FPTModule(task, body, spec).train().to(device)
    trained = list(module.trained_parameters().values())
    # On a GPU Adam is one kernel for ours, as in a run, and the library's default for the others.
    ours_on_gpu = device != CPU and spec.body_execution == "native"
    optimizer = module.configure_optimizers() if ours_on_gpu else torch.optim.Adam(trained, lr=1e-4)
    batches = [batch.to(device) for batch in workload.batches()]

    def step(turn: int) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "autocast"):
            loss = module.loss(batches[turn % BATCHES])
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step
