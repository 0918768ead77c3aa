"""ViT and DINOv2: norms before each branch, attention both ways, positions of patches, which here are tokens."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutput

from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.native.architecture import Architecture
from fpt_bench.bodies.native.translate import Layout


class FedVision(nn.Module):
    """A ViT or DINOv2 on embeddings: its blocks, its last norm and the positions of its patches.

    Cutting images into patches is left out, and so is the class token with its row of the position table: a task's
    tokens stand for patches, row by row. What the table has too much or too little is for `positions.py`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.config = model.config
        patches = model.embeddings.position_embeddings.detach()[0, 1:]
        self.position_embeddings = nn.Embedding.from_pretrained(patches.clone(), freeze=False)
        self.dropout = nn.Dropout(model.config.hidden_dropout_prob)
        # DINOv2 keeps its blocks in an encoder, ViT beside it; parameters keep the library's names.
        if hasattr(model, "encoder"):
            self.encoder: Any = model.encoder
        else:
            self.layers: Any = model.layers
        self.layernorm: nn.LayerNorm = model.layernorm

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None) -> BaseModelOutput:
        """Map (B, T, H) float and a (B, T) mask, 0 at padding, to (B, T, H)."""
        positions = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)
        hidden = self.dropout(inputs_embeds + self.position_embeddings(positions))
        mask = create_bidirectional_mask(config=self.config, inputs_embeds=hidden, attention_mask=attention_mask)
        for block in self.encoder.layer if hasattr(self, "encoder") else self.layers:
            hidden = block(hidden, mask)
        return BaseModelOutput(last_hidden_state=self.layernorm(hidden))


def _read_architecture(
    config: PretrainedConfig, feedforward_width: int, scaled: bool, residual_dropout: float
) -> Architecture | None:
    if config.hidden_act != "gelu" or not config.qkv_bias:
        return None
    return Architecture.read(
        config,
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


def _read_dinov2(config: PretrainedConfig) -> Architecture | None:
    if config.use_swiglu_ffn or config.drop_path_rate:
        return None
    return _read_architecture(config, int(config.hidden_size * config.mlp_ratio), scaled=True, residual_dropout=0.0)


def _read_vit(config: PretrainedConfig) -> Architecture | None:
    return _read_architecture(config, config.intermediate_size, False, config.hidden_dropout_prob)


_OUTSIDE = {"position": "position_embeddings.weight", "final_norm": "layernorm"}
_MATRICES = {
    "query_key_value": ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
    "attention_output": ("attention.o_proj",),
    "up": ("mlp.fc1",),
    "down": ("mlp.fc2",),
}

# Layer scales (lambda1) go with the branch whose output they multiply: they could be folded into its last matrix, and
# they normalise nothing. Lu et al. train the norms alone.
DINOV2 = Family(
    rules={
        r"position_embeddings\.weight": "position",
        r"encoder\.layer\.\d+\.attention\.[qkvo]_proj\.(weight|bias)": "attention",
        r"encoder\.layer\.\d+\.mlp\.(fc1|fc2|gate_proj|up_proj|down_proj)\.(weight|bias)": "feedforward",
        r"encoder\.layer\.\d+\.layer_scale1\.lambda1": "attention",
        r"encoder\.layer\.\d+\.layer_scale2\.lambda1": "feedforward",
    },
    absent=frozenset({"token"}),
    native=Layout(
        read_architecture=_read_dinov2,
        outside=_OUTSIDE,
        blocks="encoder.layer.{}.",
        inside={"attention_norm": ("norm1",), "feedforward_norm": ("norm2",), **_MATRICES},
        scales={"attention_scale": "layer_scale1.lambda1", "feedforward_scale": "layer_scale2.lambda1"},
    ),
    feed=FedVision,
)

VIT = Family(
    rules={
        r"position_embeddings\.weight": "position",
        r"layers\.\d+\.attention\.[qkvo]_proj\.(weight|bias)": "attention",
        r"layers\.\d+\.mlp\.(fc1|fc2)\.(weight|bias)": "feedforward",
    },
    absent=frozenset({"token"}),
    native=Layout(
        read_architecture=_read_vit,
        outside=_OUTSIDE,
        blocks="layers.{}.",
        inside={"attention_norm": ("layernorm_before",), "feedforward_norm": ("layernorm_after",), **_MATRICES},
    ),
    feed=FedVision,
)
