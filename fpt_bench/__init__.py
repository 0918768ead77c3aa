"""fpt_bench: does a transformer pretrained on language help on tasks with no language in them, and when?

For a notebook, and loaded when first asked for: `RunSpec`, `run`, `bench`, `load_results`, `results_frame`, `Bench`,
and `FPTModule` for a Trainer of your own.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.commands.notebook import bench, load_results, results_frame, run
    from fpt_bench.config.spec import RunSpec
    from fpt_bench.training.module import FPTModule

__version__ = "0.1.0"
__all__ = ["Bench", "FPTModule", "RunSpec", "bench", "load_results", "results_frame", "run"]

_LENT = {
    "Bench": "fpt_bench.analysis.benches",
    "FPTModule": "fpt_bench.training.module",
    "RunSpec": "fpt_bench.config.spec",
    **dict.fromkeys(("run", "bench", "load_results", "results_frame"), "fpt_bench.commands.notebook"),
}


def __getattr__(name: str) -> Any:
    if name in _LENT:
        return getattr(importlib.import_module(_LENT[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
