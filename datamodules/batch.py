"""Examples as every model takes them, and a split of them held in memory."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Batch(NamedTuple):
    """Examples as every model takes them. Made of three tensors; how long each example is, is counted from the mask.

    Example:
        >>> mask = torch.tensor([[True, True], [True, False]])
        >>> Batch(torch.zeros(2, 2, 1), mask, torch.zeros(2, 1, dtype=torch.int64)).counted().lengths
        (2, 1)
    """

    inputs: Tensor
    """(B, T, D) float32, or (B, T) int64 in [0, V)."""
    mask: Tensor
    """(B, T) bool, True at real positions; padding on the right."""
    labels: Tensor
    """(B, L): int64 in [0, C) for classes, 0 or 1 for multi-label, float32 for numbers. Ragged: also IGNORED, or NaN
    among numbers."""
    lengths: tuple[int, ...] | None = None
    """Real positions of each example, known to the program; None: not counted yet."""

    def counted(self) -> "Batch":
        """Return the batch with its lengths; where the mask is on a GPU and they are not counted yet, it waits."""
        return self if self.lengths is not None else self._replace(lengths=tuple(self.mask.sum(dim=1).tolist()))

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device, its lengths counted before it leaves; pinned memory is not waited for."""
        inputs, mask, labels = (tensor.to(device, non_blocking=device.type == "cuda") for tensor in self[:3])
        return Batch(inputs, mask, labels, self.counted().lengths)

    def part(self, start: int, stop: int) -> "Batch":
        """Return the examples from `start` to before `stop`."""
        lengths = None if self.lengths is None else self.lengths[start:stop]
        return Batch(self.inputs[start:stop], self.mask[start:stop], self.labels[start:stop], lengths)


class Examples(Protocol):
    """A split held in memory: a fixed, ordered set of examples."""

    def __len__(self) -> int: ...

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        """Return the examples at `indices`, (B,) int64, in that order."""

    def fingerprint(self) -> str:
        """Return a hash of inputs and labels, in hexadecimal."""
