"""What one transformer has to be told to be BERT, GPT-2, Llama, DINOv2 or ViT: differences as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from transformers import PretrainedConfig

Activation = Literal["gelu", "gelu-tanh", "silu-gated"]


@dataclass(frozen=True)
class Architecture:
    """Shape of a transformer between input layer and readout. H is its width."""

    width: int
    layers: int
    heads: int
    key_value_heads: int
    """Fewer than `heads` where several query heads share one key head."""
    head_width: int
    feedforward_width: int
    norm: Literal["layer", "rms"]
    norm_epsilon: float
    norm_first: bool
    """Norms stand before attention and feedforward, and one after the last block; else after each."""
    causal: bool
    activation: Activation
    rotary_base: float | None = None
    """Base of rotary positions; None: a learned table is added."""
    embedding_norm: bool = False
    """A norm after positions are added, and the first row of a segment table among them (BERT)."""
    layer_scale: bool = False
    """A learned factor a feature on what attention and feedforward add (DINOv2)."""
    projection_bias: bool = True
    embedding_dropout: float = 0.0
    attention_dropout: float = 0.0
    residual_dropout: float = 0.0
    feedforward_dropout: float = 0.0


def _bert(config: PretrainedConfig) -> Architecture | None:
    if config.hidden_act != "gelu" or config.is_decoder:
        return None
    return Architecture(
        width=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        key_value_heads=config.num_attention_heads,
        head_width=config.hidden_size // config.num_attention_heads,
        feedforward_width=config.intermediate_size,
        norm="layer",
        norm_epsilon=config.layer_norm_eps,
        norm_first=False,
        causal=False,
        activation="gelu",
        embedding_norm=True,
        embedding_dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        residual_dropout=config.hidden_dropout_prob,
        feedforward_dropout=config.hidden_dropout_prob,
    )


def _gpt2(config: PretrainedConfig) -> Architecture | None:
    scaled_otherwise = not config.scale_attn_weights or config.scale_attn_by_inverse_layer_idx
    if config.activation_function != "gelu_new" or scaled_otherwise:
        return None
    return Architecture(
        width=config.n_embd,
        layers=config.n_layer,
        heads=config.n_head,
        key_value_heads=config.n_head,
        head_width=config.n_embd // config.n_head,
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


def _llama(config: PretrainedConfig) -> Architecture | None:
    rotary = config.rope_parameters
    biased = config.attention_bias or config.mlp_bias
    if config.hidden_act != "silu" or rotary["rope_type"] != "default" or biased:
        return None
    return Architecture(
        width=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
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


def _vision(
    config: PretrainedConfig, feedforward_width: int, scaled: bool, residual_dropout: float
) -> Architecture | None:
    if config.hidden_act != "gelu" or not config.qkv_bias:
        return None
    return Architecture(
        width=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        key_value_heads=config.num_attention_heads,
        head_width=config.hidden_size // config.num_attention_heads,
        feedforward_width=feedforward_width,
        norm="layer",
        norm_epsilon=config.layer_norm_eps,
        norm_first=True,
        causal=False,
        activation="gelu",
        layer_scale=scaled,
        embedding_dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        residual_dropout=residual_dropout,
        feedforward_dropout=residual_dropout,
    )


def _dinov2(config: PretrainedConfig) -> Architecture | None:
    if config.use_swiglu_ffn or config.drop_path_rate:
        return None
    return _vision(config, int(config.hidden_size * config.mlp_ratio), scaled=True, residual_dropout=0.0)


def _vit(config: PretrainedConfig) -> Architecture | None:
    return _vision(config, config.intermediate_size, scaled=False, residual_dropout=config.hidden_dropout_prob)


ARCHITECTURES: Mapping[str, Callable[[PretrainedConfig], Architecture | None]] = {
    "bert": _bert,
    "gpt2": _gpt2,
    "llama": _llama,
    "dinov2": _dinov2,
    "vit": _vit,
}
"""By Hugging Face's `model_type`; None where a model has something that our transformer has not."""


def read_architecture(config: PretrainedConfig) -> Architecture | None:
    """Give the architecture of a Hugging Face model, or None where only its own forward can run it."""
    read = ARCHITECTURES.get(config.model_type)
    return read(config) if read else None
