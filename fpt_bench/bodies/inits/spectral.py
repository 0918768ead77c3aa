"""What singular values and the directions of the largest ones carry of the pretrained matrices."""

import torch
from torch import Tensor

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.matrices import all_matrices, blocks_of, fold_scales
from fpt_bench.bodies.inits.pretrained import pretrained
from fpt_bench.bodies.inits.random import random_fanin


@torch.no_grad()
def spectrum(plan: Blueprint) -> Initialized:
    """Each pretrained matrix's singular values between random orthogonal bases; the rest as random."""
    theirs, found = pretrained(plan), random_fanin(plan)
    for new, old in _pairs(plan, theirs, found):
        values = torch.linalg.svdvals(old)
        left, right = (_orthonormal(size, len(values)) for size in old.shape)
        new.copy_(left * values @ right.T)
    source = f"singular values, matrix by matrix, of {theirs.source}"
    return theirs._replace(model=found.model, source=source)


@torch.no_grad()
def rank(plan: Blueprint) -> Initialized:
    """The K largest directions of each pretrained matrix on noise as large as what is cut; the rest as random."""
    count = int(plan.numbers[0])
    theirs, found = pretrained(plan), random_fanin(plan)
    for new, old in _pairs(plan, theirs, found):
        left, values, right = torch.linalg.svd(old, full_matrices=False)
        lost = values[count:].norm()
        noise = torch.randn_like(old)
        new.copy_(left[:, :count] * values[:count] @ right[:count] + noise * lost / noise.norm())
    source = f"the {count} largest directions, matrix by matrix, of {theirs.source}"
    return theirs._replace(model=found.model, source=source)


def _pairs(plan: Blueprint, theirs: Initialized, found: Initialized) -> list[tuple[Tensor, Tensor]]:
    new, old = (blocks_of(body.model, plan.config, plan.name) for body in (found, theirs))
    return list(zip(all_matrices(new), all_matrices(map(fold_scales, old)), strict=True))


def _orthonormal(size: int, columns: int) -> Tensor:
    """Return (size, columns) columns that are orthonormal and point anywhere alike (Haar)."""
    basis, triangle = torch.linalg.qr(torch.randn(size, columns))
    found: Tensor = basis * triangle.diagonal().sign()
    return found
