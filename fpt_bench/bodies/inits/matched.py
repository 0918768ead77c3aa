"""Random tensors with some of the pretrained tensors' statistics."""

import torch
from torch import Tensor, nn

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.matrices import all_matrices, blocks_of, fold_scales
from fpt_bench.bodies.inits.numbers_kept import used_parameters
from fpt_bench.bodies.inits.pretrained import pretrained
from fpt_bench.bodies.inits.random import random_fanin


@torch.no_grad()
def statistics(plan: Blueprint) -> Initialized:
    """Each tensor drawn anew from a normal with its pretrained mean and standard deviation (Lu et al., Table 9)."""
    found = pretrained(plan)
    for parameter in found.model.parameters():
        mean, deviation = parameter.mean().item(), parameter.std(correction=0).item()
        parameter.normal_(mean, deviation)
    return found._replace(source=f"tensors drawn at random with the means and deviations of {found.source}")


@torch.no_grad()
def random_scaled(plan: Blueprint) -> Initialized:
    """Matrices from normals with each pretrained matrix's own deviation; the rest as random (Wu et al. 2022)."""
    theirs, (model, _, _, _) = pretrained(plan), random_fanin(plan)
    new, old = (blocks_of(body, plan.config, plan.name) for body in (model, theirs.model))
    deviations = [matrix.std(correction=0).item() for matrix in all_matrices(map(fold_scales, old))]
    for matrix, deviation in zip(all_matrices(new), deviations, strict=True):
        matrix.normal_(0.0, deviation)
    source = f"matrices drawn at random with the deviations of {theirs.source}"
    return theirs._replace(model=model, source=source)


@torch.no_grad()
def permuted(plan: Blueprint) -> Initialized:
    """Every tensor's own pretrained numbers in random places: each histogram is kept, outliers too, and no place."""
    found = pretrained(plan)
    for parameter in used_parameters(found.model):
        parameter.copy_(_shuffled(parameter))
    return found._replace(source=f"numbers in random places, tensor by tensor, of {found.source}")


def _shuffled(tensor: nn.Parameter) -> Tensor:
    return tensor.flatten()[torch.randperm(tensor.numel())].view_as(tensor)
