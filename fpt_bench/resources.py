"""What runs are executed by and with. Nothing here is part of a spec, and nothing here imports torch."""

import os
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Launcher(BaseModel):
    """Who executes the runs of a grid: worker processes on this machine, or a Slurm cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local", "slurm"] = Field(
        "local", description="local: worker processes on this machine; slurm: a job array, and this command returns"
    )
    partition: str | None = Field(None, description="of the cluster; else its default one")
    time: int = Field(
        720, ge=2, description="minutes a job may take; a run that needs more goes on from its checkpoint in the next"
    )
    cpus: int = Field(1, ge=1, description="cores, and threads, of a run")
    gpus: int = Field(0, ge=0, description="GPUs of a run")
    memory: float | None = Field(None, gt=0, description="GB of a run; else the cluster's default")
    constraint: str | None = Field(None, description="features that a node must have, as Slurm writes them")
    parallelism: int = Field(256, ge=1, description="runs of one job array at once")


@dataclass(frozen=True)
class Devices:
    """What one run is computed on, by Lightning's distributed data parallel where it is more than one process.

    A spec's batch is the whole one: each process takes its slice of every step's batch, so that what is learned does
    not depend on their number. Only dropout does: each process draws masks of its own.
    """

    devices: int = 1
    """Processes on each node: one a GPU, or one a share of the cores."""
    num_nodes: int = 1
    strategy: str = "auto"
    """As Lightning's Trainer calls it; `auto` is DDP where there are several processes."""

    @property
    def processes(self) -> int:
        return self.devices * self.num_nodes

    @property
    def under_slurm(self) -> bool:
        """Whether srun started all processes."""
        return self.processes > 1 and os.environ.get("SLURM_NTASKS") == str(self.processes)

    @property
    def rank(self) -> int:
        """Number of this process, from 0; the first one alone tests and writes the result."""
        if self.processes == 1:
            return 0
        if self.under_slurm:
            return int(os.environ["SLURM_PROCID"])
        node, local = (int(os.environ.get(name, "0")) for name in ("NODE_RANK", "LOCAL_RANK"))
        return node * self.devices + local

    def share_of(self, batch_size: int) -> int:
        """Give the examples of a batch that each process takes.

        Raises:
            ValueError: they cannot be shared evenly.

        Example:
            >>> Devices(devices=2).share_of(16)
            8
        """
        if batch_size % self.processes:
            raise ValueError(
                f"expected a batch that {self.processes} processes can share evenly, got {batch_size} examples: "
                "choose --batch-size or --devices so that one divides the other"
            )
        return batch_size // self.processes
