"""Bodies that one of our tasks trained, as a start for another (Lu et al. 2021, Table 2)."""

from collections.abc import Mapping

import torch
from safetensors.torch import load_file
from torch import nn

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized, TrainedBody
from fpt_bench.bodies.inits.random import random


def trained(plan: Blueprint) -> Initialized:
    """A random body trained in full on a task, once: a row of configs/pretraining.yaml (Lu et al., Table 2)."""
    if plan.trained is None:
        raise ValueError(f"init '{plan.name}': expected the body that it names, which a run trains first, got none")
    source = f"{plan.trained.story}; the architecture of {plan.files.source}"
    # The weights come later, into the body as it will run: they are stored under the names of its module.
    return Initialized(random(plan).model, source, plan.trained.fingerprint)


def load_trained(body: nn.Module, groups: Mapping[str, str], trained: TrainedBody) -> list[str]:
    """Put the weights into a body of the same shape, and return the notes that belong to it.

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
            if groups.get(name) != "position":
                own[name].copy_(value)
                continue
            rows = min(len(value), len(own[name]))
            own[name][:rows].copy_(value[:rows])
            if rows < len(own[name]):
                notes.append(f"positions from {rows} on as drawn at random: the task it was trained on ends there")
    return notes
