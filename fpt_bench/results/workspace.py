"""Where runs read and write. Nothing here changes a number."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """Folders of a run, whether it may use the network, and where its curves are logged."""

    runs: Path = Path("runs")
    data_root: Path | None = None
    offline: bool = False
    loggers: tuple[str, ...] = ("csv", "tensorboard")
    """Keys of `fpt_bench.training.loggers.LOGGERS`."""

    def absolute(self) -> "Workspace":
        """Return the same folders for a process that may work elsewhere."""
        return replace(self, runs=self.runs.resolve(), data_root=self.data_root and self.data_root.resolve())
