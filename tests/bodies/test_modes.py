"""Dropout acts in every arm alike: whoever built a body, its mode is ours."""

from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.contract import Batch, TaskSpec
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.inits.blueprint import TrainedBody
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.module import FPTModule
from tests.bodies import saved

TASK = TaskSpec("made-up", "vectors", input_size=4, max_length=6, num_classes=2)
INITS = ["pretrained", "random", "statistics", "permuted", "layers-shuffled", "random-fanin+norms", "task:bit-xor"]


class Twice(pl.Callback):
    """Passes a batch through the body twice when its training begins, as the Trainer has set it up."""

    passes: tuple[Tensor, Tensor]

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, index: int) -> None:
        assert isinstance(module, FPTModule)
        self.passes = module.features(batch).detach(), module.features(batch).detach()


def trained_before(spec: RunSpec, folder: Path) -> TrainedBody:
    """Return a body as a task of ours would leave it."""
    from safetensors.torch import save_file

    body, _ = build_body(spec.model_copy(update={"init": "random"}), TASK.max_length)
    save_file({name: value.contiguous() for name, value in body.state_dict().items()}, folder / "trained.safetensors")
    return TrainedBody(folder / "trained.safetensors", "a story", "0" * 64, "a_run")


@pytest.mark.parametrize("execution", ["native", "reference"])
@pytest.mark.parametrize("init", INITS)
def test_in_a_trainer_two_passes_differ_where_there_is_dropout_and_nowhere_else(
    tmp_path: Path, init: str, execution: str
) -> None:
    saved.save(tmp_path, saved.bert())
    for dropout, differs in ((0.0, False), (0.5, True)):
        options = {"init": init, "dropout": dropout, "body_execution": execution, "precision": "float32"}
        spec = RunSpec(task="bit-xor", body=str(tmp_path), **options)
        trained = trained_before(spec, tmp_path) if init.startswith("task:") else None
        body, _ = build_body(spec, TASK.max_length, trained=trained)
        twice = Twice()
        batch = Batch(torch.randn(3, 6, 4), torch.ones(3, 6, dtype=torch.bool), torch.zeros(3, 1, dtype=torch.int64))
        trainer = pl.Trainer(
            max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, callbacks=[twice], default_root_dir=tmp_path,
        )  # fmt: skip
        trainer.fit(FPTModule(TASK, body, spec), DataLoader([batch.counted()], batch_size=None))
        assert (not torch.equal(*twice.passes)) is differs


def test_nothing_of_this_draws_from_the_streams_of_a_run(tmp_path: Path) -> None:
    """The trial of an architecture, buffers built anew and rows asked for leave every stream where it was."""
    saved.save(tmp_path, saved.bert())
    torch.manual_seed(3)
    np.random.seed(3)
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    build_body(RunSpec(task="bit-xor", body=str(tmp_path)), 10)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
