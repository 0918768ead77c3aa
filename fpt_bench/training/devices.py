"""What one run is computed on. Part of no spec."""

import os
from dataclasses import dataclass

STARTED_BY = "FPT_BENCH_STARTED_BY"
"""Variable by which the first process tells those that it starts its process id."""
_NO_STEPS = 0xFFFFFFF0
"""From here on Slurm numbers what is no step of srun's: batch scripts and the shells of `salloc`."""


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
    def starter(self) -> str | None:
        """Who started this process as one of several: `srun`, `torchrun`, `us` (the first process); None: nobody yet.

        What an image, an allocation or an earlier command left in the environment says nothing of that. srun gives
        each process the number of its step; a shell of `salloc`, and the script of `sbatch`, are in none.

        Raises:
            ValueError: srun has started several processes, but not as many as were asked for.
        """
        if self.processes == 1:
            return None
        if os.environ.get(STARTED_BY) == str(os.getppid()):
            return "us"
        tasks = _tasks_of_step()
        if tasks not in (1, self.processes):
            raise ValueError(
                f"expected srun to start {self.processes} processes, --devices {self.devices} on each of --num-nodes "
                f"{self.num_nodes}, got {tasks}: start as many (--ntasks), or a single one that starts the others"
            )
        if tasks == self.processes:
            return "srun"
        if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE") == str(self.processes):
            return "torchrun"
        return None

    @property
    def under_slurm(self) -> bool:
        """Whether srun started all processes."""
        return self.starter == "srun"

    @property
    def local_rank(self) -> int:
        """Number of this process on its node."""
        names = {"srun": "SLURM_LOCALID", "torchrun": "LOCAL_RANK", "us": "LOCAL_RANK"}
        return _number(names[self.starter]) if self.starter else 0

    @property
    def node_rank(self) -> int:
        """Number of this node; on a single node 0, whatever an earlier command left in the environment."""
        if self.num_nodes == 1:
            return 0
        names = {"srun": "SLURM_NODEID", "torchrun": "GROUP_RANK"}
        return _number(names.get(self.starter or "us", "NODE_RANK"))

    @property
    def rank(self) -> int:
        """Number of this process, from 0; the first one alone tests and writes the result."""
        if self.starter == "srun":
            return _number("SLURM_PROCID")
        return self.node_rank * self.devices + self.local_rank

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


def _tasks_of_step() -> int:
    """Return how many processes srun started together, this one among them; 1 where it did not start this one."""
    step = os.environ.get("SLURM_STEP_ID", "")
    if not step.isdecimal() or int(step) >= _NO_STEPS or "SLURM_PROCID" not in os.environ:
        return 1
    return _number("SLURM_STEP_NUM_TASKS") or _number("SLURM_NTASKS") or 1


def _number(variable: str) -> int:
    """Return the number that a variable holds; 0 where it is not set.

    Raises:
        ValueError: it is none.
    """
    value = os.environ.get(variable) or "0"
    if not value.isdecimal():
        raise ValueError(f"{variable}: expected a number from 0 on in the environment, got '{value}'")
    return int(value)
