"""What all commands share of a terminal: where they print, how they say what is wrong, and how they end."""

import functools
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from fpt_bench.commands.door import asked_to_end, settle_variables, with_whole_paths
from fpt_bench.report.escapes import for_terminal

WHOLE_LINES = 1000
"""Columns for what reads a table through a pipe: a row stays on one line."""


class PlainConsole(Console):
    """A terminal that only shows what it is told: names may come from files, and nothing in them acts.

    No square brackets and no colons mean a style or a picture, and controls are written out.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines: of a pipe, enough for every row, whatever COLUMNS says of the terminal behind it."""
        if self._file is None and not self.stderr and not sys.stdout.isatty():
            return ConsoleDimensions(WHOLE_LINES, 25)
        return super().size

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else for_terminal(text), style, control)


out = PlainConsole()
notes = PlainConsole(stderr=True)

FAILED = 1
WRONG_INPUT = 2
INTERRUPTED = 130
_RESUME = ("run", "bench", "learn", "fetch")
"""Commands that go on where they were stopped."""


def say(text: str) -> None:
    """Print what a program reads, as it is: no colours, no width, whatever the environment says of a terminal."""
    print(text, flush=True)


def say_json(value: Any) -> None:
    """Print a value as JSON in ASCII, which every program reads in every locale; what is no finite number is null."""
    say(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of words under their heads: to a terminal within its width, letter by letter, else a line each."""
    if sys.stdout.isatty():
        shown = Table(box=None, pad_edge=False)
        for column in columns:
            shown.add_column(column, overflow="fold")
        for row in rows:
            shown.add_row(*row)
        out.print(shown)
        return
    lines = [[" ".join(for_terminal(word).splitlines()) for word in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


def _is_out_of_memory(error: BaseException) -> bool:
    """Tell without torch, which most commands never load: its errors are RuntimeErrors, on a processor no more."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )


def says_what_is_wrong(command: Callable[..., None]) -> Callable[..., None]:
    """Turn wrong input into one sentence and exit code 2, Ctrl-C into 130, SIGTERM into 143 and SIGHUP into 129."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            with asked_to_end():
                settle_variables()
                command(*args, **with_whole_paths(kwargs))
        except (ValueError, OSError) as error:
            notes.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(WRONG_INPUT) from error
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            said = " ".join(str(error).split()) or "no more than that"
            words = f"error: not enough memory ({said}); ask for smaller batches, inputs or bodies, or fewer workers"
            notes.print(words, style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(WRONG_INPUT) from error
        except KeyboardInterrupt as error:
            more = (
                "; what is finished is kept, and the same command resumes here" if command.__name__ in _RESUME else ""
            )
            notes.print(f"stopped{more}", soft_wrap=True)
            raise typer.Exit(getattr(error, "exit_code", INTERRUPTED)) from error

    return guarded
