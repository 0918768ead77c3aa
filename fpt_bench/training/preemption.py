"""A process that is asked to leave: what Slurm does to a job that it preempts or whose time is up. Free of torch."""

import signal
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class PreemptedError(Exception):
    """The run was left at a checkpoint, because its process was asked to leave. It is not over, and has not failed."""


class Notice:
    """Whether this process was asked to leave, and by which signal.

    Example:
        >>> bool(Notice())
        False
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def listen(self) -> None:
        """Take note of the signals from now on, instead of whoever did so before. For the main thread only."""
        for number in SIGNALS:
            signal.signal(number, self._take)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.signal = number
