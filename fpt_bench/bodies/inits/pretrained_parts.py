"""Parts of the pretrained body on top of an init that draws the rest: `random-fanin+query-key`."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from fpt_bench.bodies.groups import is_norm
from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.matrices import Block, blocks_of
from fpt_bench.bodies.inits.pretrained import pretrained

_OF_BLOCK: dict[str, Callable[[Block], Iterable[Tensor]]] = {
    "query-key": lambda block: (block.query, block.key),
    "value-output": lambda block: (block.value, block.output),
    "feedforward": lambda block: (*block.feedforward, *block.feedforward_biases),
}
"""Biases of attention stay with nobody: where the three projections are joined, so are theirs."""


@torch.no_grad()
def with_parts(plan: Blueprint, found: Initialized, parts: tuple[str, ...]) -> Initialized:
    """Return a body with parts of the pretrained one, and what they add to the numbers kept.

    Raises:
        ValueError: the body has no such part.
    """
    theirs = pretrained(plan)
    kept = found.kept
    for part in parts:
        pairs = list(_pairs(plan, found.model, theirs.model, part))
        if not pairs:
            raise ValueError(f"init '{plan.name}': expected a body with {part}, got {plan.config.model_type}, without")
        for new, old in pairs:
            new.copy_(old)
            kept += old.numel()
    source = f"{found.source}; with {', '.join(parts)} of {theirs.source}"
    return Initialized(found.model, source, theirs.fingerprint, kept)


def _pairs(plan: Blueprint, new: nn.Module, old: nn.Module, part: str) -> Iterable[tuple[Tensor, Tensor]]:
    if part in _OF_BLOCK:
        for ours, theirs in zip(*(blocks_of(model, plan.config, plan.name) for model in (new, old)), strict=True):
            yield from zip(_OF_BLOCK[part](ours), _OF_BLOCK[part](theirs), strict=True)
        return
    chosen = _norms if part == "norms" else _positions
    ours_by_name, theirs_by_name = chosen(new), chosen(old)
    for name, theirs in theirs_by_name.items():
        yield ours_by_name[name][: len(theirs)], theirs


def _norms(model: nn.Module) -> dict[str, Tensor]:
    found = {name: module for name, module in model.named_modules() if is_norm(module)}
    return {
        f"{name}.{leaf}": value.detach() for name, module in found.items() for leaf, value in module.named_parameters()
    }


def _positions(model: nn.Module) -> dict[str, Tensor]:
    found = {name: value.detach() for name, value in model.named_parameters() if "position" in name or "wpe" in name}
    return {name: value[0] if value.ndim == 3 else value for name, value in found.items()}
