"""From a folder of results to the page and its figures; of several benches to an index and a page each."""

import base64
import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from datamodules.sources.processes import cores
from fpt_bench import __version__
from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.export import as_csv, cells_frame
from fpt_bench.analysis.plain_runs import grids_and_results
from fpt_bench.analysis.releases import require_one_release
from fpt_bench.report.figures.draw import Picture
from fpt_bench.report.figures.style import DARK, LIGHT, Look, make_looks, slug
from fpt_bench.report.page.contents import make_section
from fpt_bench.report.page.docket_panel import docket_panel
from fpt_bench.report.tables import latex
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.grids import state_of_results
from fpt_bench.results.result_files import warn_of
from fpt_bench.results.simple_records import known_records

FIGURES = "figures"
"""Folder beside the page that holds its figures as PDF and PNG."""
BENCHES = "benches"
"""Folder beside the index that holds a page a bench."""
FIRST = "headline"
"""The experiment that an index shows first."""
PIECES = ("figures", "examples", "runs")
"""What of a bench lies in a script file beside its page, where there are several benches."""
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
        mix_releases: whether one task of a bench may be of several releases of torch.
        refresh_seconds: let the open page read itself again that often while runs are missing.
        kept: another folder of results, or a packed file, for runs that are not over in `runs`.

    Raises:
        FileNotFoundError: neither a bench nor a run that is over is there, or no result of a bench.
        ValueError: no grid can be read, or the runs of one task of a bench are of several releases of torch.
    """
    benches = benches_in(runs, console, mix_releases, kept)
    refresh_seconds = refresh_seconds if any(bench.scored < bench.expected for bench in benches) else None
    if len(benches) == 1:
        made = _write_bench(benches[0], page, page, refresh_seconds)
        console.print(made.warnings, end="", markup=False, soft_wrap=True)
    else:
        _write_index(benches, page, console, refresh_seconds)
    return benches


@dataclass(frozen=True)
class BenchPage:
    """What an index says of a bench whose page is written."""

    link: str
    title: str
    question: str
    verdict: str
    made_of: str
    forest: Picture | None
    warnings: str


def _write_index(benches: list[Bench], page: Path, console: Console, refresh_seconds: int | None) -> None:
    """Write a page for each bench, all processors at it, and the index of them."""
    benches.sort(key=lambda bench: bench.grid.experiment.name != FIRST)
    (page.parent / BENCHES).mkdir(parents=True, exist_ok=True)
    jobs = [(b, page.parent / BENCHES / f"{slug(b.grid.name)}.html", page, refresh_seconds) for b in benches]
    pages = list(_in_parallel(jobs, console))
    for made in pages:
        console.print(made.warnings, end="", markup=False, soft_wrap=True)
    docket = docket_panel(benches, {made.title: made.link for made in pages}, console)
    values = {
        "title": f"Report on {len(benches)} benches",
        "made_of": _made_of(benches),
        "verdict": pages[0].verdict,
        "first": pages[0],
        "pages": pages,
        "docket": docket,
        "refresh_seconds": refresh_seconds,
        "up": "",
    }
    write_page("index.html.jinja", values, {}, page)


def _in_parallel(jobs: Sequence[tuple[Bench, Path, Path, int | None]], console: Console) -> Iterator[BenchPage]:
    """Write the pages of benches under a progress bar, and return what the index says of them, in their order."""
    with ProcessPoolExecutor(min(len(jobs), len(cores()))) as pool:
        # The slowest first, so that no processor waits for the last one.
        by_size = sorted(jobs, key=lambda job: -len(job[0].cells))
        running = {pool.submit(_write_bench, *job): job[0].grid.name for job in by_size}
        made = {}
        with Progress(console=console, transient=True) as bar:
            for done in bar.track(as_completed(running), total=len(running), description="benches drawn"):
                made[running[done]] = done.result()
    return (made[job[0].grid.name] for job in jobs)


def _write_bench(bench: Bench, page: Path, index: Path, refresh_seconds: int | None) -> BenchPage:
    """Write the page of one bench: in one file if it is the only one, else with its details in a script beside it."""
    said = io.StringIO()
    console = Console(file=said, width=10_000)
    alone, up = page == index, "" if page == index else "../"
    figures = index.parent / FIGURES
    looks = make_looks(bench.arms)
    section = make_section(bench, looks, figures, console)
    files = _write_downloads(bench, figures)
    pieces = {name: render(f"{name}.html.jinja", {"section": section, "up": up}) for name in PIECES}
    pieces = {name: html for name, html in pieces.items() if html.strip()}
    script = f"fptBenchDetails = {json.dumps(pieces)};\n"
    details = page.with_name(f"{page.stem}.details.js")
    if not alone:
        write_atomically(details, script.encode(errors="backslashreplace").decode())
    values = {
        "title": f"Report on {bench.grid.name}",
        "made_of": _made_of([bench]),
        "section": section,
        "tasks": bench.tasks,
        "pieces": pieces,
        "files": files,
        "index": None if alone else f"../{index.name}",
        "details": None if alone else details.name,
        "nonce": hashlib.sha256(script.encode(errors="backslashreplace")).hexdigest(),
        "refresh_seconds": refresh_seconds,
        "up": up,
    }
    write_page("bench.html.jinja", values, looks, page)
    link = f"{BENCHES}/{page.name}"
    return BenchPage(
        link, section.title, section.question, section.verdict, _made_of([bench]), section.forest, said.getvalue()
    )


def _write_downloads(bench: Bench, folder: Path) -> list[Path]:
    """Write a bench's table beside its figures, for a spreadsheet and for a paper."""
    stem = slug(bench.grid.name)
    texts = {f"{stem}.csv": as_csv(cells_frame(bench)), f"{stem}.tex": latex(bench)}
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [folder / name for name in texts]


def benches_in(runs: Path, console: Console, mix_releases: bool = False, kept: Path | None = None) -> list[Bench]:
    """Return the benches under a folder of runs, or its single runs as one; print what cannot be read, a sentence each.

    Raises:
        FileNotFoundError: neither a bench nor a run that is over is there.
        ValueError: no grid can be read, or the runs of one task of a bench are of several releases of torch, or of none
            of them can its scores be compared.
    """
    grids, folder, results = grids_and_results(runs, console, kept)
    if not mix_releases:
        for grid in grids.values():
            require_one_release(grid, results, folder)
    simple = known_records(folder, console, kept)
    benches, wrong = [], []
    for grid in grids.values():
        try:
            benches.append(Bench.of(grid, results, folder=folder, simple=simple))
        except ValueError as error:
            wrong.append(str(error))
    if not benches:
        raise ValueError(" ".join(wrong))
    warn_of(wrong, console)
    return benches


def write_page(template: str, values: Mapping[str, Any], looks: Mapping[str, Look], page: Path) -> None:
    """Fill a template of this folder and write the file atomically. Every value is escaped.

    A page runs its own script, which its policy knows by hash, and a file of details by a word of that file's hash.
    """
    from markupsafe import Markup

    # As a browser hashes it, whatever line ends the checkout has.
    script = "\n" + "\n".join((Path(__file__).parent / "page.js").read_text().splitlines()) + "\n"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = {"looks": list(looks.values()), "light": LIGHT, "dark": DARK, "colours": len(LIGHT)}
    shared = {"tasks": (), "details": None, "nonce": None, "script": Markup(script), "script_hash": digest}
    text = render(template, {"version": __version__, **style, **shared, **values})
    # A path need not be UTF-8, a page must be.
    write_atomically(page, text.encode(errors="backslashreplace").decode())


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template of this folder. Every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["code"] = _mark_code
    return environment.get_template(template).render(**values)


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
) -> bool:
    """Write the page again whenever results change, until Ctrl-C, which leaves a last one that stands still.

    Returns:
        Whether there was anything to write.
    """
    seen, is_written = None, False
    try:
        while True:
            now = state_of_results(runs)
            if now != seen:
                try:
                    benches = build_report(runs, page, console, mix_releases, REFRESH_SECONDS, kept)
                    is_written = True
                    console.print(f"{page}: {_made_of(benches)}", markup=False, soft_wrap=True)
                except FileNotFoundError:  # of what has begun, the first run that is over wakes this
                    if seen is None:
                        console.print(f"{runs}: no run is over yet; waiting", markup=False, soft_wrap=True)
                seen = now
            sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        if is_written:
            build_report(runs, page, console, mix_releases, kept=kept)
        console.print("stopped watching", soft_wrap=True)
    return is_written


def _made_of(benches: Sequence[Bench]) -> str:
    """Say how many runs there are, one that several benches share once."""
    expected = {run.spec.run_id for bench in benches for run in bench.grid.runs}
    scored = {r.spec.run_id for bench in benches for cell in bench.cells for r in cell.tried if r.score is not None}
    return f"{len(scored & expected)} of {len(expected)} runs have a score."
