"""Longformer: BERT with attention within windows, and a position table that counts from behind its padding's row."""

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LongformerModel
from transformers.modeling_outputs import BaseModelOutput

from fpt_bench.bodies.families.bert import BERT
from fpt_bench.bodies.families.family import Family


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
        # What is filled up takes the last real position: the table has no rows beyond it.
        positions = torch.arange(length + short, device=mask.device).clamp(max=length - 1)
        found = super().forward(
            inputs_embeds=functional.pad(inputs_embeds, (0, 0, 0, short)),
            attention_mask=functional.pad(mask, (0, short)),
            position_ids=(positions + self.embeddings.padding_idx + 1).expand(size, -1),
        )
        return BaseModelOutput(last_hidden_state=found.last_hidden_state[:, :length])


LONGFORMER = Family(
    rules={**BERT.rules, r"encoder\.layer\.\d+\.attention\.self\.(query|key|value)_global\.(weight|bias)": "token"},
    reserved_positions=True,
    model_class=FedLongformer,
)
