"""Operators that are dispatched, counted: on a GPU each of them is launched, and some are waited for."""

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fpt_bench.bodies.native import attention, packing

WAITS = ("_local_scalar_dense", "nonzero", "unique", "masked_select", "equal")
"""Operators whose result the program itself needs, so that it waits for a GPU."""
SHAPES = (
    "view",
    "_unsafe_view",
    "t",
    "transpose",
    "detach",
    "split",
    "split_with_sizes",
    "slice",
    "alias",
    "unsqueeze",
)
"""Operators that compute nothing, on no device."""


class Counting(TorchDispatchMode):
    """Counts the operators that are dispatched, by name, and those that a GPU would be waited for as `waits`."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        if function.namespace == "aten":
            self.operators[name] += 1
        by_mask = name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if name in WAITS or by_mask:
            self.waits[name] += 1
        return function(*args, **(kwargs or {}))

    @property
    def kernels(self) -> int:
        return sum(count for name, count in self.operators.items() if name not in SHAPES)


def forget_shapes() -> None:
    packing._indices.cache_clear()
    attention._before.cache_clear()
