"""What all commands share of a terminal: where they print, how they say what is wrong, and how they end."""

import contextlib
import functools
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from fpt_bench.report.escapes import for_terminal


class PlainConsole(Console):
    """A terminal that only shows what it is told: names may come from files, and nothing in them acts.

    No square brackets and no colons mean a style or a picture, and controls are written out.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else for_terminal(text), style, control)


out = PlainConsole()
notes = PlainConsole(stderr=True)

FAILED = 1
WRONG_INPUT = 2
INTERRUPTED = 130
TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM: it does so as after Ctrl-C."""


def says_what_is_wrong(command: Callable[..., None]) -> Callable[..., None]:
    """Turn wrong input into one sentence and exit code 2, Ctrl-C into 130, and SIGTERM into 143."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            with _terminable():
                command(*args, **kwargs)
        except (ValueError, OSError) as error:
            notes.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(WRONG_INPUT) from error
        except KeyboardInterrupt as error:
            notes.print("stopped; what is finished is kept, and the same command resumes here", soft_wrap=True)
            raise typer.Exit(TERMINATED if isinstance(error, Terminated) else INTERRUPTED) from error

    return guarded


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Raise Terminated in the block where SIGTERM comes."""

    def end(*_: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
