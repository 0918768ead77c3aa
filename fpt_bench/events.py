"""What happens to runs, as values that cross process borders. Nothing here imports torch."""

from dataclasses import dataclass

from fpt_bench.results import RunResult
from fpt_bench.spec import RunSpec


@dataclass(frozen=True)
class Started:
    """A worker took a run up."""

    spec: RunSpec
    attempt: int


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    run_id: str
    step: int
    max_steps: int
    loss: float | None = None
    accuracy: float | None = None
    """Of the last validation, in [0, 1]."""


@dataclass(frozen=True)
class Finished:
    """A run is over, or was found finished."""

    result: RunResult


Event = Started | Progress | Finished
