"""What singular values and the directions of the largest ones carry of the pretrained matrices."""

import torch
from torch import Tensor

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.matrices import all_matrices, blocks_of
from fpt_bench.bodies.inits.pretrained import pretrained
from fpt_bench.bodies.inits.random import random_fanin


@torch.no_grad()
def spectrum(plan: Blueprint) -> Initialized:
    """Each pretrained matrix's singular values between random orthogonal bases; the rest as random."""
    theirs, found = pretrained(plan), random_fanin(plan)
    kept = 0
    for new, old in _pairs(plan, theirs, found):
        values = torch.linalg.svdvals(old)
        left, right = (_orthonormal(size, len(values)) for size in old.shape)
        new.copy_(left * values @ right.T)
        kept += len(values)
    source = f"singular values, matrix by matrix, of {theirs.source}"
    return Initialized(found.model, source, theirs.fingerprint, kept)


@torch.no_grad()
def rank(plan: Blueprint) -> Initialized:
    """The K largest directions of each pretrained matrix on noise as large as what is cut; the rest as random."""
    (number,) = plan.numbers
    theirs, found = pretrained(plan), random_fanin(plan)
    kept = 0
    for new, old in _pairs(plan, theirs, found):
        left, values, right = torch.linalg.svd(old, full_matrices=False)
        count = int(number)
        if count > len(values):
            raise ValueError(f"init '{plan.name}': expected K of at most {len(values)}, the smallest side of a matrix")
        lost = values[count:].norm()
        noise = torch.randn_like(old)
        new.copy_(left[:, :count] * values[:count] @ right[:count] + noise * lost / noise.norm())
        kept += count * sum(old.shape) + (count < len(values))
    source = f"the {int(number)} largest directions, matrix by matrix, of {theirs.source}"
    return Initialized(found.model, source, theirs.fingerprint, kept)


def _pairs(plan: Blueprint, theirs: Initialized, found: Initialized) -> list[tuple[Tensor, Tensor]]:
    new, old = (all_matrices(blocks_of(body.model, plan.config, plan.name)) for body in (found, theirs))
    return list(zip(new, old, strict=True))


def _orthonormal(size: int, columns: int) -> Tensor:
    """Return (size, columns) columns that are orthonormal and point anywhere alike (Haar)."""
    basis, triangle = torch.linalg.qr(torch.randn(size, columns))
    found: Tensor = basis * triangle.diagonal().sign()
    return found
