"""Lightning's Trainers as runs need them, and Lightning kept quiet. The only file that builds one."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy
from transformers.utils.logging import disable_progress_bar

from datamodules.metrics import Metric
from fpt_bench.bodies.execution import trainer_precision
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import LAST, checkpoint_file
from fpt_bench.training.callbacks import LeaveWhenAsked, SpacedValidations
from fpt_bench.training.checkpoints import AtomicCheckpoints, checkpoint_callbacks, early_stopping
from fpt_bench.training.devices import Devices
from fpt_bench.training.preemption import Notice
from fpt_bench.training.rendezvous import LONGEST_WAIT, Meeting, environment_of

LOG_EVERY_STEPS = 10
_LIGHTNING_TALK = ("pytorch_lightning", "lightning.fabric", "lightning_fabric", "transformers")


_QUIET: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False}


def make_trainer(
    spec: RunSpec,
    measure: Metric,
    folder: Path,
    callbacks: list[Callback],
    notice: Notice | None,
    loggers: list[Logger],
    devices: Devices,
    checkpoints: AtomicCheckpoints,
) -> pl.Trainer:
    """Return the Trainer of a run, which keeps checkpoints and ends the run in time, or at one when the notice comes.

    Either srun starts the processes or Lightning does, whose own requeue is off: it knows no step.
    """
    leave = [] if notice is None else [LeaveWhenAsked(notice, checkpoint_file(folder, LAST))]
    with no_defaults_of_the_shell():
        return pl.Trainer(
            max_steps=spec.max_steps,
            max_epochs=-1,
            val_check_interval=spec.validation_after(0),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            gradient_clip_val=spec.gradient_clip,
            precision=trainer_precision(spec),
            accelerator=_accelerator(),
            devices=devices.devices,
            num_nodes=devices.num_nodes,
            strategy=_strategy(devices),
            # Each process takes its slice of a batch that all of them know: `TaskDataModule.rank`.
            use_distributed_sampler=False,
            callbacks=[
                *callbacks,
                SpacedValidations(spec),
                *leave,
                early_stopping(spec.patience, measure),
                *checkpoint_callbacks(folder, measure),
                *([Meeting(devices)] if devices.processes > 1 else []),
            ],
            plugins=[checkpoints, environment_of(devices)],
            logger=loggers,
            log_every_n_steps=LOG_EVERY_STEPS,
            default_root_dir=folder,
            **_QUIET,
        )


def make_tester(spec: RunSpec, folder: Path) -> pl.Trainer:
    """Return a Trainer that logs nothing: what it finds goes into the result, under the split's own name."""
    with no_defaults_of_the_shell():
        return pl.Trainer(
            precision=trainer_precision(spec),
            accelerator=_accelerator(),
            devices=1,
            plugins=[environment_of(Devices())],
            logger=False,
            enable_checkpointing=False,
            default_root_dir=folder,
            **_QUIET,
        )


def _accelerator() -> str:
    """Return what is trained on: never what else Lightning finds, such as MPS, where no run of ours was checked."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _strategy(devices: Devices) -> str | DDPStrategy:
    """Return Lightning's strategy, which of several processes waits for the others no longer than LONGEST_WAIT."""
    is_ddp = devices.processes > 1 and devices.strategy in ("auto", "ddp")
    return DDPStrategy(timeout=LONGEST_WAIT) if is_ddp else devices.strategy


@contextmanager
def no_defaults_of_the_shell() -> Iterator[None]:
    """Hide Lightning's own variables: `PL_TRAINER_LIMIT_TEST_BATCHES=1` would be a default that is in no run id."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PL_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Ctrl-C again as what it was: Lightning turns it into an exit. Its variables are hidden meanwhile."""
    try:
        with no_defaults_of_the_shell():
            yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


def quiet_libraries() -> None:
    """Let libraries speak only of errors: what they say of hardware and loading is in the result."""
    for name in _LIGHTNING_TALK:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="torch.utils.data")
    warnings.filterwarnings("ignore", message=".*`srun` command is available.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    disable_progress_bar()  # type: ignore[no-untyped-call]
