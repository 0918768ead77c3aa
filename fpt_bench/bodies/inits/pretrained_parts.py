"""Parts of the pretrained body on top of an init that draws the rest: `random-fanin+query-key`."""

import torch

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
    for part in parts:
        pairs = (tensors_of_part(plan, model, part) for model in (found.model, theirs.model))
        for new, old in zip(*pairs, strict=True):
            new[: len(old)].copy_(old)  # a position table may have been drawn longer
    source = f"{found.source}; with {', '.join(parts)} of {theirs.source}"
    return theirs._replace(model=found.model, source=source)
