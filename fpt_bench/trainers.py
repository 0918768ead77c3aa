"""Lightning's Trainers as runs need them, and Lightning kept quiet. The only file that builds one."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from transformers.utils.logging import disable_progress_bar

from fpt_bench.bodies.execution import trainer_precision
from fpt_bench.callbacks import (
    CHECKPOINTS,
    LAST,
    AtomicCheckpoints,
    LeaveWhenAsked,
    checkpoint_callbacks,
    early_stopping,
)
from fpt_bench.preemption import Notice
from fpt_bench.resources import Devices
from fpt_bench.spec import RunSpec

LOG_EVERY_STEPS = 10
_LIGHTNING_TALK = ("pytorch_lightning", "lightning.fabric", "lightning_fabric", "transformers")


def make_trainer(
    spec: RunSpec, folder: Path, callbacks: list[Callback], loggers: list[Logger], devices: Devices
) -> pl.Trainer:
    """Give the Trainer of a run: its callbacks and those that keep checkpoints and end it in time."""
    return pl.Trainer(
        max_steps=spec.max_steps,
        max_epochs=-1,
        val_check_interval=min(spec.eval_every, spec.max_steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=spec.gradient_clip,
        precision=trainer_precision(spec),
        accelerator="auto",
        devices=devices.devices,
        num_nodes=devices.num_nodes,
        strategy=devices.strategy,
        # Each process takes its slice of a batch that all of them know: `TaskDataModule.place`.
        use_distributed_sampler=False,
        callbacks=[*callbacks, early_stopping(spec.patience), *checkpoint_callbacks(folder / CHECKPOINTS)],
        plugins=[AtomicCheckpoints(), _environment(devices)],
        logger=loggers,
        log_every_n_steps=LOG_EVERY_STEPS,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def make_tester(spec: RunSpec, folder: Path) -> pl.Trainer:
    """Give a Trainer that logs nothing: what it finds goes into the result, under the split's own name."""
    return pl.Trainer(
        precision=trainer_precision(spec),
        accelerator="auto",
        devices=1,
        plugins=[LightningEnvironment()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def leave_when_asked(spec: RunSpec, folder: Path, notice: Notice | None) -> list[Callback]:
    """Give the callback that leaves a run at a checkpoint when the notice comes; none where there is no notice."""
    if notice is None:
        return []
    return [LeaveWhenAsked(notice, folder / CHECKPOINTS / f"{LAST}.ckpt", min(spec.eval_every, spec.max_steps))]


def _environment(devices: Devices) -> ClusterEnvironment:
    """Say who starts the processes: srun did, or Lightning does. Lightning's own requeue is off: it knows no step."""
    return SLURMEnvironment(auto_requeue=False) if devices.under_slurm else LightningEnvironment()


@contextmanager
def interruptible() -> Iterator[None]:
    """Give Ctrl-C back as what it was: Lightning turns it into an exit."""
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
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
