"""What lies in a folder, and how many of its records were read."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datamodules.sources.quotes import shorten


@dataclass(frozen=True)
class RecordCounts:
    """How many records a file, or the files of a split, hold, and why some of them are in no split.

    Example:
        >>> RecordCounts(12_312, {"longer than 1,024 residues": 7}).read
        12305
    """

    held: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Records that were not read, by reason; 0 where a reason came up for none."""

    @property
    def read(self) -> int:
        """Records that stand in a split."""
        return self.held - sum(self.left_out.values())


def what_lies_in(folder: Path) -> str:
    """Say in a sentence what a folder holds, two levels deep, or that it does not.

    Example:
        >>> what_lies_in(Path("/nowhere"))
        'The folder /nowhere is not there.'
    """
    if not folder.is_dir():
        return f"The folder {folder} is not there."
    shown = (path for path in [*folder.glob("*"), *folder.glob("*/*")] if not path.name.startswith("."))
    names = sorted(path.relative_to(folder).as_posix() for path in itertools.islice(shown, 1000))
    return f"In {folder} lie: {shorten(', '.join(names))}." if names else f"The folder {folder} is empty."
