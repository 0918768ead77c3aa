"""`pack`: results as data that travels: folders of runs and packed files in, packed files out."""

from pathlib import Path
from typing import Annotated

import typer

from fpt_bench.commands.console import notes, out
from fpt_bench.results.lines import PACKED
from fpt_bench.results.packed import pack as pack_results
from fpt_bench.results.result_files import warn_of


def pack(
    runs: Annotated[list[Path], typer.Argument(help="folders of runs and packed files, your own and others'")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help=f"NAME{PACKED} to write, or a folder: there a file an experiment")
    ],
) -> None:
    """Pack results into one file, a run a line, with predictions and grids beside it, to be kept or sent."""
    files, problems = pack_results(runs, output)
    warn_of(problems, notes)
    for path, number in files.items():
        out.print(f"{path}: {number:,} runs", soft_wrap=True, highlight=False)
