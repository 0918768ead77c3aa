"""Parts of the pretrained body on top of an init that draws the rest: `random-fanin+query-key`."""

import torch
from torch import nn

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.numbers_kept import tensors_of_part
from fpt_bench.bodies.inits.pretrained import pretrained


@torch.no_grad()
def with_parts(plan: Blueprint, found: Initialized, parts: tuple[str, ...]) -> Initialized:
    """Return a body with parts of the pretrained one.

    Raises:
        ValueError: the body has no such part.
    """
    theirs = pretrained(plan)
    if "positions" in parts:
        _take_tables(found.model, theirs.model)
    for part in parts:
        pairs = (tensors_of_part(plan, model, part) for model in (found.model, theirs.model))
        for new, old in zip(*pairs, strict=True):
            new.copy_(old)
    source = f"{found.source}; with {', '.join(parts)} of {theirs.source}"
    return theirs._replace(model=found.model, source=source)


def _take_tables(model: nn.Module, theirs: nn.Module) -> None:
    """Give a model position tables of the pretrained length where its own were drawn longer, as a task needs them.

    They are stretched like those of the pretrained body, with the rest of it.
    """
    for name, old in theirs.named_parameters():
        path, _, leaf = name.rpartition(".")
        if old.shape != model.get_parameter(name).shape:
            setattr(model.get_submodule(path), leaf, nn.Parameter(torch.empty_like(old)))
