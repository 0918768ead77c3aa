"""Packed tokens: the real positions of a batch one after another, so that padding costs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fpt_bench.bodies.native.device import to_device

SPARE_PAIRS = 20_000
"""Wasted query-key pairs accepted to merge two groups: about what a group costs."""
ROUND_ROWS, ROUND_LENGTH = 32, 8
"""Ragged batches are rounded up to such sizes: a CPU's matrix library prepares itself anew for every new shape."""
KEPT_SHAPES = 8
"""Shapes of batches whose index tensors are kept: those of training and of evaluation, and its smaller last one."""


def host_lengths(mask: Tensor, lengths: Sequence[int] | None) -> tuple[int, ...]:
    """Return the real positions of each example of a (B, T) bool mask; where they are known, nothing is read.

    Where they are not, and the mask is on a GPU, the program waits for it.
    """
    return tuple(mask.sum(dim=1).tolist() if lengths is None else lengths)


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
        return None if self.lengths[0] == self.lengths[-1] else to_device(self._real, self.device)

    @cached_property
    def _real(self) -> NDArray[np.bool_]:
        length = self.shape[1]
        return np.arange(length) >= length - np.array(self.lengths)[:, None]

    @cached_property
    def _rows(self) -> "_Rows":
        return _Rows.of(self._real, np.flatnonzero(self._real), self.device)

    def pad(self, packed: Tensor) -> Tensor:
        """Map the group's packed values to (n, T, ...); what stands in padding is finite and without a gradient."""
        values = packed if self.real is None else self._rows.spread(packed)
        return values.view(*self.shape, *packed.shape[1:])

    def unpad(self, padded: Tensor) -> Tensor:
        """Map (n, T, ...) values to packed ones."""
        values = padded.flatten(0, 1)
        return values if self.real is None else self._rows.gather(values)


@dataclass(frozen=True)
class _Rows:
    """Which rows of padded values are real ones, and where each of them goes in packed ones."""

    take: Tensor
    """Padded row of each packed one, (N,) int64."""
    back: Tensor
    """Packed row of each padded one, (n * T,) int64; of padding, any."""
    padding: Tensor
    """Padded rows that are not real, (n * T,) bool."""

    @classmethod
    def of(cls, real: NDArray[np.bool_], take: NDArray[np.int64], device: torch.device) -> "_Rows":
        """Make them of where an (n, T) array is real, and of its rows in the order in which they are packed."""
        back = np.zeros(real.size, dtype=np.int64)
        back[take] = np.arange(len(take))
        padding = np.ones(real.size, dtype=bool)
        padding[take] = False
        return cls(*(to_device(part, device) for part in (take, back, padding)))

    def gather(self, padded: Tensor) -> Tensor:
        """Map (n * T, ...) values to packed ones."""
        values: Tensor = _Take.apply(padded, self.take, self.back, self.padding)
        return values

    def spread(self, packed: Tensor) -> Tensor:
        """Map packed values to (n * T, ...); padding is finite and without a gradient."""
        values: Tensor = _Take.apply(packed, self.back, self.take, None)
        return values


class _Take(torch.autograd.Function):
    """Takes rows; its gradient takes them back, which is far cheaper than adding rows where none is taken twice."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, take: Tensor, back: Tensor, left_out: Tensor | None) -> Tensor:
        ctx.save_for_backward(back, left_out)
        return values.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        back, left_out = ctx.saved_tensors
        gradient = gradients[0].index_select(0, back)
        if left_out is not None:  # not by index: a GPU would wait to learn how many rows that are
            gradient.masked_fill_(left_out.view(-1, *(1,) * (gradient.dim() - 1)), 0)
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


@dataclass(frozen=True, eq=False)
class _Indices:
    """Index tensors of batches of one shape, made when they are first wanted."""

    lengths: tuple[int, ...]
    """Real positions of each example, as the batch has them."""
    padded: int
    """T."""
    device: torch.device
    _last: dict[int, Tensor] = field(default_factory=dict)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Example of each place of the packed order: shortest first."""
        return np.argsort(self.lengths, kind="stable")

    @cached_property
    def sorted_lengths(self) -> NDArray[np.int64]:
        return np.array(self.lengths, dtype=np.int64)[self.order]

    @cached_property
    def groups(self) -> list[Group]:
        return [Group(lengths, self.device) for lengths in grouped(self.sorted_lengths.tolist())]

    @cached_property
    def rows(self) -> _Rows:
        columns = np.arange(self.padded)
        packed = (self.order * self.padded)[:, None] + columns
        take = packed[columns < self.sorted_lengths[:, None]]
        return _Rows.of(columns < np.array(self.lengths)[:, None], take, self.device)

    @cached_property
    def places(self) -> Tensor:
        """Place in the packed order of each example, (B,) int64."""
        return to_device(np.argsort(self.order), self.device)

    @cached_property
    def positions(self) -> Tensor:
        inside = [np.arange(length) for length in self.sorted_lengths]
        return to_device(np.concatenate([*inside, np.zeros(self.spare_rows, dtype=np.int64)]), self.device)

    @property
    def rectangular(self) -> bool:
        return all(length == self.padded for length in self.lengths)

    @property
    def spare_rows(self) -> int:
        tokens = sum(self.lengths)
        return 0 if self.rectangular else _rounded_up(tokens, ROUND_ROWS) - tokens

    def last(self, count: int) -> Tensor:
        if count not in self._last:
            ends = self.sorted_lengths.cumsum()
            self._last[count] = to_device((ends[:, None] - count + np.arange(count)).ravel(), self.device)
        return self._last[count]


@lru_cache(maxsize=KEPT_SHAPES)
def _indices(lengths: tuple[int, ...], padded: int, device: torch.device) -> _Indices:
    return _Indices(lengths, padded, device)


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

    def __init__(self, mask: Tensor, lengths: Sequence[int] | None = None) -> None:
        """Take the real positions of each example as `lengths` where they are known: a GPU is then not waited for."""
        known = host_lengths(mask, lengths)
        self._indices = _indices(known, mask.shape[1], mask.device)
        self.shape = len(known), mask.shape[1]
        self.rectangular = self._indices.rectangular
        """Nothing is padded: the packed order is that of the batch, and no index is needed."""
        self.tokens = sum(known)
        self.spare_rows = self._indices.spare_rows

    @property
    def groups(self) -> list[Group]:
        """Examples that attend together, shortest first."""
        return self._indices.groups

    @property
    def positions(self) -> Tensor:
        """Position of each packed token inside its example, (N,) int64; 0 in spare rows."""
        return self._indices.positions

    def pack(self, values: Tensor) -> Tensor:
        """Return the real positions of (B, T, ...) values, (N, ...), without a copy where nothing is padded."""
        packed = values.flatten(0, 1)
        return packed if self.rectangular else self._with_spare_rows([self._indices.rows.gather(packed)])

    def add_positions(self, values: Tensor, table: Tensor) -> Tensor:
        """Add to packed (N, H) values the row of a (T or more, H) table at each token's position."""
        if not self.rectangular:
            return values + table[self.positions]
        # The table's gradient is then a plain sum, where rows taken by index would be sorted and added one by one.
        added: Tensor = values.unflatten(0, self.shape) + table[: self.shape[1]]
        return added.flatten(0, 1)

    def _with_spare_rows(self, parts: list[Tensor]) -> Tensor:
        if self.spare_rows:
            parts = [*parts, parts[0].new_zeros(self.spare_rows, *parts[0].shape[1:])]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def last(self, count: int) -> Tensor:
        """Return the packed rows of the last `count` positions of each example, (B * count,) int64, packed order.

        Raises:
            ValueError: an example is shorter.
        """
        self._require(count)
        return self._indices.last(count)

    def take_last(self, values: Tensor, count: int) -> Tensor:
        """Return the last `count` rows of each example of packed (N, ...) values, (B * count, ...), packed order.

        Raises:
            ValueError: an example is shorter.
        """
        self._require(count)
        if self.rectangular:
            by_example: Tensor = values.unflatten(0, self.shape)
            return by_example[:, self.shape[1] - count :].flatten(0, 1)
        return values.index_select(0, self.last(count))

    def _require(self, count: int) -> None:
        shortest = min(self._indices.lengths)
        if shortest < count:
            raise ValueError(f"expected at least {count} real positions in every sequence, got {shortest}")

    def in_batch_order(self, values: Tensor) -> Tensor:
        """Return (B, ...) values in packed order back in the order of the batch."""
        if self.rectangular:
            return values
        return values.index_select(0, self._indices.places)

    def split(self, values: Tensor) -> list[Tensor]:
        """Cut packed values group by group into (n, T, ...)."""
        if self.rectangular:
            return [values.unflatten(0, self.shape)]
        parts = values[: self.tokens].split([sum(group.lengths) for group in self.groups])
        return [group.pad(part) for group, part in zip(self.groups, parts, strict=True)]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the (n, T, ...) values of the groups as packed ones: undoes `split`."""
        if self.rectangular:
            return parts[0].flatten(0, 1)
        return self._with_spare_rows([group.unpad(part) for group, part in zip(self.groups, parts, strict=True)])

    def split_last(self, values: Tensor, count: int) -> list[Tensor]:
        """Cut (B * count, ...) values of `last` rows group by group into (n, count, ...)."""
        if self.rectangular:
            return [values.unflatten(0, (-1, count))]
        parts = values.split([len(group.lengths) * count for group in self.groups])
        return [part.unflatten(0, (-1, count)) for part in parts]

    def join_last(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the (n, count, ...) values of the groups as (B * count, ...) ones: undoes `split_last`."""
        rows = [part.flatten(0, 1) for part in parts]
        return rows[0] if len(rows) == 1 else torch.cat(rows)
