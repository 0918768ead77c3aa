"""Hugging Face's models, made to run on embeddings: each maps `inputs_embeds` and `attention_mask` to hidden states."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, LongformerModel, PretrainedConfig, PreTrainedModel, T5EncoderModel
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutput

from fpt_bench.bodies.controls import CONTROLS


class FedLongformer(LongformerModel):  # type: ignore[no-untyped-call]
    """Longformer on embeddings. No position attends globally: each sees those within half a window on either side.

    The library fills up short windows with an embedded padding word, which a body without a vocabulary has not: here
    they are filled with zeros that are masked.
    """

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None) -> BaseModelOutput:  # type: ignore[override]
        """Map (B, T, H) float and a (B, T) mask, 0 at padding, to (B, T, H)."""
        size, length = inputs_embeds.shape[:2]
        mask = inputs_embeds.new_ones(size, length, dtype=torch.long) if attention_mask is None else attention_mask
        windows: list[int] = self.config.attention_window  # type: ignore[assignment]
        short = -length % max(windows)
        # Filled places take the last real position: the table has no rows beyond it.
        places = torch.arange(length + short, device=mask.device).clamp(max=length - 1)
        found = super().forward(
            inputs_embeds=functional.pad(inputs_embeds, (0, 0, 0, short)),
            attention_mask=functional.pad(mask, (0, short)),
            position_ids=(places + self.embeddings.padding_idx + 1).expand(size, -1),
        )
        return BaseModelOutput(last_hidden_state=found.last_hidden_state[:, :length])


class FedVision(nn.Module):
    """A ViT or DINOv2 on embeddings: its blocks, its last norm and the positions of its patches.

    Cutting images into patches is left out, and so is the class token with its row of the position table: a task's
    tokens take the places of patches, row by row. What the table has too much or too little is for `positions.py`.
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
        places = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)
        hidden = self.dropout(inputs_embeds + self.position_embeddings(places))
        mask = create_bidirectional_mask(config=self.config, inputs_embeds=hidden, attention_mask=attention_mask)
        for block in self.encoder.layer if hasattr(self, "encoder") else self.layers:
            hidden = block(hidden, mask)
        return BaseModelOutput(last_hidden_state=self.layernorm(hidden))


MODELS: Mapping[str, Any] = {"t5": T5EncoderModel, "longformer": FedLongformer}
"""Classes by `model_type`, where the library's first choice is not the body: T5 has a decoder, too."""


def model_class(config: PretrainedConfig) -> Any:
    """Give the library's class, or one of ours over it, that builds and loads models of this type."""
    return MODELS.get(config.model_type, AutoModel)


def build_random(config: PretrainedConfig, attention: str) -> nn.Module:
    """Build a model with the architecture's own initializer, in float32, from torch's global generator."""
    if config.model_type in CONTROLS:
        return CONTROLS[config.model_type](config)
    chosen = model_class(config)
    build: Callable[..., nn.Module] = AutoModel.from_config if chosen is AutoModel else chosen._from_config
    return build(config, attn_implementation=attention, dtype=torch.float32)


def _without_vocabulary(model: PreTrainedModel) -> nn.Module:
    """Remove what a body fed with embeddings never runs: the vocabulary table and a sentence pooler."""
    model.set_input_embeddings(nn.Identity())
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # type: ignore[assignment]
    return model


_FED: Mapping[str, Callable[[Any], nn.Module]] = {
    "dinov2": FedVision,
    "vit": FedVision,
    **{control: lambda model: model for control in CONTROLS},
}


def feed_embeddings(model: nn.Module) -> nn.Module:
    """Give the part of a model that runs on embeddings; its forward takes `inputs_embeds` and `attention_mask`."""
    return _FED.get(model.config.model_type, _without_vocabulary)(model)  # type: ignore[union-attr, arg-type]
