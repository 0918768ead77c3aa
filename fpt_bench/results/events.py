"""What happens to runs, as values that cross process borders."""

from dataclasses import dataclass

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import RunResult


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
    score: float | None = None
    """Of the last validation."""
    is_fraction: bool = True
    """Whether the score is shown in percent."""


@dataclass(frozen=True)
class Finished:
    """A run is over, or was found finished."""

    result: RunResult


Event = Started | Progress | Finished
