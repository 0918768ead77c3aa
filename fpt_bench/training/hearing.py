"""Does the state that is read out depend on the other positions at all? Asked before the first step."""

import math
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from datamodules.contract import VALIDATION, Batch, TaskDataModule
from fpt_bench.bodies.execution import as_trained
from fpt_bench.training.module import FPTModule

EXAMPLES = 8
"""That it is asked of: each takes two forward passes, without gradients."""


def with_others_replaced(batch: Batch) -> Batch:
    """Return a batch in which each example has its neighbour's tokens at all positions but its last real one.

    Where the neighbour is shorter, an example keeps its own.

    Example:
        >>> mask = torch.ones(2, 3, dtype=torch.bool)
        >>> batch = Batch(torch.tensor([[1, 2, 3], [4, 5, 6]]), mask, torch.zeros(2, 1, dtype=torch.int64))
        >>> with_others_replaced(batch).inputs.tolist()
        [[4, 5, 3], [1, 2, 6]]
    """
    last = torch.arange(batch.mask.shape[1]) == batch.mask.sum(1, keepdim=True) - 1
    replaced = batch.mask & batch.mask.roll(1, 0) & ~last
    shape = (*replaced.shape, *[1] * (batch.inputs.dim() - 2))
    return batch._replace(inputs=torch.where(replaced.reshape(shape), batch.inputs.roll(1, 0), batch.inputs))


@torch.no_grad()
def readout_moves(module: FPTModule, datamodule: TaskDataModule) -> float | None:
    """Return by how much the last state that is read out moves, relative to its norm, when the others are replaced.

    The mean over a few validation examples, without dropout; 0 where no position hears another, None where it is not
    finite, or where there is one example, which has no neighbour. `datamodule` has the task's own examples, not
    features of them.
    """
    examples = datamodule.examples(VALIDATION)
    if len(examples) < 2:
        return None
    batch = examples.batch(np.arange(min(EXAMPLES, len(examples))))
    was_training, given, device = module.training, module.given_features, next(module.parameters()).device
    module.eval().given_features = False
    with as_trained(module.spec, device):
        own, moved = (module.features(b.to(device))[:, -1].double() for b in (batch, with_others_replaced(batch)))
    module.train(was_training).given_features = given
    share = float(((moved - own).norm(dim=1) / own.norm(dim=1)).mean())
    return share if math.isfinite(share) else None


class HearingTest(Callback):
    """Ask `readout_moves` before the first step, where the model is, and remember it over interruptions."""

    def __init__(self, datamodule: TaskDataModule) -> None:
        self.datamodule = datamodule
        self.found: float | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"found": self.found}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.found = state_dict["found"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.global_step == 0:
            assert isinstance(pl_module, FPTModule)
            self.found = readout_moves(pl_module, self.datamodule)
