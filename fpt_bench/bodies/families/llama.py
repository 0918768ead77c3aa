"""Llama: RMS norms before each branch, rotary positions, gated feedforward, heads that share keys; and its kin."""

from dataclasses import replace

from transformers import PretrainedConfig

from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.native.architecture import Architecture
from fpt_bench.bodies.native.translate import Layout


def _read_architecture(config: PretrainedConfig) -> Architecture | None:
    rotary = config.rope_parameters
    biased = config.attention_bias or config.mlp_bias
    if config.hidden_act != "silu" or rotary["rope_type"] != "default" or biased:
        return None
    return Architecture.read(
        config,
        key_value_heads=config.num_key_value_heads,
        head_width=config.head_dim,
        feedforward_width=config.intermediate_size,
        norm="rms",
        norm_epsilon=config.rms_norm_eps,
        norm_first=True,
        causal=True,
        activation="silu-gated",
        rotary_base=rotary["rope_theta"],
        projection_bias=False,
        attention_dropout=config.attention_dropout,
    )


LLAMA = Family(
    rules={
        r"layers\.\d+\.self_attn\.(q_proj|k_proj|v_proj|o_proj)\.(weight|bias)": "attention",
        r"layers\.\d+\.mlp\.(gate_proj|up_proj|down_proj)\.(weight|bias)": "feedforward",
    },
    absent=frozenset({"position", "token"}),
    native=Layout(
        read_architecture=_read_architecture,
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
)

NAMED_LIKE_LLAMA = replace(LLAMA, native=None)
"""Mistral and Qwen2: windows of attention, or biases of some projections only, are not in our transformer."""
