"""Where training curves are logged while a run goes on. No logger changes a number; results need none."""

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpt_bench.names import require_known

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger


LOGGERS: Mapping[str, str] = {"csv": "CSVLogger", "tensorboard": "TensorBoardLogger", "wandb": "WandbLogger"}
"""By the name that users type: Lightning's class."""

NEEDS = {"wandb": "wandb"}
"""Extra of this package, and module, that a logger needs beyond what is always installed."""


def require_loggers(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of loggers, each once, if all of them can be used here.

    Raises:
        ValueError: an unknown name, or a logger whose package is not installed.
    """
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        require_known("logger", name, LOGGERS)
        extra = NEEDS.get(name)
        if extra is not None and importlib.util.find_spec(extra) is None:
            raise ValueError(f"logger {name}: its package is not installed. Run: pip install 'fpt_bench[{extra}]'")
    return chosen


def make_loggers(names: Iterable[str], logs: Path, run_id: str, attempt: str) -> "list[Logger]":
    """Build the loggers `names` of one run, which write into `logs`; some keep a file for each `attempt`."""
    from pytorch_lightning import loggers

    made = []
    for name in names:
        options: dict[str, Any] = {"save_dir": logs, "name": name, "version": attempt}
        if name == "wandb":
            logs.mkdir(parents=True, exist_ok=True)
            # One run of ours is one of theirs: an attempt that resumes adds to its curve.
            options = {"save_dir": logs, "name": run_id, "id": run_id, "project": "fpt_bench", "resume": "allow"}
        made.append(getattr(loggers, LOGGERS[name])(**options))
    return made
