"""A process that is asked to leave saves a checkpoint first: what Slurm does to a job that it preempts or that times out."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class PreemptedError(Exception):
    """The run was left at a checkpoint, because its process was asked to leave. It is not over, and has not failed."""


class Notice:
    """Whether this process was asked to leave, and by which signal.

    Example:
        >>> bool(Notice())
        False
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def listen(self) -> None:
        """Take note of the signals from now on, instead of whoever did so before. For the main thread only."""
        for number in SIGNALS:
            signal.signal(number, self._take)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.signal = number


class LeaveWhenAsked(Callback):
    """Save what resuming needs after the step in which the process was asked to leave, and raise PreemptedError.

    Where a validation is due after that step, it is done first: its own checkpoint is the one to go on from.

    Args:
        notice: says whether to leave. All processes of a distributed run leave when one of them is asked.
        checkpoint: file to write.
        eval_every: steps from one validation to the next.
    """

    def __init__(self, notice: Notice, checkpoint: Path, eval_every: int) -> None:
        self.notice = notice
        self.checkpoint = checkpoint
        self.eval_every = eval_every
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
