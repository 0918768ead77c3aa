"""Where runs read and write. Nothing here changes a number, and nothing here imports torch."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """Folders of a run, whether it may use the network, and where its curves are logged."""

    runs: Path = Path("runs")
    data_root: Path | None = None
    offline: bool = False
    loggers: tuple[str, ...] = ("csv", "tensorboard")
    """Keys of `fpt_bench.loggers.LOGGERS`."""
