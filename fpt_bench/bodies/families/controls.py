"""Controls: bodies that nobody pretrained, as plain PyTorch modules: an LSTM, one attention layer, nothing at all."""

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.modeling_outputs import BaseModelOutput

from fpt_bench.bodies.families.family import Family
from fpt_bench.bodies.groups import BODY_GROUPS

INITIALIZER_RANGE = 0.02
"""Standard deviation of the random weights, as BERT's."""


class AttentionConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Shape of :class:`Attention`."""

    model_type = "attention"
    hidden_size: int = 384
    num_hidden_layers: int = 1
    num_attention_heads: int = 12
    max_position_embeddings: int = 512
    dropout: float = 0.0


class Attention(nn.Module):
    """One layer of attention over all positions, as in BERT but without the feedforward part.

    norm(x + attention(x)) with x the embeddings plus a learned position table.
    """

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.attention = nn.MultiheadAttention(width, config.num_attention_heads, config.dropout, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(width)
        for weight in (self.position_embeddings.weight, self.attention.in_proj_weight, self.attention.out_proj.weight):
            nn.init.normal_(weight, std=INITIALIZER_RANGE)

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None) -> BaseModelOutput:
        """Map (B, T, H) float and a (B, T) mask, 0 at padding, to (B, T, H)."""
        positions = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)
        hidden = inputs_embeds + self.position_embeddings(positions)
        padding = None if attention_mask is None else attention_mask == 0
        added, _ = self.attention(hidden, hidden, hidden, key_padding_mask=padding, need_weights=False)
        return BaseModelOutput(last_hidden_state=self.norm(hidden + self.dropout(added)))


ATTENTION = Family(
    rules={r"position_embeddings\.weight": "position", r"attention\..*": "attention"},
    absent=frozenset({"feedforward", "token"}),
    config_class=AttentionConfig,
    control=Attention,
)


class LstmConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Shape of :class:`Lstm`."""

    model_type = "lstm"
    hidden_size: int = 384
    num_hidden_layers: int = 3
    dropout: float = 0.0


class Lstm(nn.Module):
    """LSTM layers, each followed by dropout and a layer norm (Lu et al. 2021, Tables 1 and 3).

    It reads from left to right, so padding on the right reaches no real position. Weights are drawn by PyTorch's own
    initializer. The published code has its norms inside the cell, here they stand behind it: see DEVIATIONS.md.
    """

    def __init__(self, config: LstmConfig) -> None:
        super().__init__()
        self.config = config
        width, layers = config.hidden_size, config.num_hidden_layers
        self.layers = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None) -> BaseModelOutput:
        """Map (B, T, H) float to (B, T, H); the mask is not needed."""
        hidden = inputs_embeds
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = norm(self.dropout(layer(hidden)[0]))
        return BaseModelOutput(last_hidden_state=hidden)


LSTM = Family(
    # What carries information from one position to the next is to an LSTM what attention is to a transformer; what
    # acts on a position's own input is its feedforward part. A frozen LSTM so trains input, readout and norms.
    rules={r"layers\.\d+\.(weight|bias)_hh_l0": "attention", r"layers\.\d+\.(weight|bias)_ih_l0": "feedforward"},
    absent=frozenset({"position", "token"}),
    config_class=LstmConfig,
    control=Lstm,
)


class NothingConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Shape of :class:`Nothing`."""

    model_type = "nothing"
    hidden_size: int = 384
    num_hidden_layers: int = 0


class Nothing(nn.Module):
    """No body: the readout sees what the input layer gives, so no position knows of any other."""

    def __init__(self, config: NothingConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None) -> BaseModelOutput:
        """Return the (B, T, H) embeddings as they are."""
        return BaseModelOutput(last_hidden_state=inputs_embeds)


NOTHING = Family(rules={}, absent=frozenset(BODY_GROUPS), config_class=NothingConfig, control=Nothing)
