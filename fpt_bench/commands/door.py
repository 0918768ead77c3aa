"""What comes from a shell, made good once where a command begins: paths, variables, signals, and its output."""

import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datamodules.sources.downloads import DATA_VARIABLE
from fpt_bench.config.places import expanded

FOLDERS = (DATA_VARIABLE, "XDG_CACHE_HOME")
"""Variables that name a folder of ours; those of libraries are read by these."""
SENTENCE_SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
"""By what a command is asked to end, and the exit code that says so."""
_GONE = {errno.EPIPE, errno.ECONNRESET, errno.EIO, errno.EBADF}
"""A reader that has ended, a terminal that was closed."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end by a signal; it does so as after Ctrl-C."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.exit_code = SENTENCE_SIGNALS[signal.Signals(number)]


def with_whole_paths(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a command's arguments with `~` in every path as the folder that it stands for.

    Raises:
        ValueError: nobody knows that folder; the message names the option.
    """
    whole = {}
    for name, value in arguments.items():
        try:
            whole[name] = _expanded(value)
        except ValueError as error:
            raise ValueError(f"--{name.replace('_', '-')} {error}") from error
    return whole


def _expanded(value: Any) -> Any:
    if isinstance(value, Path):
        return expanded(value)
    return [_expanded(part) for part in value] if isinstance(value, list) else value


def settle_variables() -> None:
    """Make the folders that variables name absolute, so that every process takes them for the same ones.

    Raises:
        ValueError: nobody knows the folder; the message names the variable.
    """
    for name in FOLDERS:
        if said := os.environ.get(name):
            try:
                os.environ[name] = os.path.abspath(expanded(said))  # noqa: PTH100 - a link keeps its own name
            except ValueError as error:
                raise ValueError(f"{name}={error}") from error


@contextlib.contextmanager
def asked_to_end() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block where SIGINT comes, and Terminated where SIGTERM or SIGHUP does.

    However the process was started: a shell has what runs in the background of a script ignore SIGINT. After `nohup`
    SIGHUP stays ignored, which is what it is for.
    """

    def end(number: int, _: object) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Terminated(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in SENTENCE_SIGNALS if number != signal.SIGHUP or _is_heard(number)]
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _is_heard(number: signal.Signals) -> bool:
    return signal.getsignal(number) is not signal.SIG_IGN


class _Patient(io.FileIO):
    """A file descriptor that bears a reader who has gone: what is printed then is lost, and nothing else is."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return len(memoryview(data).cast("B"))


def let_printing_never_raise() -> None:
    """Have stdout and stderr bear letters that they cannot write, a reader who has gone, and no reader at all."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8", errors="replace"))  # noqa: SIM115 - for as long as we live
            continue
        try:
            descriptor = stream.fileno()
        except (AttributeError, OSError, ValueError):  # a test's
            continue
        stream.flush()
        raw = io.BufferedWriter(_Patient(descriptor, "wb", closefd=False))
        whole = stream.line_buffering or name == "stderr"
        setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, "backslashreplace", line_buffering=whole))
