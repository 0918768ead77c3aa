"""What every init is told, and what it returns."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import nn
from transformers import PretrainedConfig

from fpt_bench.bodies.weights import BodyFiles


@dataclass(frozen=True)
class TrainedBody:
    """The weights of a body that a run of ours trained, for an init that names its task."""

    weights: Path
    """A safetensors file with every parameter of the body, as our module names it."""
    story: str
    """What trained it, as a sentence for the record."""
    fingerprint: str
    """SHA-256 of the file, 64 hexadecimal digits."""
    run: str
    """Id of the run that trained it."""
    score: float | None = None
    """On the test set of the task that trained it."""


@dataclass(frozen=True)
class Blueprint:
    """All that an init is told."""

    files: BodyFiles
    config: PretrainedConfig
    attention: str | None
    """Attention implementation, as transformers calls it; None: it chooses."""
    max_length: int
    """Largest T that the task can reach."""
    offline: bool
    """Never touch the network."""
    name: str = "random"
    """Of the init, as the spec says it."""
    numbers: tuple[float, ...] = ()
    """That the name says."""
    trained: TrainedBody | None = None
    """What the init takes its weights from, where it names a task."""


class Initialized(NamedTuple):
    """What an init returns."""

    model: nn.Module
    """Before it is fed embeddings, as its family builds it."""
    source: str
    """A sentence for the record on where it comes from."""
    fingerprint: str
    """Of what it started from, 64 hexadecimal digits."""
    kept: int = 0
    """Numbers of the pretrained body that it still depends on; constants, gains and noise count nothing."""
