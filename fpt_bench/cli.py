"""The command line: `python -m fpt_bench` or `fpt-bench`. Options in, exit code out; commands are in `commands/`."""

import importlib
import logging
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from fpt_bench.__main__ import working_directory_last
from fpt_bench.commands.console import says_what_is_wrong
from fpt_bench.commands.door import let_printing_never_raise

COMMANDS = {
    name: f"fpt_bench.commands.{name}"
    for name in (
        "run", "bench", "plan", "status", "table", "report", "attention", "examples", "inspect", "learn", "check",
        "judge", "compare", "pack", "fetch",
    )
} | {"list": "fpt_bench.commands.listing"}  # fmt: skip
"""Every command, in the order of the help: the module with a function of its name."""


class Commands(TyperGroup):
    """Imports a command's module when it is asked for: the others cost a tenth of a second and more."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # for the help, and the nearest of a mistyped one

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(cmd_name)(says_what_is_wrong(getattr(module, cmd_name, None) or module.list_))
        return typer.main.get_command(single)


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def fpt_bench() -> None:
    """Does a transformer pretrained on language help on tasks with no language in them, and when?"""


def main() -> None:
    """Run the command line."""
    let_printing_never_raise()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    working_directory_last()
    # Reading a GGUF file, transformers draws a bar of its own over ours; Hugging Face's downloads still show theirs.
    os.environ.setdefault("TQDM_DISABLE", "1")
    app()
