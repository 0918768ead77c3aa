"""What happens around training steps: the curve is recorded, progress is reported, checkpoints are written."""

import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.io import CheckpointIO

from datamodules.contract import Batch
from fpt_bench.results.atomic import replaced_when_whole
from fpt_bench.results.events import Progress
from fpt_bench.results.folder import BEST, CHECKPOINTS, LAST
from fpt_bench.training.module import FPTModule
from fpt_bench.training.preemption import Notice, PreemptedError

REPORT_SECONDS = 0.5
PERFECT = 1 - 1e-7
"""Validation accuracy above which nothing is left to learn: the largest below 1 that float32 tells from it."""


class RunRecorder(Callback):
    """Record the validation curve, time and positions of a run, across interruptions, and report progress.

    It calls `report` at most every half second, and after each validation.
    """

    def __init__(self, run_id: str, report: Callable[[Progress], None]) -> None:
        self.run_id, self.report = run_id, report
        self.curve: dict[int, float] = {}
        self.seconds = self.training_seconds = 0.0
        self.positions = 0
        self._started = self._batch_started = self._reported = 0.0

    def state_dict(self) -> dict[str, Any]:
        self._tick()
        return {name: getattr(self, name) for name in ("curve", "seconds", "training_seconds", "positions")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, value in state_dict.items():
            setattr(self, name, value)

    @property
    def tokens_per_second(self) -> float | None:
        return self.positions / self.training_seconds if self.training_seconds else None

    def on_train_start(self, *_: Any) -> None:
        self._started = time.monotonic()

    def on_train_batch_start(self, *_: Any) -> None:
        self._batch_started = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        now = time.monotonic()
        self.training_seconds += now - self._batch_started
        # Of several processes, all have slices of one size; where sequences differ in length, this is an estimate.
        self.positions += sum(batch.counted().lengths or ()) * trainer.world_size
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            # Of the last step that was logged: reading this one's would make the program wait for a GPU.
            self._send(trainer, cast(FPTModule, pl_module).last_loss)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.curve[trainer.global_step] = float(trainer.callback_metrics["val/accuracy"])
        self._send(trainer, None)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._tick()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._tick()

    def _tick(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._started if self._started else 0.0
        self._started = now

    def _send(self, trainer: pl.Trainer, loss: float | None) -> None:
        last = list(self.curve.values())[-1] if self.curve else None
        self.report(Progress(self.run_id, trainer.global_step, int(trainer.max_steps), loss, last))


class LeaveWhenAsked(Callback):
    """Save what resuming needs after the step in which the process was asked to leave, and raise PreemptedError.

    Where a validation is due after that step, it is done first: its own checkpoint is the one to go on from. All
    processes of a distributed run leave when one of them is asked.
    """

    def __init__(self, notice: Notice, checkpoint: Path, eval_every: int) -> None:
        self.notice, self.checkpoint, self.eval_every = notice, checkpoint, eval_every
        self._just_validated = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning has just put its own handler there, which leaves without a checkpoint.
        if threading.current_thread() is threading.main_thread():
            self.notice.listen()

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if self._just_validated and self._is_asked(trainer):
            raise PreemptedError(f"left at step {trainer.global_step}")
        self._just_validated = False

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step % self.eval_every and self._is_asked(trainer):
            trainer.save_checkpoint(self.checkpoint)
            raise PreemptedError(f"left at step {trainer.global_step}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._just_validated = True

    def _is_asked(self, trainer: pl.Trainer) -> bool:
        return trainer.strategy.reduce_boolean_decision(bool(self.notice), all=False)


class AtomicCheckpoints(CheckpointIO):
    """Write a checkpoint so that a reader finds the old one or the new one; read tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".unfinished-{socket.gethostname()}-{path.name}")
        with replaced_when_whole(path, unfinished) as stream:
            torch.save(checkpoint, stream)

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        # Unpickling runs code: admit nothing but what a checkpoint of ours is made of.
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


class _MovableCheckpoint(ModelCheckpoint):
    """A ModelCheckpoint that remembers its best score where the folder of runs was moved between two attempts."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        moved = {name: here(state_dict[name]) for name in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "best_k_models": best, "dirpath": self.dirpath})


def checkpoint_callbacks(run: Path) -> list[ModelCheckpoint]:
    """Keep the weights of the best validation, and all that resuming needs of the last one; best first.

    The order matters: the last checkpoint has to know of the best that was written at the same step.
    """
    make = partial(_MovableCheckpoint, dirpath=run / CHECKPOINTS, enable_version_counter=False)
    best = make(filename=BEST, monitor="val/accuracy", mode="max", save_weights_only=True)
    last = make(filename=LAST, monitor=None)
    return [best, last]


def early_stopping(patience: int | None) -> EarlyStopping:
    """Stop where nothing can be gained: at a perfect validation, or after `patience` validations without a new best."""
    patience = patience or 2**31  # never
    return EarlyStopping(
        "val/accuracy", patience=patience, mode="max", stopping_threshold=PERFECT, check_on_train_epoch_end=False
    )


def is_over(checkpoint: dict[str, Any], max_steps: int, patience: int | None) -> bool:
    """Return whether the run that wrote the checkpoint had nothing left to train."""
    states = [state for key, state in checkpoint["callbacks"].items() if key.startswith("EarlyStopping")]
    stopped = any(
        float(state["best_score"]) > PERFECT or (patience is not None and state["wait_count"] >= patience)
        for state in states
    )
    return stopped or checkpoint["global_step"] >= max_steps
