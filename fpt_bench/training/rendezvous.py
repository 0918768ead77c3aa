"""How the processes of one run find each other: by what started them, within a limit, and not without a word."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.callbacks import Callback

from fpt_bench.training.devices import STARTED_BY, Devices

LONGEST_WAIT = timedelta(minutes=10)
"""For the other processes, at the beginning and at every step."""
SAID_AFTER_SECONDS = 30.0
"""A process that waits for the others for so long says so."""
_HERE = "127.0.0.1"


def environment_of(devices: Devices) -> ClusterEnvironment:
    """Return what tells Lightning which of the processes this one is.

    A run of one process is its own first one: it logs, whatever RANK or SLURM_PROCID it was started under.

    Raises:
        ValueError: several nodes, and nothing says where they meet.
    """
    rank_zero_only.rank = devices.rank  # type: ignore[attr-defined]
    if devices.under_slurm:
        return SLURMEnvironment(auto_requeue=False)  # whose own requeue knows no step
    if devices.processes > 1 and devices.starter is None:
        _require_address(devices)
        os.environ[STARTED_BY] = str(os.getpid())
    return _OwnProcesses(devices)


def _require_address(devices: Devices) -> None:
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if not os.environ.get(name)]
    if devices.num_nodes > 1 and missing:
        raise ValueError(
            f"expected srun to start all {devices.processes} processes, or MASTER_ADDR, MASTER_PORT and NODE_RANK in "
            f"the environment of each node, got no {', '.join(missing)}"
        )


class _OwnProcesses(LightningEnvironment):
    """Processes that this one starts, or that torchrun or our first process has started, this one among them."""

    def __init__(self, devices: Devices) -> None:
        super().__init__()
        self.devices = devices
        self._meets_here = devices.num_nodes == 1 and devices.starter is None

    @property
    def creates_processes_externally(self) -> bool:
        return self.devices.starter is not None

    @property
    def main_address(self) -> str:
        return _HERE if self._meets_here else super().main_address

    @property
    def main_port(self) -> int:
        if self._meets_here and self._main_port == -1:
            os.environ.pop("MASTER_PORT", None)  # an earlier command's
        return super().main_port

    def local_rank(self) -> int:
        return self.devices.local_rank

    def node_rank(self) -> int:
        return self.devices.node_rank


class Meeting(Callback):
    """Say that a process waits for the others, from SAID_AFTER_SECONDS on until all of them are there."""

    def __init__(self, devices: Devices) -> None:
        self.devices = devices
        self.all_there = False

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Wait for the others in the block.

        Raises:
            OSError: they did not come within LONGEST_WAIT.
        """
        timer = threading.Timer(SAID_AFTER_SECONDS, self._say)
        timer.daemon = True
        timer.start()
        try:
            yield
        except RuntimeError as error:
            if self.all_there:
                raise
            raise OSError(f"{self._where()}: expected all of them, got: {str(error).partition(chr(10))[0]}") from error
        finally:
            timer.cancel()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take note: Lightning calls this when the processes are connected."""
        self.all_there = True

    def _say(self) -> None:
        if not self.all_there:
            minutes = LONGEST_WAIT.total_seconds() / 60
            logging.getLogger(__name__).warning("%s; no longer than %g minutes", self._where(), minutes)

    def _where(self) -> str:
        address, port = (os.environ.get(name, "?") for name in ("MASTER_ADDR", "MASTER_PORT"))
        return f"process {self.devices.rank} waits for the other {self.devices.processes - 1} at {address}:{port}"


@contextmanager
def others_awaited(trainer: pl.Trainer) -> Iterator[None]:
    """Let the processes of a run meet in the block; a run of one process waits for nobody."""
    meeting = next((each for each in trainer.callbacks if isinstance(each, Meeting)), None)  # type: ignore[attr-defined]
    if meeting is None:
        yield
        return
    with meeting.awaited():
        yield
