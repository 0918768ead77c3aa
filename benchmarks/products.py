"""The matrix products that a training step executes, and the least time that this machine could take for them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten

WORTH_TIMING = 0.005
"""Share of a step's work from which a shape is timed; what is left over is taken at the best rate of those timed."""
AT_ONCE = 50
"""Products that a GPU is given before it is waited for."""
CPU = torch.device("cpu")
PROBE_SECONDS = 0.004
"""A shape is multiplied again until so much time has passed, for each layout and each turn."""


@dataclass(frozen=True)
class Product:
    """The shape of one product of two matrices: (rows, inner) times (inner, columns)."""

    rows: int
    inner: int
    columns: int
    dtype: torch.dtype

    @property
    def flops(self) -> int:
        return 2 * self.rows * self.inner * self.columns


@dataclass
class Executed:
    """What one step executes.

    Attributes:
        flops: floating-point operations in products, those of attention included.
        products: how often each shape of two matrices is multiplied; attention is not among them.
    """

    flops: int = 0
    products: Counter[Product] = field(default_factory=Counter)


def count_executed(step: Callable[[], None]) -> Executed:
    """Take a step and count its products, forward and backward, where they are dispatched: what is skipped is not in.

    Numbers are those of unpadded shapes as our step executes them, recomputed scores of attention included.
    """
    executed = Executed()

    def matrices(first: Tensor, second: Tensor) -> int:
        product = Product(first.shape[0], first.shape[1], second.shape[1], first.dtype)
        executed.products[product] += 1
        return product.flops

    def mm(first: Tensor, second: Tensor, *_: Any, **__: Any) -> int:
        return matrices(first, second)

    def addmm(_: Tensor, first: Tensor, second: Tensor, *__: Any, **___: Any) -> int:
        return matrices(first, second)

    # Torch has no formula for its fused attention on CPUs, and without one counts nothing.
    def attention(query: Tensor, key: Tensor, *rest: Any, is_causal: bool = False, **_: Any) -> int:
        return 2 * _scores(query, key, rest[2] if len(rest) > 2 else is_causal)  # rest: value, dropout, causal

    def attention_backward(_: Tensor, query: Tensor, key: Tensor, *rest: Any, **__: Any) -> int:
        return 5 * _scores(query, key, rest[4])  # value, out, logsumexp, dropout come before `causal`

    formulas = {
        aten.mm: mm,
        aten.addmm: addmm,
        aten._scaled_dot_product_flash_attention_for_cpu: attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward,
    }
    for formula in formulas.values():
        formula._get_raw = True  # type: ignore[attr-defined]  # torch's word: hand over tensors, not their shapes
    with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        step()
    executed.flops = counter.get_total_flops()
    return executed


def _scores(query: Tensor, key: Tensor, causal: bool) -> int:
    """Return the operations of one product as large as the scores, queries times keys.

    Of causal attention only what the mask lets through: the kernel skips most of the rest, by blocks.
    """
    n, heads, asked, width = query.shape
    reached = key.shape[2]
    return n * heads * width * (asked * (asked + 1) if causal else 2 * asked * reached)


class Probes:
    """Times shapes of products alone, and keeps the fastest of each.

    Args:
        steps: what the steps execute that the limits are for.
        device: where they are multiplied; a GPU is timed over AT_ONCE products, which it does not wait between.
    """

    def __init__(self, steps: Iterable[Executed], device: torch.device = CPU) -> None:
        self._device = device
        self.fastest: dict[Product, float] = {}
        self._operands: dict[Product, tuple[Tensor, Sequence[Tensor], Tensor]] = {}
        for executed in steps:
            for shape, times in executed.products.items():
                if times * shape.flops >= WORTH_TIMING * executed.flops and shape not in self._operands:
                    self._operands[shape] = _operands(shape, device)

    def run(self) -> None:
        """Multiply each shape for a few milliseconds, with the second matrix stored in rows and in columns."""
        for shape, (first, layouts, out) in self._operands.items():
            for second in layouts:
                start = time.perf_counter()
                while (now := time.perf_counter()) - start < PROBE_SECONDS:
                    taken = self._seconds(first, second, out, now)
                    self.fastest[shape] = min(taken, self.fastest.get(shape, taken))

    def _seconds(self, first: Tensor, second: Tensor, out: Tensor, since: float) -> float:
        if self._device == CPU:
            torch.mm(first, second, out=out)
            return time.perf_counter() - since
        for _ in range(AT_ONCE):
            torch.mm(first, second, out=out)
        torch.cuda.synchronize(self._device)
        return (time.perf_counter() - since) / AT_ONCE


def _operands(shape: Product, device: torch.device) -> tuple[Tensor, Sequence[Tensor], Tensor]:
    def random(*size: int) -> Tensor:
        return torch.randn(size, dtype=shape.dtype, device=device)

    layouts = random(shape.inner, shape.columns), random(shape.columns, shape.inner).T
    # A result that is there already: a new one costs page faults, which are no part of the limit.
    return random(shape.rows, shape.inner), layouts, random(shape.rows, shape.columns)


def limit_seconds(executed: Executed, fastest: Mapping[Product, float]) -> float:
    """Return the time of a step's products, each shape at its best measured rate, the rest at the best of all."""
    timed = {shape: times for shape, times in executed.products.items() if shape in fastest}
    rest = executed.flops - sum(times * shape.flops for shape, times in timed.items())
    best_rate = max(shape.flops / fastest[shape] for shape in timed)
    return sum(times * fastest[shape] for shape, times in timed.items()) + rest / best_rate
