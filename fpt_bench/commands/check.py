"""`check`: the regression gate over a folder: a bench compared with a kept table, or kept as the new baseline."""

from pathlib import Path
from typing import Annotated

import typer

from fpt_bench.commands.console import FAILED, notes, out
from fpt_bench.commands.options import Kept, MixReleases, refuse_given
from fpt_bench.config.grid import Grid
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import runs_of
from fpt_bench.results.grids import read_grids, with_results
from fpt_bench.results.result_files import read_results
from fpt_bench.results.simple_records import known_records


def check(
    context: typer.Context,
    runs: Annotated[Path, typer.Argument(help="folder of a bench's results or, of several, of one's tables")],
    baseline: Annotated[Path, typer.Option(help="JSON file to compare with")],
    renew: Annotated[bool, typer.Option("--renew", help="write the baseline instead of comparing with it")] = False,
    markdown: Annotated[Path | None, typer.Option(help="file to write a summary to, in Markdown")] = None,
    junit: Annotated[Path | None, typer.Option(help="file to write all checks to, as JUnit XML")] = None,
    kept: Kept = None,
    mix_releases: MixReleases = False,
) -> None:
    """Compare a bench's table with a kept one. Exit code 0: no regression; 1: a regression; 2: wrong input."""
    from fpt_bench.analysis.baseline import make_baseline, read_baseline, write_baseline
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.analysis.gate import check_bench
    from fpt_bench.analysis.releases import require_one_release
    from fpt_bench.report.verdict import render_junit, render_summary

    if renew:
        refuse_given(context, ("markdown", "junit"), "with --renew, which compares nothing")
    path, grid = _one_bench(runs)
    expected = None if renew else read_baseline(baseline)
    results = read_results(runs_of(path), notes, kept)
    with_results({path: grid}, results, notes)
    if not mix_releases:
        require_one_release(grid, results, runs_of(path))
    bench = Bench.of(grid, results, simple=known_records(runs_of(path), notes, kept))
    if expected is None:
        write_atomically(baseline, write_baseline(make_baseline(bench)))
        out.print(f"baseline written: {baseline}", highlight=False, soft_wrap=True)
        return
    verdict = check_bench(bench, expected)
    for file, text in ((markdown, render_summary(verdict, runs, baseline)), (junit, render_junit(verdict))):
        if file is not None:
            write_atomically(file, text)
    for line in (*verdict.problems, *verdict.explanations, verdict.line):
        out.print(line, highlight=False, soft_wrap=True)
    if verdict.problems:
        raise typer.Exit(FAILED)


def _one_bench(runs: Path) -> tuple[Path, Grid]:
    grids = read_grids(runs, notes)
    if len(grids) > 1:
        known = ", ".join(path.parent.name for path in grids)
        raise ValueError(f"{runs}: expected one bench, got {len(grids)}; name the folder of one's tables: {known}")
    return next(iter(grids.items()))
