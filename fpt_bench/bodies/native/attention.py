"""Softmax attention over examples of one length: exact in every path, and each path used where it is the fast one."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from fpt_bench.bodies.native import device as devices
from fpt_bench.bodies.native.noise import Noise, draw_seed

LONG = 512
"""Keys above which scores are not kept for the backward pass but computed again, chunk by chunk."""
CHUNK = 256
"""Queries whose scores are held at once beyond that length."""


def attend(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, dropout: float, real: Tensor | None = None
) -> Tensor:
    """Attend from the last M of T positions to all T, or to those not after them.

    PyTorch's fused attention where it is fast: on a GPU, and on a CPU without dropout, with which it keeps all scores,
    unless short sequences in bfloat16 ask for a gradient: its backward pass is then ten times slower than products.

    Args:
        query: (n, M, heads, head width) float.
        key: (n, T, key heads, head width) float; heads are a multiple of key heads.
        value: like `key`.
        causal: whether a position sees only itself and those before it.
        dropout: probability to drop a weight of the attention.
        real: (n, T) bool. False at positions that nobody attends to, before the real ones; None: there are none.

    Returns:
        (n, M, heads * head width), finite also at positions that are not real, in the dtype of `query`.
    """
    asked, reached = query.shape[1], key.shape[1]
    by_products = query.dtype == torch.bfloat16 and reached <= LONG and _ask_gradient(query, key, value)
    if devices.on_gpu(query.device) or (dropout == 0.0 and not by_products):
        return _fused(query, key, value, causal, dropout, real)
    if reached <= LONG:
        return _written_out(query, key, value, causal, dropout, _draw_seed(dropout), real)
    parts = []
    for start in range(0, asked, CHUNK):
        stop = min(start + CHUNK, asked)
        seen = reached - asked + stop if causal else reached
        part = (query[:, start:stop], key[:, :seen], value[:, :seen])
        # The seed goes in by value, so that the second pass draws the masks of the first.
        known = None if real is None else real[:, :seen]
        parts.append(checkpoint(_written_out, *part, causal, dropout, _draw_seed(dropout), known, use_reentrant=False))
    return torch.cat(parts, dim=1)


def _ask_gradient(*inputs: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)


def _draw_seed(dropout: float) -> int:
    """Return the seed of the masks; drawn only where there are any, since drawing one takes as long as a product."""
    return draw_seed() if dropout else 0


def _fused(query: Tensor, key: Tensor, value: Tensor, causal: bool, dropout: float, real: Tensor | None) -> Tensor:
    asked, reached = query.shape[1], key.shape[1]
    by_flag = causal and asked == reached and real is None
    visible = None if by_flag else _visible(asked, reached, causal, real, query.device)
    q, k, v = (tensor.transpose(1, 2) for tensor in (query, key, value))
    visible = None if visible is None else visible[:, None]
    shares_keys = q.shape[1] != k.shape[1]
    out = functional.scaled_dot_product_attention(q, k, v, visible, dropout, is_causal=by_flag, enable_gqa=shares_keys)
    return out.transpose(1, 2).flatten(2)


def attention_weights(query: Tensor, key: Tensor, causal: bool) -> Tensor:
    """Return how much each of the last M positions attends to each of T, (n, heads, M, T) float32; rows sum to 1.

    The arguments are those of :func:`attend`.
    """
    n, asked, heads, _ = query.shape
    return _weigh(query, key, causal, None).reshape(n, heads, asked, key.shape[1])


def _weigh(query: Tensor, key: Tensor, causal: bool, real: Tensor | None) -> Tensor:
    """Return the weights with the queries of one key head side by side, (n * key heads, heads / key heads * M, T)."""
    n, asked, heads, width = query.shape
    reached, key_heads = key.shape[1:3]
    shared = heads // key_heads
    # Query heads that share a key head become more queries of that head: keys are never copied.
    q = query.unflatten(2, (key_heads, shared)).permute(0, 2, 3, 1, 4).reshape(n * key_heads, shared * asked, width)
    k = key.transpose(1, 2).reshape(n * key_heads, reached, width)
    scores = torch.baddbmm(q.new_empty(()), q, k.transpose(1, 2), beta=0, alpha=1 / math.sqrt(width))
    visible = _visible(asked, reached, causal, real, query.device)
    if visible is not None:
        apart = scores.view(-1, key_heads, shared, asked, reached)
        scores = apart.masked_fill(~visible[:, None, None], -math.inf).view_as(scores)
    # In bfloat16 weights would not sum to one, and their gradient, a difference of sums, would be off by twice as much.
    return scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))


def _written_out(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, dropout: float, seed: int, real: Tensor | None
) -> Tensor:
    n, asked, heads, width = query.shape
    reached, key_heads = key.shape[1:3]
    v = value.transpose(1, 2).reshape(n * key_heads, reached, width)
    weights = Noise(query.device, seed).drop(_weigh(query, key, causal, real), dropout).to(query.dtype)
    out = torch.bmm(weights, v).view(n, key_heads, heads // key_heads, asked, width)
    return out.permute(0, 3, 1, 2, 4).reshape(n, asked, heads * width)


def _visible(asked: int, reached: int, causal: bool, real: Tensor | None, device: torch.device) -> Tensor | None:
    """Return which of T positions each of the last M may see, (n or 1, M, T) bool; None: all."""
    if not causal or asked == 1:  # the last position sees all
        return None if real is None else real[:, None]
    before = _before(asked, reached, device)
    if real is None:
        return before
    # Padding sees all: a row without anything to see would be NaN, and nobody looks at what padding sees.
    return (before & real[:, None]) | ~real[:, reached - asked :, None]


@lru_cache(maxsize=8)
def _before(asked: int, reached: int, device: torch.device) -> Tensor:
    """Return which positions are not after each of the last M, (1, M, T) bool; made once for all layers and steps."""
    with torch.inference_mode(False):  # a mask made in a validation serves training, too
        return torch.ones(1, asked, reached, dtype=torch.bool, device=device).tril(reached - asked)
