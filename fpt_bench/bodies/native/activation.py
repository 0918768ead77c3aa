"""Activations of the feedforward part."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fpt_bench.bodies.native.architecture import Activation

_SLOPE, _CUBE = 2 * math.sqrt(2 / math.pi), 0.044715


class _TanhGelu(torch.autograd.Function):
    """The tanh form of GELU as x * sigmoid(2u): the same number, without the tanh that is slow on a CPU."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        wide = values.to(_wide(values.dtype))
        return _gate(wide).mul_(wide).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (saved,) = ctx.saved_tensors
        values = saved.to(_wide(saved.dtype))
        gate = _gate(values)
        slope = values.square().mul_(3 * _SLOPE * _CUBE).add_(_SLOPE).mul_(values)
        slope.mul_(1 - gate).add_(1).mul_(gate)
        result: Tensor = slope.mul_(gradients[0]).to(saved.dtype)
        return result


def _wide(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype to compute in: rounding each pass to bfloat16 would add up."""
    return torch.promote_types(dtype, torch.float32)


def _gate(values: Tensor) -> Tensor:
    """Return sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3), in as few passes over memory as it takes."""
    return values.square().mul_(_SLOPE * _CUBE).add_(_SLOPE).mul_(values).sigmoid_()


def tanh_gelu(values: Tensor) -> Tensor:
    """Return GELU in its tanh form (GPT-2), elementwise.

    Example:
        >>> x = torch.linspace(-3, 3, 7, dtype=torch.float64)
        >>> torch.allclose(tanh_gelu(x), functional.gelu(x, approximate="tanh"))
        True
    """
    activated: Tensor = _TanhGelu.apply(values)
    return activated


def gated_silu(values: Tensor) -> Tensor:
    """Return silu(gate) * up of (..., 2F) values whose first half is the gate: (..., F)."""
    gate, up = values.chunk(2, dim=-1)
    return functional.silu(gate) * up


ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu-tanh": tanh_gelu,
    "silu-gated": gated_silu,
}
