"""Packed tokens: the real positions of a batch one after another, so that padding costs nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Group:
    """Examples of one length, which lie side by side in the packed order."""

    start: int
    """First packed position."""
    count: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.count * self.length


class Packing:
    """Where the N real positions of a (B, T) batch lie once padding is left out and examples are sorted by length.

    Args:
        mask: (B, T) bool. True at real positions; padding on the right.

    Example:
        >>> packing = Packing(torch.tensor([[True, True, True], [True, False, False]]))
        >>> packing.pack(torch.tensor([[1, 2, 3], [4, 0, 0]])).tolist()
        [4, 1, 2, 3]
        >>> packing.last(1).tolist(), [(group.count, group.length) for group in packing.groups]
        ([0, 3], [(1, 1), (1, 3)])
    """

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask
        lengths = mask.sum(dim=1).cpu()
        order = lengths.argsort(stable=True)
        self.lengths = lengths[order]
        self.order = order.to(mask.device)
        self.rectangular = bool((lengths == mask.shape[1]).all())

    @cached_property
    def groups(self) -> list[Group]:
        """Runs of examples of equal length, shortest first."""
        groups, start = [], 0
        lengths, counts = self.lengths.unique_consecutive(return_counts=True)
        for length, count in zip(lengths.tolist(), counts.tolist(), strict=True):
            groups.append(Group(start, count, length))
            start = groups[-1].end
        return groups

    @cached_property
    def positions(self) -> Tensor:
        """Position of each packed token inside its example, (N,) int64."""
        inside = [torch.arange(group.length).repeat(group.count) for group in self.groups]
        return torch.cat(inside).to(self.mask.device)

    def pack(self, values: Tensor) -> Tensor:
        """Give the real positions of (B, T, ...) values, (N, ...), without a copy where nothing is padded."""
        if self.rectangular:
            return values.flatten(0, 1)
        return values[self.order][self.mask[self.order]]

    def last(self, count: int) -> Tensor:
        """Give the packed places of the last `count` positions of each example, (B * count,) int64, packed order.

        Raises:
            ValueError: an example is shorter.
        """
        shortest = int(self.lengths[0])
        if shortest < count:
            raise ValueError(f"expected at least {count} real positions in every sequence, got {shortest}")
        ends = self.lengths.cumsum(0).to(self.mask.device)
        return (ends[:, None] - count + torch.arange(count, device=ends.device)).flatten()

    def in_batch_order(self, values: Tensor) -> Tensor:
        """Give (B, ...) values in packed order back in the order of the batch."""
        if self.rectangular:
            return values
        return torch.empty_like(values).index_copy(0, self.order, values)

    def split(self, values: Tensor, count: int | None = None) -> Iterator[tuple[Group, Tensor]]:
        """Cut packed values group by group into (n, length, ...), or (n, count, ...) where each example has `count`."""
        start = 0
        for group in self.groups:
            rows = group.length if count is None else count
            yield group, values[start : start + group.count * rows].unflatten(0, (group.count, rows))
            start += group.count * rows
