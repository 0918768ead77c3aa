"""One transformer for all families: packed tokens in, hidden states at the positions that are read out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fpt_bench.bodies.native.activation import ACTIVATIONS
from fpt_bench.bodies.native.architecture import Architecture
from fpt_bench.bodies.native.attention import attend, attention_weights
from fpt_bench.bodies.native.noise import Noise
from fpt_bench.bodies.native.packing import Packing

_GROUPS = {
    "position": "position",
    "segment": "token",
    "embedding_norm": "norm",
    "final_norm": "norm",
    "attention_norm": "norm",
    "feedforward_norm": "norm",
    "query_key_value": "attention",
    "attention_output": "attention",
    "attention_scale": "attention",
    "up": "feedforward",
    "down": "feedforward",
    "feedforward_scale": "feedforward",
}
"""Group of every parameter, by the name of its module."""


@dataclass(frozen=True)
class _Pass:
    """What all blocks share in one forward pass."""

    packing: Packing
    noise: Noise | None
    """None: no dropout."""
    rotation: tuple[Tensor, Tensor] | None
    """Cosine and sine of each packed position's angles, (N, 1, head width) each."""
    dtype: torch.dtype
    """Of matrix products."""
    weights: list[Tensor] | None = None
    """Where each block leaves its attention weights, for a batch of one; None: they are not kept."""

    def drop(self, values: Tensor, probability: float) -> Tensor:
        return values if self.noise is None else self.noise.drop(values, probability)


def _norm(architecture: Architecture) -> nn.Module:
    build = nn.LayerNorm if architecture.norm == "layer" else nn.RMSNorm
    return build(architecture.width, eps=architecture.norm_epsilon)


def _product(values: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Multiply in `dtype`; what is stored in it already is not copied."""
    return functional.linear(values.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype))


class Block(nn.Module):
    """Attention and feedforward with their norms, over packed tokens."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.key_width = a.key_value_heads * a.head_width
        self.query_width = a.heads * a.head_width
        gates = 2 if a.activation == "silu-gated" else 1
        self.attention_norm = _norm(a)
        self.query_key_value = nn.Linear(a.width, self.query_width + 2 * self.key_width, bias=a.projection_bias)
        self.attention_output = nn.Linear(self.query_width, a.width, bias=a.projection_bias)
        self.feedforward_norm = _norm(a)
        self.up = nn.Linear(a.width, gates * a.feedforward_width, bias=a.projection_bias)
        self.down = nn.Linear(a.feedforward_width, a.width, bias=a.projection_bias)
        self.attention_scale = nn.Parameter(torch.ones(a.width)) if a.layer_scale else None
        self.feedforward_scale = nn.Parameter(torch.ones(a.width)) if a.layer_scale else None

    def forward(self, hidden: Tensor, shared: _Pass, read: int | None) -> Tensor:
        """Map (N, H) float to (N, H), or to (B * read, H) where only each example's last `read` are wanted."""
        a = self.architecture
        kept = hidden if read is None else shared.packing.take_last(hidden, read)
        normed = self.attention_norm(hidden) if a.norm_first else hidden
        added = self._attention(normed, shared, read)
        kept = self._add(kept, added, self.attention_scale, a.residual_dropout, shared)
        kept = kept if a.norm_first else self.attention_norm(kept)
        normed = self.feedforward_norm(kept) if a.norm_first else kept
        raised = ACTIVATIONS[a.activation](_product(normed, self.up.weight, self.up.bias, shared.dtype))
        added = _product(raised, self.down.weight, self.down.bias, shared.dtype)
        kept = self._add(kept, added, self.feedforward_scale, a.feedforward_dropout, shared)
        return kept if a.norm_first else self.feedforward_norm(kept)

    @staticmethod
    def _add(kept: Tensor, added: Tensor, scale: Tensor | None, dropout: float, shared: _Pass) -> Tensor:
        """Add to the residual stream, which stays in float32."""
        return kept + shared.drop(added if scale is None else added * scale, dropout)

    def _attention(self, hidden: Tensor, shared: _Pass, read: int | None) -> Tensor:
        packing = shared.packing
        query, key, value = self._query_key_value(hidden, read, shared)
        if shared.rotation is not None:
            there = [part if read is None else packing.take_last(part, read) for part in shared.rotation]
            key = _rotate(key, *shared.rotation)
            query = _rotate(query, *there)
        dropout = 0.0 if shared.noise is None else self.architecture.attention_dropout
        queries = packing.split(query) if read is None else packing.split_last(query, read)
        keys, values = packing.split(key), packing.split(value)
        if shared.weights is not None:
            shared.weights.extend(attention_weights(queries[0], keys[0], self.architecture.causal))
        parts = [
            attend(q, k, v, self.architecture.causal, dropout, group.real)
            for group, q, k, v in zip(packing.groups, queries, keys, values, strict=True)
        ]
        mixed = packing.join(parts) if read is None else packing.join_last(parts)
        return _product(mixed, self.attention_output.weight, self.attention_output.bias, shared.dtype)

    def _query_key_value(self, hidden: Tensor, read: int | None, shared: _Pass) -> list[Tensor]:
        """Return query, key and value of packed tokens, (N, heads, head width) each; queries of the last `read`."""
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        if read is None:
            joined = _product(hidden, weight, bias, shared.dtype)
            parts = joined.split([self.query_width, self.key_width, self.key_width], dim=-1)
        else:
            ours, theirs = weight.split([self.query_width, 2 * self.key_width])
            b, c = (None, None) if bias is None else bias.split([self.query_width, 2 * self.key_width])
            query = _product(shared.packing.take_last(hidden, read), ours, b, shared.dtype)
            parts = (query, *_product(hidden, theirs, c, shared.dtype).split(self.key_width, dim=-1))
        return [part.unflatten(-1, (-1, self.architecture.head_width)) for part in parts]


class Transformer(nn.Module):
    """A transformer that is fed embeddings: BERT, GPT-2, Llama, DINOv2 and ViT are configurations of it.

    It computes what the Hugging Face model of that family computes, with fewer operations: padding is left out, the
    last block works for the positions that are read out only, frozen matrices are stored in the dtype of products.
    Its learned position table has `positions` rows; where positions are rotary, there is none.
    """

    def __init__(self, architecture: Architecture, positions: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.width = architecture.width
        self.product_dtype = torch.float32
        learned = architecture.rotary_base is None
        self.position = nn.Parameter(torch.zeros(positions, self.width)) if learned else None
        self.segment = nn.Parameter(torch.zeros(self.width)) if architecture.embedding_norm else None
        self.embedding_norm = _norm(architecture) if architecture.embedding_norm else None
        self.blocks = nn.ModuleList(Block(architecture) for _ in range(architecture.layers))
        self.final_norm = _norm(architecture) if architecture.norm_first else None

    @property
    def groups(self) -> Mapping[str, str]:
        """Group of every parameter, by name."""
        parts = {name: [part for part in name.split(".") if part in _GROUPS] for name, _ in self.named_parameters()}
        return {name: _GROUPS[found[0]] for name, found in parts.items()}

    def store_frozen(self, dtype: torch.dtype) -> None:
        """Multiply in `dtype` from now on, and store the matrices that do not learn in it, once."""
        self.product_dtype = dtype
        for layer in self.blocks.modules():
            if isinstance(layer, nn.Linear):
                for parameter in layer.parameters():
                    if not parameter.requires_grad:
                        parameter.data = parameter.data.to(dtype)

    def forward(self, embeddings: Tensor, mask: Tensor, read: int, lengths: Sequence[int] | None = None) -> Tensor:
        """Return the hidden states at the last R = `read` real positions of each example, (B, R, H) float.

        Embeddings are (B, T, H) float, the mask (B, T) bool, True at real positions; padding on the right. Where the
        mask is on a GPU, pass the real positions of each example as `lengths`, or the program waits to read them.

        Raises:
            ValueError: an example has fewer than `read` real positions.
        """
        packing = Packing(mask, lengths)
        hidden = packing.pack(embeddings)
        noise = Noise(hidden.device) if self.training and self.architecture.drops else None
        shared = _Pass(packing, noise, self._rotation(packing), self.product_dtype)
        hidden = shared.drop(self._embed(hidden, packing), self.architecture.embedding_dropout)
        for block in self.blocks[:-1]:
            hidden = block(hidden, shared, None)
        hidden = self.blocks[-1](hidden, shared, read)
        if self.final_norm is not None:
            hidden = self.final_norm(hidden)
        return packing.in_batch_order(hidden.unflatten(0, (-1, read)))

    @torch.no_grad()
    def attention_weights(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Return how much each position of one example attends to each other, without dropout.

        From (1, T, H) embeddings with t real positions, as in `forward`, to (layers, heads, t, t) float32, from
        position to position; rows sum to 1.
        """
        packing = Packing(mask)
        weights: list[Tensor] = []
        shared = _Pass(packing, None, self._rotation(packing), self.product_dtype, weights)
        hidden = self._embed(packing.pack(embeddings), packing)
        for block in self.blocks:
            hidden = block(hidden, shared, None)
        return torch.stack(weights)

    def _embed(self, hidden: Tensor, packing: Packing) -> Tensor:
        if self.position is not None:
            hidden = packing.add_positions(hidden, self.position)
        if self.segment is not None:
            hidden = hidden + self.segment
        return hidden if self.embedding_norm is None else self.embedding_norm(hidden)

    def _rotation(self, packing: Packing) -> tuple[Tensor, Tensor] | None:
        base, width = self.architecture.rotary_base, self.architecture.head_width
        if base is None:
            return None
        positions = packing.positions
        frequencies = base ** -(torch.arange(0, width, 2, device=positions.device) / width)
        angles = (positions[:, None] * frequencies).repeat(1, 2)[:, None]
        return angles.cos().to(self.product_dtype), angles.sin().to(self.product_dtype)


def _rotate(values: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the pairs (i, i + half) of (N, heads, head width) features by their position's angles."""
    first, second = values.chunk(2, dim=-1)
    return values * cosine + torch.cat((-second, first), dim=-1) * sine
