"""From the weights of a Hugging Face model to those of our transformer: which tensor is which, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from fpt_bench.bodies.architecture import read_architecture
from fpt_bench.bodies.transformer import Transformer


@dataclass(frozen=True)
class Layout:
    """How one family calls the tensors of our transformer."""

    outside: Mapping[str, str]
    """Ours -> theirs, outside of blocks."""
    blocks: str
    """Where a block is, with `{}` for its number."""
    inside: Mapping[str, tuple[str, ...]]
    """Module of a block -> theirs; several are joined along their outputs."""
    scales: Mapping[str, str] = field(default_factory=dict)
    """Parameters of a block that are no module's weight or bias."""
    transposed: bool = False
    """Matrices are stored as (inputs, outputs)."""


LAYOUTS: Mapping[str, Layout] = {
    "bert": Layout(
        outside={
            "position": "embeddings.position_embeddings.weight",
            "segment": "embeddings.token_type_embeddings.weight",
            "embedding_norm": "embeddings.LayerNorm",
        },
        blocks="encoder.layer.{}.",
        inside={
            "query_key_value": ("attention.self.query", "attention.self.key", "attention.self.value"),
            "attention_output": ("attention.output.dense",),
            "attention_norm": ("attention.output.LayerNorm",),
            "up": ("intermediate.dense",),
            "down": ("output.dense",),
            "feedforward_norm": ("output.LayerNorm",),
        },
    ),
    "gpt2": Layout(
        outside={"position": "wpe.weight", "final_norm": "ln_f"},
        blocks="h.{}.",
        inside={
            "attention_norm": ("ln_1",),
            "query_key_value": ("attn.c_attn",),
            "attention_output": ("attn.c_proj",),
            "feedforward_norm": ("ln_2",),
            "up": ("mlp.c_fc",),
            "down": ("mlp.c_proj",),
        },
        transposed=True,
    ),
    "llama": Layout(
        outside={"final_norm": "norm"},
        blocks="layers.{}.",
        inside={
            "attention_norm": ("input_layernorm",),
            "query_key_value": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            "attention_output": ("self_attn.o_proj",),
            "feedforward_norm": ("post_attention_layernorm",),
            "up": ("mlp.gate_proj", "mlp.up_proj"),
            "down": ("mlp.down_proj",),
        },
    ),
    "dinov2": Layout(
        outside={"position": "position_embeddings.weight", "final_norm": "layernorm"},
        blocks="encoder.layer.{}.",
        inside={
            "attention_norm": ("norm1",),
            "query_key_value": ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
            "attention_output": ("attention.o_proj",),
            "feedforward_norm": ("norm2",),
            "up": ("mlp.fc1",),
            "down": ("mlp.fc2",),
        },
        scales={"attention_scale": "layer_scale1.lambda1", "feedforward_scale": "layer_scale2.lambda1"},
    ),
    "vit": Layout(
        outside={"position": "position_embeddings.weight", "final_norm": "layernorm"},
        blocks="layers.{}.",
        inside={
            "attention_norm": ("layernorm_before",),
            "query_key_value": ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
            "attention_output": ("attention.o_proj",),
            "feedforward_norm": ("layernorm_after",),
            "up": ("mlp.fc1",),
            "down": ("mlp.fc2",),
        },
    ),
}
"""By Hugging Face's `model_type`."""


def translate(model: nn.Module) -> Transformer | None:
    """Give our transformer with the weights of a model, or None where only the model's own forward can run it.

    Raises:
        ValueError: the model has tensors that ours has no place for, or lacks some.
    """
    config: PretrainedConfig = model.config  # type: ignore[assignment]
    architecture = read_architecture(config)
    if architecture is None:
        return None
    layout = LAYOUTS[config.model_type]
    theirs = dict(model.named_parameters())
    ours: dict[str, Tensor] = {}
    for name, source in layout.outside.items():
        ours |= _take(theirs, name, (source,), transposed=False)
    for number in range(architecture.layers):
        place = layout.blocks.format(number)
        for name, sources in layout.inside.items():
            found = tuple(place + source for source in sources)
            ours |= _take(theirs, f"blocks.{number}.{name}", found, layout.transposed)
        for name, source in layout.scales.items():
            ours |= _take(theirs, f"blocks.{number}.{name}", (place + source,), transposed=False)
    if theirs:
        raise ValueError(f"expected a place for every tensor of {config.model_type}, found none for {min(theirs)}")
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
