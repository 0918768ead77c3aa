"""What one run is computed on. Part of no spec."""

import os
from dataclasses import dataclass


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
        """Return the examples of a batch that each process takes.

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
