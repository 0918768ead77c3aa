"""Where the time of a process that does a run goes: seconds by phase."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytorch_lightning.callbacks import Callback

PHASES = ("imports", "set-up", "data", "train", "validation", "test", "writing")
"""In their order. Imports are those of the process, and count for the first run that it does."""


class PhaseClock(Callback):
    """Add up the wall-clock seconds of each phase of one attempt at a run.

    Example:
        >>> clock = PhaseClock()
        >>> with clock.phase("set-up"):
        ...     pass
        >>> list(clock.seconds)
        ['set-up']
    """

    def __init__(self, imports: float = 0.0) -> None:
        self.seconds: dict[str, float] = {"imports": imports} if imports else {}
        self._since: float | None = None
        self._open = "train"

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block as a phase."""
        since = time.monotonic()
        try:
            yield
        finally:
            self._add(name, since)

    def total(self) -> dict[str, float]:
        """Return the seconds so far, to a millisecond and in the order of PHASES; those of an open one too."""
        so_far = dict(self.seconds)
        if self._since is not None:
            so_far[self._open] = so_far.get(self._open, 0.0) + time.monotonic() - self._since
        return {name: round(so_far[name], 3) for name in PHASES if name in so_far}

    def on_train_start(self, *_: Any) -> None:
        self._since = time.monotonic()

    def on_validation_start(self, *_: Any) -> None:
        self._next("train", "validation")

    def on_validation_end(self, *_: Any) -> None:
        self._next("validation", "train")

    def on_train_end(self, *_: Any) -> None:
        self._next("train", "train")
        self._since = None

    def on_exception(self, *_: Any) -> None:
        self.on_train_end()

    def _next(self, over: str, begins: str) -> None:
        """Close a phase of the training loop, and let the next one begin."""
        self._open = begins
        if self._since is not None:
            self._add(over, self._since)
            self._since = time.monotonic()

    def _add(self, name: str, since: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - since
