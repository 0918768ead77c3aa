"""Who executes the runs of a grid. Part of no spec."""

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
