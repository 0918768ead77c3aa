"""What all commands share of a terminal: where they print, how they say what is wrong, and how they end."""

import functools
from collections.abc import Callable, Iterable
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


def says_what_is_wrong(command: Callable[..., None]) -> Callable[..., None]:
    """Turn wrong input into one sentence and exit code 2, and Ctrl-C into exit code 130."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (ValueError, OSError) as error:
            notes.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(WRONG_INPUT) from error
        except KeyboardInterrupt as error:
            notes.print("stopped; what is finished is kept, and the same command resumes here", soft_wrap=True)
            raise typer.Exit(INTERRUPTED) from error

    return guarded
