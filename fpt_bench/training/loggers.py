"""Where training curves are logged while a run goes on. No logger changes a number; results need none."""

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpt_bench.config.plugins import import_attribute
from fpt_bench.names import require_known

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from fpt_bench.results.result import RunResult


LOGGERS: Mapping[str, str] = {
    "csv": "pytorch_lightning.loggers:CSVLogger",
    "tensorboard": "pytorch_lightning.loggers:TensorBoardLogger",
    "wandb": "fpt_bench.training.wandb_logger:OneRunLogger",
    "trackio": "fpt_bench.training.trackio_logger:TrackioLogger",
}
"""By the name that users type: the class."""

NEEDS = {"wandb": "wandb", "trackio": "trackio"}
"""Extra of this package, and module, that a logger needs beyond what is always installed."""


PROJECT = "fpt_bench"
"""What our runs are kept under by those that keep runs of several projects."""


def require_loggers(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of loggers, each once, if all of them can be used here.

    Raises:
        ValueError: an unknown name, or a logger whose package is not installed.
    """
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        require_known("logger", name, LOGGERS)
        extra = NEEDS.get(name)
        spec = None if extra is None else importlib.util.find_spec(extra)
        # A bare folder of that name, as wandb leaves behind, can be imported, too, and is no package.
        if extra is not None and (spec is None or spec.origin is None):
            raise ValueError(f"logger {name}: its package is not installed. Run: pip install 'fpt_bench[{extra}]'")
    return chosen


def make_loggers(names: Iterable[str], logs: Path, run_id: str, attempt: str) -> "list[Logger]":
    """Build the loggers `names` of one run, which write into `logs`; some keep a file for each `attempt`."""
    made = []
    for name in names:
        options: dict[str, Any] = {"save_dir": logs, "name": name, "version": attempt}
        if name == "tensorboard":
            options |= {"default_hp_metric": False}
        elif name == "trackio":
            options = {"project": PROJECT, "name": run_id}
        elif name == "wandb":
            logs.mkdir(parents=True, exist_ok=True)
            # One run of ours is one of theirs: an attempt that resumes adds to its curve.
            options = {"save_dir": logs, "name": run_id, "id": run_id, "project": PROJECT, "resume": "allow"}
        made.append(import_attribute("logger", LOGGERS[name])(**options))
    return made


def log_final_scores(loggers: "Iterable[Logger]", result: "RunResult") -> None:
    """Give every logger what a run came to, as `final/...`, at its last step."""
    scores = {
        **{name: getattr(result, f"{name}_score") for name in ("validation", "train", "test")},
        **result.other_scores,
        "floor": result.floor,
        "best_step": result.best_step,
        "seconds": result.seconds,
    }
    final = {f"final/{name}": float(value) for name, value in scores.items() if value is not None}
    for logger in loggers:
        logger.log_metrics(final, step=result.curve[-1][0] if result.curve else 0)
        logger.save()
        logger.finalize("success" if result.status == "ok" else "failed")
