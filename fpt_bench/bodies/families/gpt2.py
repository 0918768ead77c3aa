"""GPT-2: norms before each branch, causal attention, matrices stored as (inputs, outputs)."""

import math
from typing import Any

import torch
from transformers import PretrainedConfig

from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.native.architecture import Architecture
from fpt_bench.bodies.native.translate import Layout


def _read_architecture(config: PretrainedConfig) -> Architecture | None:
    scaled_otherwise = not config.scale_attn_weights or config.scale_attn_by_inverse_layer_idx
    if config.activation_function != "gelu_new" or scaled_otherwise:
        return None
    return Architecture.read(
        config,
        feedforward_width=config.n_inner or 4 * config.n_embd,
        norm="layer",
        norm_epsilon=config.layer_norm_epsilon,
        norm_first=True,
        causal=True,
        activation="gelu-tanh",
        embedding_dropout=config.embd_pdrop,
        attention_dropout=config.attn_pdrop,
        residual_dropout=config.resid_pdrop,
        feedforward_dropout=config.resid_pdrop,
    )


@torch.no_grad()
def _at_one_deviation(model: Any) -> None:
    """Give the last matrix of each branch the deviation of all others, 0.02.

    So it was with Lu et al. 2021, whose code names transformers 4.1.1; since 4.11 the library divides it by the root
    of the number of branches.
    """
    for block in model.h:
        for last in (block.attn.c_proj, block.mlp.c_proj):
            last.weight *= math.sqrt(2 * model.config.n_layer)


GPT2 = Family(
    redraw=_at_one_deviation,
    rules={
        r"wpe\.weight": "position",
        r"h\.\d+\.attn\.(c_attn|c_proj)\.(weight|bias)": "attention",
        r"h\.\d+\.mlp\.(c_fc|c_proj)\.(weight|bias)": "feedforward",
    },
    absent=frozenset({"token"}),
    native=Layout(
        read_architecture=_read_architecture,
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
)
