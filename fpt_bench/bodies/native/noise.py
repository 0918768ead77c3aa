"""Dropout that is cheap: fresh random bits, sixteen for each number, from a generator that runs at memory speed."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fpt_bench.bodies.native import device as devices

_STEPS = 2**16


class Noise:
    """The dropout of one forward pass. All masks are independent draws; torch's global seed decides them.

    PyTorch's own dropout draws its numbers one after another on a CPU, at the cost of a fifth of a frozen
    transformer's step. Here 16 fresh bits decide each number: it is dropped with `probability` rounded to a
    multiple of 1/65,536, and what stays is scaled by the inverse of exactly what stays on average, in the
    numbers' own precision or better. On a GPU, PyTorch's own is used.

    Example:
        >>> Noise(torch.device("cpu"), seed=0).drop(torch.ones(8), 0.5).tolist()
        [2.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 2.0]
    """

    def __init__(self, device: torch.device, seed: int | None = None) -> None:
        self._bits = None if devices.on_gpu(device) else np.random.SFC64(draw_seed() if seed is None else seed)

    def drop(self, values: Tensor, probability: float) -> Tensor:
        """Zero each number with `probability` and scale the others up, so that the mean stays."""
        if probability == 0.0:
            return values
        if self._bits is None:
            return functional.dropout(values, probability)
        return values * self.factors(values.shape, probability, values.dtype)

    def factors(self, shape: torch.Size, probability: float, dtype: torch.dtype) -> Tensor:
        """Return what dropout multiplies with: 0 or 1 / (share kept), float32, or float64 for float64 values.

        Only float32 has room for the scale: 1 / 0.9 rounded to bfloat16 would be off by 0.2 % in the mean.
        """
        assert self._bits is not None, "a GPU draws its own masks"
        threshold = min(round(probability * _STEPS), _STEPS - 1)
        count = shape.numel()
        drawn = self._bits.random_raw(-(-count // 4)).view(np.int16)[:count]
        kept = torch.from_numpy(drawn).view(shape) >= threshold - _STEPS // 2
        wide = dtype if dtype == torch.float64 else torch.float32
        return kept.to(wide).mul_(_STEPS / (_STEPS - threshold))


def draw_seed() -> int:
    """Draw the seed of a `Noise` from torch's global generator."""
    return int(torch.randint(2**62, ()))
