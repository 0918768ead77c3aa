"""Bodies that run through Hugging Face's own forward: the oracle of ours, and the way for every other architecture."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from fpt_bench.bodies.native.packing import host_lengths


class HuggingFaceBody(nn.Module):
    """A Hugging Face transformer, or a control, that is fed embeddings: it owns no vocabulary table.

    The model has a `config`, its forward takes `inputs_embeds` and `attention_mask`; `groups` go by name inside it.
    """

    def __init__(self, model: nn.Module, groups: Mapping[str, str]) -> None:
        super().__init__()
        self.model = model
        self.groups = {f"model.{name}": group for name, group in groups.items()}
        self.width: int = model.config.hidden_size  # type: ignore[union-attr, assignment]

    def train(self, mode: bool = True) -> Self:
        """Set the mode; what keeps running statistics stays in evaluation: a checkpoint would not hold them."""
        super().train(mode)
        for module in self.model.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase) or hasattr(module, "running_mean"):
                module.eval()
        return self

    def forward(self, embeddings: Tensor, mask: Tensor, read: int, lengths: Sequence[int] | None = None) -> Tensor:
        """Map (B, T, H) float embeddings and a (B, T) bool mask to the last `read` hidden states, (B, R, H).

        `lengths`, the real positions of each example, spare waiting for a GPU to say them.
        """
        known = host_lengths(mask, lengths)
        attention_mask = None if min(known) == mask.shape[1] else mask.long()
        hidden = self.model(inputs_embeds=embeddings, attention_mask=attention_mask).last_hidden_state
        return read_out(hidden, mask, read, known)

    @torch.no_grad()
    def attention_weights(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Return the attention weights of one example, (layers, heads, t, t) float32, as `Transformer` returns them.

        Raises:
            ValueError: the model has no attention, or gives no weights of it.
        """
        model: Any = self.model
        without = f"expected a body with attention, {type(model).__name__} has none to show"
        if not hasattr(model, "set_attn_implementation"):
            raise ValueError(without)
        usual, real = model.config._attn_implementation, int(mask.sum())
        try:
            model.set_attn_implementation("eager")  # the only one that leaves weights behind
            given = model(inputs_embeds=embeddings[:, :real], output_attentions=True).attentions
        except TypeError as error:  # a forward of its own
            raise ValueError(without) from error
        finally:
            model.set_attn_implementation(usual)
        if not given or any(weights is None for weights in given):
            raise ValueError(without)
        return torch.cat(given).float()


def read_out(hidden: Tensor, mask: Tensor, count: int, lengths: Sequence[int] | None = None) -> Tensor:
    """Select the last `count` real positions of each sequence.

    From (B, T, H) float and a (B, T) bool mask, padding on the right, to (B, R, H) float, in input order; R = `count`.
    `lengths` are the mask's, where they are known.

    Raises:
        ValueError: a sequence has fewer than `count` real positions.

    Example:
        >>> hidden = torch.arange(4.).reshape(1, 4, 1)
        >>> read_out(hidden, torch.tensor([[True, True, True, False]]), 2).flatten().tolist()
        [1.0, 2.0]
    """
    shortest = min(host_lengths(mask, lengths))
    if shortest < count:
        raise ValueError(f"expected at least {count} real positions in every sequence, got {shortest}")
    indices = mask.sum(dim=1)[:, None] - count + torch.arange(count, device=hidden.device)
    return hidden.gather(1, indices[:, :, None].expand(-1, -1, hidden.shape[-1]))
