"""From the weights of a Hugging Face model to those of our transformer: which tensor is which, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from fpt_bench.bodies.native.architecture import Architecture
from fpt_bench.bodies.native.transformer import Transformer


@dataclass(frozen=True)
class Layout:
    """How our transformer runs the models of one family: their shape, and what they call its tensors."""

    read_architecture: Callable[[PretrainedConfig], Architecture | None]
    """Gives None where a model has something that our transformer has not."""
    outside: Mapping[str, str]
    """Ours -> theirs, outside of blocks."""
    blocks: str
    """What the names in a block start with, with `{}` for its number."""
    inside: Mapping[str, tuple[str, ...]]
    """Module of a block -> theirs; several are joined along their outputs."""
    scales: Mapping[str, str] = field(default_factory=dict)
    """Parameters of a block that are no module's weight or bias."""
    transposed: bool = False
    """Matrices are stored as (inputs, outputs)."""


def translate(model: nn.Module, architecture: Architecture, layout: Layout) -> Transformer:
    """Return our transformer with the weights of a model.

    Raises:
        ValueError: the model has tensors that are not in the layout.
        RuntimeError: it lacks some.
    """
    theirs = dict(model.named_parameters())
    ours: dict[str, Tensor] = {}
    for name, source in layout.outside.items():
        ours |= _take(theirs, name, (source,), transposed=False)
    for number in range(architecture.layers):
        prefix = layout.blocks.format(number)
        for name, sources in layout.inside.items():
            found = tuple(prefix + source for source in sources)
            ours |= _take(theirs, f"blocks.{number}.{name}", found, layout.transposed)
        for name, source in layout.scales.items():
            ours |= _take(theirs, f"blocks.{number}.{name}", (prefix + source,), transposed=False)
    if theirs:
        kind = model.config.model_type  # type: ignore[union-attr]
        raise ValueError(f"expected the layout of {kind} to name every tensor, it does not name {min(theirs)}")
    if "segment" in ours:
        ours["segment"] = ours["segment"][0].clone()  # of the two kinds of segment, the first, as BERT does by itself
    with torch.device("meta"):
        body = Transformer(architecture, len(ours.get("position", ())))
    body.load_state_dict({name: torch.nn.Parameter(value) for name, value in ours.items()}, assign=True)
    return body


def _take(
    theirs: dict[str, torch.nn.Parameter], name: str, sources: tuple[str, ...], transposed: bool
) -> dict[str, Tensor]:
    """Move a module's weight and bias, or one tensor, out of `theirs`."""
    if sources[0] in theirs:
        return {name: theirs.pop(sources[0]).detach()}
    taken = {}
    for leaf in ("weight", "bias"):
        found = [theirs.pop(f"{source}.{leaf}").detach() for source in sources if f"{source}.{leaf}" in theirs]
        turned = [tensor.T if transposed and tensor.ndim == 2 else tensor for tensor in found]
        if turned:
            taken[f"{name}.{leaf}"] = torch.cat(turned).contiguous()
    return taken
