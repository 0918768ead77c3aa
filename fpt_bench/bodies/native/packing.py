"""Packed tokens: the real positions of a batch one after another, so that padding costs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

SPARE_PAIRS = 20_000
"""Wasted query-key pairs accepted to merge two groups: about what a group costs."""
ROUND_ROWS, ROUND_LENGTH = 32, 8
"""Ragged batches are rounded up to such sizes: a CPU's matrix library prepares itself anew for every new shape."""


@dataclass(frozen=True)
class Group:
    """Examples of about one length, which lie side by side in the packed order and are attended to together.

    Shorter ones are padded on the left for that, so that last positions, which may be read out, lie in one column.
    """

    lengths: tuple[int, ...]
    """Of the examples, in ascending order."""
    device: torch.device

    @property
    def shape(self) -> tuple[int, int]:
        """Count n of examples and the length T that they are padded to."""
        alike = self.lengths[0] == self.lengths[-1]
        return len(self.lengths), self.lengths[-1] if alike else _rounded_up(self.lengths[-1], ROUND_LENGTH)

    @cached_property
    def real(self) -> Tensor | None:
        """Where the padded examples have positions, (n, T) bool; None: all are of one length."""
        if self.lengths[0] == self.lengths[-1]:
            return None
        length = self.shape[1]
        first = length - torch.tensor(self.lengths)
        return (torch.arange(length) >= first[:, None]).to(self.device)

    @cached_property
    def _rows(self) -> tuple[Tensor, Tensor]:
        """Packed row that each padded row takes, any for padding, and the padded row of each packed one."""
        assert self.real is not None, "nothing is padded"
        real = self.real.flatten()
        return (real.cumsum(0) - 1).clamp(min=0), real.nonzero().flatten()

    def pad(self, packed: Tensor) -> Tensor:
        """Map the group's packed values to (n, T, ...); what stands in padding is finite and without a gradient."""
        values: Tensor = packed if self.real is None else _Rows.apply(packed, *self._rows, None)
        return values.view(*self.shape, *packed.shape[1:])

    def unpad(self, padded: Tensor) -> Tensor:
        """Map (n, T, ...) values to packed ones."""
        values: Tensor = padded.flatten(0, 1)
        return values if self.real is None else _Rows.apply(values, *reversed(self._rows), self.real.flatten())


class _Rows(torch.autograd.Function):
    """Takes rows; its gradient takes them back, which is far cheaper than adding rows where none is taken twice."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, take: Tensor, back: Tensor, taken: Tensor | None) -> Tensor:
        ctx.save_for_backward(back, taken)
        return values.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        back, taken = ctx.saved_tensors
        gradient = gradients[0].index_select(0, back)
        if taken is not None:
            gradient[~taken] = 0
        return gradient, None, None, None


def _rounded_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def grouped(lengths: Sequence[int]) -> list[tuple[int, ...]]:
    """Cut ascending lengths into groups to attend to together, each at the cost of at most SPARE_PAIRS wasted pairs.

    Example:
        >>> grouped([9, 10, 10, 500, 600, 600])
        [(9, 10, 10), (500,), (600, 600)]
    """
    groups: list[list[int]] = []
    spared = 0
    for length in reversed(lengths):
        spared += 0 if not groups else groups[-1][0] ** 2 - length**2
        if not groups or spared > SPARE_PAIRS:
            groups.append([])
            spared = 0
        groups[-1].append(length)
    return [tuple(reversed(group)) for group in reversed(groups)]


class Packing:
    """Where the real positions of a (B, T) batch lie once padding is left out and examples are sorted by length.

    The (B, T) bool mask is True at real positions; padding is on the right. A ragged batch has a few spare rows of
    zeros after them, up to a round number N of rows.

    Example:
        >>> packing = Packing(torch.tensor([[True, True, True], [True, False, False]]))
        >>> packing.pack(torch.tensor([[1, 2, 3], [4, 0, 0]])).tolist()
        [4, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        >>> packing.last(1).tolist(), [group.lengths for group in packing.groups]
        ([0, 3], [(1, 3)])
    """

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask
        lengths = mask.sum(dim=1).cpu()
        order = lengths.argsort(stable=True)
        self.lengths = lengths[order]
        self.order = order.to(mask.device)
        self.rectangular = bool((lengths == mask.shape[1]).all())
        self.tokens = int(lengths.sum())
        self.spare_rows = 0 if self.rectangular else _rounded_up(self.tokens, ROUND_ROWS) - self.tokens

    @cached_property
    def groups(self) -> list[Group]:
        """Examples that attend together, shortest first."""
        return [Group(lengths, self.mask.device) for lengths in grouped(self.lengths.tolist())]

    @cached_property
    def positions(self) -> Tensor:
        """Position of each packed token inside its example, (N,) int64; 0 in spare rows."""
        inside = [torch.arange(length) for length in self.lengths.tolist()]
        return torch.cat([*inside, torch.zeros(self.spare_rows, dtype=torch.int64)]).to(self.mask.device)

    def pack(self, values: Tensor) -> Tensor:
        """Return the real positions of (B, T, ...) values, (N, ...), without a copy where nothing is padded."""
        if self.rectangular:
            return values.flatten(0, 1)
        return self._with_spare_rows([values[self.order][self.mask[self.order]]])

    def _with_spare_rows(self, parts: list[Tensor]) -> Tensor:
        if self.spare_rows:
            parts = [*parts, parts[0].new_zeros(self.spare_rows, *parts[0].shape[1:])]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def last(self, count: int) -> Tensor:
        """Return the packed rows of the last `count` positions of each example, (B * count,) int64, packed order.

        Raises:
            ValueError: an example is shorter.
        """
        shortest = int(self.lengths[0])
        if shortest < count:
            raise ValueError(f"expected at least {count} real positions in every sequence, got {shortest}")
        ends = self.lengths.cumsum(0).to(self.mask.device)
        return (ends[:, None] - count + torch.arange(count, device=ends.device)).flatten()

    def in_batch_order(self, values: Tensor) -> Tensor:
        """Return (B, ...) values in packed order back in the order of the batch."""
        if self.rectangular:
            return values
        return torch.empty_like(values).index_copy(0, self.order, values)

    def split(self, values: Tensor) -> list[Tensor]:
        """Cut packed values group by group into (n, T, ...)."""
        parts = values[: self.tokens].split([sum(group.lengths) for group in self.groups])
        return [group.pad(part) for group, part in zip(self.groups, parts, strict=True)]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the (n, T, ...) values of the groups as packed ones: undoes `split`."""
        return self._with_spare_rows([group.unpad(part) for group, part in zip(self.groups, parts, strict=True)])

    def split_last(self, values: Tensor, count: int) -> list[Tensor]:
        """Cut (B * count, ...) values of `last` rows group by group into (n, count, ...)."""
        parts = values.split([len(group.lengths) * count for group in self.groups])
        return [part.unflatten(0, (-1, count)) for part in parts]
