"""From a folder of results to the page and its figures."""

import contextlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from fpt_bench import __version__
from fpt_bench.analysis.cells import Bench
from fpt_bench.analysis.plain_runs import grids_and_results
from fpt_bench.analysis.releases import require_one_release
from fpt_bench.report.figures.style import DARK, LIGHT, Look, make_looks
from fpt_bench.report.page.contents import make_section
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import has_bench, state_of_results
from fpt_bench.results.simple_records import known_records

FIGURES = "figures"
"""Folder beside the page that holds its figures as PDF and PNG."""
POLL_SECONDS = 2.0
REFRESH_SECONDS = 15


def build_report(
    runs: Path,
    page: Path,
    console: Console,
    mix_releases: bool = False,
    refresh_seconds: int | None = None,
    kept: Path | None = None,
) -> list[Bench]:
    """Write the page of all benches under a folder of runs, its figures beside it, and return the benches.

    Args:
        runs: folder of results, or the tables' folder of one bench.
        page: the HTML file to write.
        console: told of what cannot be read and is left out.
        mix_releases: whether a bench may be of several releases of torch.
        refresh_seconds: let the open page read itself again that often while runs are missing.
        kept: another folder of results, or a packed file, for runs that are not over in `runs`.

    Raises:
        FileNotFoundError: neither a bench nor a run that is over is there, or no result of a bench.
        ValueError: no grid can be read, or the runs of one bench are of several releases of torch.
    """
    benches = benches_in(runs, console, mix_releases, kept)
    looks = make_looks([arm for bench in benches for arm in bench.arms])
    sections = [make_section(bench, looks, page.parent / FIGURES, console) for bench in benches]
    values = {
        "title": "Report on " + ", ".join(bench.grid.name for bench in benches),
        "made_of": _made_of(benches),
        "sections": sections,
        "refresh_seconds": refresh_seconds if any(bench.scored < bench.expected for bench in benches) else None,
    }
    write_page("report.html.jinja", values, looks, page)
    return benches


def benches_in(runs: Path, console: Console, mix_releases: bool = False, kept: Path | None = None) -> list[Bench]:
    """Return the benches under a folder of runs, or its single runs as one; print what cannot be read, a sentence each.

    Raises:
        FileNotFoundError: neither a bench nor a run that is over is there.
        ValueError: no grid can be read, or the runs of one bench are of several releases of torch.
    """
    grids, folder, results = grids_and_results(runs, console, kept)
    if not mix_releases:
        for grid in grids.values():
            require_one_release(grid, results, folder)
    simple = known_records(folder, console)
    return [Bench.of(grid, results, folder=folder, simple=simple) for grid in grids.values()]


def write_page(template: str, values: Mapping[str, Any], looks: Mapping[str, Look], page: Path) -> None:
    """Fill a template of this folder and write the file atomically. Every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["code"] = _mark_code
    style = {"looks": list(looks.values()), "light": LIGHT, "dark": DARK, "colours": len(LIGHT)}
    text = environment.get_template(template).render(version=__version__, **style, **values)
    # A path need not be UTF-8, a page must be.
    write_atomically(page, text.encode(errors="backslashreplace").decode())


def _mark_code(text: str) -> Any:
    """Return text as HTML: escaped, and what stands in backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def watch_report(
    runs: Path,
    page: Path,
    console: Console,
    mix_releases: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    kept: Path | None = None,
) -> None:
    """Write the page again whenever results change, until Ctrl-C, which leaves a last one that stands still."""
    seen: object = None
    try:
        while True:
            now = state_of_results(runs)
            if now != seen and has_bench(runs):
                seen = now
                with contextlib.suppress(FileNotFoundError):  # begun, and no run is over: its end wakes this
                    benches = build_report(runs, page, console, mix_releases, REFRESH_SECONDS, kept)
                    console.print(f"{page}: {_made_of(benches)}", markup=False, soft_wrap=True)
            elif seen is None:
                console.print(f"{runs}: no bench yet; waiting", markup=False, soft_wrap=True)
                seen = now
            sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        if has_bench(runs):
            with contextlib.suppress(FileNotFoundError):
                build_report(runs, page, console, mix_releases, kept=kept)
        console.print("stopped watching", soft_wrap=True)


def _made_of(benches: Sequence[Bench]) -> str:
    scored, expected = (sum(getattr(bench, name) for bench in benches) for name in ("scored", "expected"))
    return f"{scored} of {expected} runs have a score."
