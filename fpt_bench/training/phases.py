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

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block as a phase."""
        since = time.monotonic()
        try:
            yield
        finally:
            self._add(name, since)

    def total(self) -> dict[str, float]:
        """Return the seconds so far, in the order of PHASES, to a millisecond."""
        return {name: round(self.seconds[name], 3) for name in PHASES if name in self.seconds}

    def on_train_start(self, *_: Any) -> None:
        self._since = time.monotonic()

    def on_validation_start(self, *_: Any) -> None:
        self._next("train")

    def on_validation_end(self, *_: Any) -> None:
        self._next("validation")

    def on_train_end(self, *_: Any) -> None:
        self._next("train")
        self._since = None

    def on_exception(self, *_: Any) -> None:
        self.on_train_end()

    def _next(self, over: str) -> None:
        """Close a phase of the training loop, and let the next one begin."""
        if self._since is not None:
            self._add(over, self._since)
            self._since = time.monotonic()

    def _add(self, name: str, since: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - since
