"""Where runs read and write. Nothing here changes a number, and nothing here imports torch."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """Folders of a run, and whether it may use the network."""

    runs: Path = Path("runs")
    data_root: Path | None = None
    offline: bool = False
