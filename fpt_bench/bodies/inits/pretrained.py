"""Language itself, or whatever the body was pretrained on."""

import torch
from torch import nn

from fpt_bench.bodies.inits.blueprint import Blueprint, Initialized
from fpt_bench.bodies.inits.numbers_kept import numbers_kept, tensors_of_part


def pretrained(plan: Blueprint) -> Initialized:
    """The weights that pretraining left.

    What an init counts as kept it takes from here, where the body is first at hand: `numbers_kept` goes by its name.
    """
    model = plan.files.load(plan.config, plan.attention, plan.offline)
    return Initialized(model, plan.files.source, plan.files.fingerprint(plan.config), numbers_kept(plan, model))


@torch.no_grad()
def layers_shuffled(plan: Blueprint) -> Initialized:
    """The pretrained layers, each whole, in a random order that is not their own."""
    found = pretrained(plan)
    layers = next(m for m in found.model.modules() if isinstance(m, nn.ModuleList) and len(m) > 0)
    own = list(range(len(layers)))
    while (order := torch.randperm(len(layers)).tolist()) == own:
        pass  # another draw: of few layers it comes up often
    states = [{name: value.clone() for name, value in layer.state_dict().items()} for layer in layers]
    for layer, place in zip(layers, order, strict=True):
        layer.load_state_dict(states[place])
    order_said = " ".join(str(place + 1) for place in order)
    return found._replace(source=f"layers in the order {order_said} of {found.source}")


@torch.no_grad()
def position_gain(plan: Blueprint) -> Initialized:
    """The pretrained body with its position table times G: at 0 only a causal body's mask tells where a token stands.

    Raises:
        ValueError: the body has no learned position table.
    """
    found, gain = pretrained(plan), plan.numbers[0]
    for table in tensors_of_part(plan, found.model, "positions"):
        table *= gain
    return found._replace(source=f"positions times {gain:g} in {found.source}")
