"""`report`: results as one page and as figures."""

from pathlib import Path
from typing import Annotated

import typer

from fpt_bench.commands.console import notes, out
from fpt_bench.commands.options import Kept, MixReleases


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="folder of a bench's results; two folders are compared, before and after")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="HTML file to write; figures/, and benches/ where there are several, go beside it"
        ),
    ] = Path("report.html"),
    watch: Annotated[bool, typer.Option("--watch", help="write it again when results change, until Ctrl-C")] = False,
    kept: Kept = None,
    mix_releases: MixReleases = False,
) -> None:
    """Turn results into a page that needs no network, or an index and a page a bench; figures as PDF and PNG."""
    if len(runs) > 2 or (watch and len(runs) > 1):
        raise ValueError(f"expected one folder, or two to compare without --watch, got {len(runs)}")
    if len(runs) > 1 and kept is not None:
        raise ValueError("expected two folders to compare or --kept, got both: it would be on either side")
    from fpt_bench.report.page.compare import compare_reports
    from fpt_bench.report.page.report_page import build_report, watch_report

    if len(runs) == 2:
        compare_reports(runs[0], runs[1], output, notes, mix_releases)
    elif watch:
        if not watch_report(runs[0], output, notes, mix_releases, kept=kept):
            return
    else:
        build_report(runs[0], output, notes, mix_releases, kept=kept)
    out.print(f"report: {output}", soft_wrap=True)
