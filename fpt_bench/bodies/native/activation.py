"""Activations of the feedforward part."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fpt_bench.bodies.native import device
from fpt_bench.bodies.native.architecture import Activation

_SLOPE, _CUBE = 2 * math.sqrt(2 / math.pi), 0.044715
AT_ONCE = 2**17
"""Numbers that are worked on at once where there are more than four times as many: each pass then finds what the one
before it wrote in a core's cache."""


class _TanhGelu(torch.autograd.Function):
    """The tanh form of GELU as x * sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3): a tanh is slow on a CPU.

    It goes through the numbers piece by piece: whole passes would spend their time on memory that is new or far.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        values = values.contiguous()
        ctx.save_for_backward(values)
        result = torch.empty_like(values)
        spare = _spare(values, 2)
        for piece, to in zip(_pieces(values), _pieces(result), strict=True):
            gate, cast = (scratch[: len(piece)] for scratch in spare)
            wide = _wide(piece, cast)
            torch.square(wide, out=gate).mul_(_SLOPE * _CUBE).add_(_SLOPE).mul_(wide).sigmoid_()
            torch.mul(gate, wide, out=to)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        gradient, result = gradients[0].contiguous(), torch.empty_like(values)
        spare = _spare(values, 4)
        for piece, above, to in zip(_pieces(values), _pieces(gradient), _pieces(result), strict=True):
            gate, rest, slope, cast = (scratch[: len(piece)] for scratch in spare)
            wide = _wide(piece, cast)
            torch.square(wide, out=slope)
            torch.mul(slope, _SLOPE * _CUBE, out=gate).add_(_SLOPE).mul_(wide).sigmoid_()
            slope.mul_(3 * _SLOPE * _CUBE).add_(_SLOPE).mul_(wide)
            torch.neg(gate, out=rest).add_(1)
            torch.mul(slope.mul_(rest).add_(1).mul_(gate), above, out=to)
        return result


def _at_once(values: Tensor) -> int:
    return AT_ONCE if values.numel() > 4 * AT_ONCE else max(values.numel(), 1)


def _pieces(values: Tensor) -> tuple[Tensor, ...]:
    pieces: tuple[Tensor, ...] = values.view(-1).split(_at_once(values))
    return pieces


def _spare(values: Tensor, count: int) -> list[Tensor]:
    """Return scratch memory for one piece, in the dtype to compute in: rounding each pass to bfloat16 would add up."""
    dtype = torch.float64 if values.dtype == torch.float64 else torch.float32
    return [values.new_empty(_at_once(values), dtype=dtype) for _ in range(count)]


def _wide(piece: Tensor, scratch: Tensor) -> Tensor:
    """Return a piece in the dtype of the scratch memory, without a copy where it has it."""
    return piece if piece.dtype == scratch.dtype else scratch.copy_(piece)


def tanh_gelu(values: Tensor) -> Tensor:
    """Return GELU in its tanh form (GPT-2), elementwise: by pieces on a CPU, by PyTorch's own operator on a GPU.

    Example:
        >>> x = torch.linspace(-3, 3, 7, dtype=torch.float64)
        >>> torch.allclose(tanh_gelu(x), functional.gelu(x, approximate="tanh"))
        True
    """
    if device.on_gpu(values.device):
        return functional.gelu(values, approximate="tanh")
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
