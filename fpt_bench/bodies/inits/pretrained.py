"""Language itself, or whatever the body was pretrained on."""

import torch
from torch import nn

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.matrices import blocks_of

UNUSED = ("word_embeddings", "embed_tokens", "wte", "pooler", "patch_embeddings", "cls_token", "mask_token")
"""In the names of parameters that a body fed with embeddings never runs."""


def pretrained(plan: Blueprint) -> Initialized:
    """The weights that pretraining left."""
    model = plan.files.load(plan.config, plan.attention, plan.offline)
    kept = sum(parameter.numel() for parameter in used_parameters(model))
    return Initialized(model, plan.files.source, plan.files.fingerprint(plan.config), kept)


@torch.no_grad()
def layers_shuffled(plan: Blueprint) -> Initialized:
    """The pretrained layers, each whole, in random order."""
    found = pretrained(plan)
    blocks_of(found.model, plan.config, plan.name)  # a family without layers of one kind is refused
    layers = next(m for m in found.model.modules() if isinstance(m, nn.ModuleList) and len(m) > 0)
    order = torch.randperm(len(layers)).tolist()
    states = [{name: value.clone() for name, value in layer.state_dict().items()} for layer in layers]
    for layer, place in zip(layers, order, strict=True):
        layer.load_state_dict(states[place])
    order_said = " ".join(str(place + 1) for place in order)
    return found._replace(source=f"layers in the order {order_said} of {found.source}")


def used_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that a body fed with embeddings runs."""
    return [value for name, value in model.named_parameters() if not any(word in name for word in UNUSED)]
