"""Random tensors with some of the pretrained tensors' statistics."""

import torch

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.pretrained import pretrained


def statistics(plan: Blueprint) -> Initialized:
    """Each tensor drawn anew from a normal with its pretrained mean and standard deviation (Lu et al., Table 9)."""
    model, source, fingerprint = pretrained(plan)
    with torch.no_grad():
        for parameter in model.parameters():
            mean, deviation = parameter.mean().item(), parameter.std(correction=0).item()
            parameter.normal_(mean, deviation)
    return Initialized(model, f"tensors drawn at random with the means and deviations of {source}", fingerprint)
