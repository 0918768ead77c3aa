"""What happens around training steps: the curve is recorded, progress is reported, a run leaves when it is asked."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from datamodules.contract import Batch
from datamodules.metrics import Metric, best_of
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Progress
from fpt_bench.results.result import SCORE_BOUND
from fpt_bench.training.module import FPTModule
from fpt_bench.training.preemption import Notice, PreemptedError

REPORT_SECONDS = 0.5


class RunRecorder(Callback):
    """Record the validation curve, time and positions of a run, across interruptions, and report progress.

    It calls `report` at most every half second, and after each validation.
    """

    REMEMBERED = ("curve", "seconds", "training_seconds", "positions")
    """Attributes that a checkpoint keeps."""

    def __init__(self, run_id: str, measure: Metric, report: Callable[[Progress], None]) -> None:
        self.run_id, self.measure, self.report = run_id, measure, report
        self.curve: dict[int, float] = {}
        self.seconds = self.training_seconds = 0.0
        self.positions = 0
        self._started = self._batch_started = self._reported = 0.0

    def state_dict(self) -> dict[str, Any]:
        self._tick()
        return {name: getattr(self, name) for name in self.REMEMBERED}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, value in state_dict.items():
            setattr(self, name, value)

    @property
    def best_step(self) -> int | None:
        """Step of the first best validation so far."""
        return best_of(self.curve, self.measure.higher_is_better) if self.curve else None

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
        score = float(trainer.callback_metrics[f"val/{self.measure.name}"])
        if not abs(score) <= SCORE_BOUND:
            raise FloatingPointError(f"the validation {self.measure.name} is {score} at step {trainer.global_step}")
        self.curve[trainer.global_step] = score
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
        fraction = self.measure.is_fraction
        self.report(Progress(self.run_id, trainer.global_step, int(trainer.max_steps), loss, last, fraction))


class SpacedValidations(Callback):
    """Validate at the steps that a spec says: Lightning knows one interval, and validates at its multiples."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.val_check_batch = self.spec.validation_after(trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.val_check_batch = self.spec.validation_after(trainer.global_step)


class LeaveWhenAsked(Callback):
    """Save what resuming needs after the step in which the process was asked to leave, and raise PreemptedError.

    Where a validation is due after that step, it is done first: its own checkpoint is the one to go on from. All
    processes of a distributed run leave when one of them is asked.
    """

    def __init__(self, notice: Notice, checkpoint: Path) -> None:
        self.notice, self.checkpoint = notice, checkpoint
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
        if trainer.global_step != trainer.val_check_batch and self._is_asked(trainer):
            trainer.save_checkpoint(self.checkpoint)
            raise PreemptedError(f"left at step {trainer.global_step}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._just_validated = True

    def _is_asked(self, trainer: pl.Trainer) -> bool:
        return trainer.strategy.reduce_boolean_decision(bool(self.notice), all=False)
