"""The command line: `python -m fpt_bench` or `fpt-bench`. Options in, exit code out; commands are in `commands/`."""

import contextlib
import importlib
import logging
import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fpt_bench import __version__
from fpt_bench.__main__ import working_directory_last
from fpt_bench.commands.console import out, says_what_is_wrong
from fpt_bench.commands.door import let_printing_never_raise

COMMANDS = {
    name: f"fpt_bench.commands.{name}"
    for name in (
        "run", "bench", "plan", "status", "table", "report", "attention", "examples", "inspect", "learn", "check",
        "judge", "compare", "pack", "fetch",
    )
} | {"list": "fpt_bench.commands.listing"}  # fmt: skip
"""Every command, in the order of the help: the module with a function of its name."""


@contextlib.contextmanager
def _loading(is_shown: bool) -> Iterator[None]:
    """Let a terminal say that it is loading while the block runs; what comes after stands in its place."""
    if not is_shown:
        yield
        return
    sys.stderr.write("loading ...")
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()


class Commands(TyperGroup):
    """Imports a command's module when it is asked for: the others cost a tenth of a second and more."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # for the help, and the nearest of a mistyped one

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        with _loading(is_shown=sys.stderr.isatty() and not ctx.resilient_parsing):
            module = importlib.import_module(COMMANDS[cmd_name])
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(cmd_name)(says_what_is_wrong(getattr(module, cmd_name, None) or module.list_))
        return typer.main.get_command(single)


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        out.print(f"fpt_bench {__version__}, Python {platform.python_version()}, torch {metadata.version('torch')}")
        raise typer.Exit


@app.callback()
def fpt_bench(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="say the version, and torch's")
    ] = False,
) -> None:
    """Does a transformer pretrained on language help on tasks with no language in them, and when?"""


def main() -> None:
    """Run the command line."""
    let_printing_never_raise()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    working_directory_last()
    # Loading weights, transformers draws bars of its own over ours; Hugging Face's downloads still show theirs.
    os.environ.setdefault("TQDM_DISABLE", "1")
    app()
