"""Bodies that one of our tasks trained, as a start for another: what trains them, and how their weights come in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from fpt_bench.config_files import CONFIGS, read_yaml
from fpt_bench.names import require_known
from fpt_bench.spec import RunSpec, make_spec

PREFIX = "task:"
"""What an init starts with that names such a body."""
PRETRAINING = CONFIGS / "pretraining.yaml"
SEED = 0
"""Of every run that trains a body."""


@dataclass(frozen=True)
class TrainedBody:
    """The weights that such a run left."""

    weights: Path
    """A safetensors file with every parameter of the body, as our module names it."""
    story: str
    """What trained it, as a sentence for the record."""
    fingerprint: str
    """SHA-256 of the file, 64 hexadecimal digits."""


def pretraining_spec(spec: RunSpec) -> RunSpec:
    """Give the run that trains the body which a spec's init names, in full and from random weights.

    Budget, rate and data are those of configs/pretraining.yaml; body, depth, precision and execution are the spec's.

    Raises:
        ValueError: the file has no such row, or a wrong one.
    """
    name = spec.init.removeprefix(PREFIX)
    rows = read_yaml(PRETRAINING)
    try:
        require_known("pretraining", name, rows)
    except ValueError as error:
        raise ValueError(f"init '{spec.init}': {error} (in {PRETRAINING})") from error
    shared = ("body", "body_path", "layers", "precision", "body_execution")
    own = {field: getattr(spec, field) for field in shared}
    return make_spec({"task": name, **rows[name], **own, "init": "random", "train": "all", "seed": SEED})


def load_trained(body: nn.Module, groups: Mapping[str, str], trained: TrainedBody) -> list[str]:
    """Put the weights into a body of the same shape, and give the notes that belong to it.

    A position table takes the rows that the other task trained; where this task reaches further, the rest stays as
    the architecture draws it, as in the published form, whose table is always whole.

    Raises:
        ValueError: the weights are another body's.
    """
    stored, notes = load_file(trained.weights), []
    own = body.state_dict()
    if stored.keys() != own.keys():
        odd = min(stored.keys() ^ own.keys())
        raise ValueError(f"{trained.weights}: expected the tensors of this body, got a difference in '{odd}'")
    with torch.no_grad():
        for name, value in stored.items():
            rows = min(len(value), len(own[name])) if groups.get(name) == "position" else len(value)
            own[name][:rows].copy_(value[:rows])
            if rows < len(own[name]):
                notes.append(f"positions from {rows} on as drawn at random: the task it was trained on ends there")
    return notes
