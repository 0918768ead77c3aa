"""Where training curves are logged while a run goes on. No logger changes a number; results need none."""

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fpt_bench.names import require_known

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

LOGS = "logs"
"""Folder of a run's logs, inside the run's own."""


def _csv(folder: Path, attempt: str) -> "Logger":
    from pytorch_lightning.loggers import CSVLogger

    return CSVLogger(folder / LOGS, name="csv", version=attempt)


def _tensorboard(folder: Path, attempt: str) -> "Logger":
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(folder / LOGS, name="tensorboard", version=attempt)


def _wandb(folder: Path, _: str) -> "Logger":
    from pytorch_lightning.loggers import WandbLogger

    (folder / LOGS).mkdir(parents=True, exist_ok=True)
    # One run of ours is one of theirs: an attempt that goes on adds to its curve.
    return WandbLogger(name=folder.name, id=folder.name, save_dir=folder / LOGS, project="fpt_bench", resume="allow")


LOGGERS: Mapping[str, Callable[[Path, str], "Logger"]] = {"csv": _csv, "tensorboard": _tensorboard, "wandb": _wandb}
"""By the name that users type: from a run's folder and the attempt's name to a logger."""

NEEDS = {"wandb": "wandb"}
"""Extra of this package, and module, that a logger needs beyond what is always installed."""


def require_loggers(names: Iterable[str]) -> tuple[str, ...]:
    """Give the names of loggers, each once, if all of them can be used here.

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


def make_loggers(names: Iterable[str], folder: Path, attempt: str) -> "list[Logger]":
    """Build the loggers of one run.

    Args:
        names: keys of LOGGERS.
        folder: the run's folder.
        attempt: name of this attempt, for loggers that keep a file for each.
    """
    return [LOGGERS[name](folder, attempt) for name in names]
