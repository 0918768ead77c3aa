"""The command line: `python -m fpt_bench` or `fpt-bench`. Options in, exit code out; commands are in `commands/`."""

import logging
import os
import sys
from pathlib import Path

import typer

from fpt_bench.commands.attention import attention
from fpt_bench.commands.bench import bench
from fpt_bench.commands.check import check
from fpt_bench.commands.console import says_what_is_wrong
from fpt_bench.commands.examples import examples
from fpt_bench.commands.fetch import fetch
from fpt_bench.commands.listing import list_
from fpt_bench.commands.plan import plan
from fpt_bench.commands.report import report
from fpt_bench.commands.run import run
from fpt_bench.commands.status import status
from fpt_bench.commands.table import table

app = typer.Typer(
    help="Does a transformer pretrained on language help on tasks with no language in them, and when?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for _command in (run, bench, plan, status, table, report, attention, examples, check, fetch, list_):
    app.command(name=_command.__name__.removesuffix("_"))(says_what_is_wrong(_command))


def main() -> None:
    """Run the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    # As `python -m` does it, so that `fpt-bench` too finds a task or body that lies in the working directory.
    sys.path.insert(0, str(Path.cwd()))
    # Reading a GGUF file, transformers draws a bar of its own over ours; Hugging Face's downloads still show theirs.
    os.environ.setdefault("TQDM_DISABLE", "1")
    app()
