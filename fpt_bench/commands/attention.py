"""`attention`: who attends to whom in a run's model."""

from pathlib import Path
from typing import Annotated

import typer

from fpt_bench.commands.console import out
from fpt_bench.commands.options import DataRoot, FinishedRun, Offline, Trust
from fpt_bench.results.folder import attention_picture


def attention(
    run: FinishedRun,
    example: Annotated[int, typer.Option(min=0, help="which test example, counted from 0")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="PNG, SVG or PDF to write; by default in the run's folder")
    ] = None,
    data_root: DataRoot = None,
    offline: Offline = False,
    trust: Trust = False,
) -> None:
    """Draw who attends to whom, layer by head, in a run's model and in the same body at random."""
    from fpt_bench.report.figures.attention_panels import save_attention
    from fpt_bench.training.attention_maps import maps_of_run

    path = output or attention_picture(run, example)
    maps = maps_of_run(run, example, data_root, offline, trust)
    save_attention(maps, f"{run.resolve().name}, test example {example}", path)
    for shown in maps:
        out.print(shown.title, soft_wrap=True)
    out.print(f"attention: {path}", soft_wrap=True)
