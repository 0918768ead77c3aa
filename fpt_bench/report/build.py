"""From a folder of results to the page and its figures."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from fpt_bench import __version__
from fpt_bench.bench import TABLES
from fpt_bench.render import GRID_FILE
from fpt_bench.report.contents import make_section
from fpt_bench.report.reading import Bench, read_benches
from fpt_bench.report.style import DARK, LIGHT, Look, make_looks
from fpt_bench.results import RESULT_FILE, write_atomically

FIGURES = "figures"
"""Folder beside the page that holds its figures as PDF and PNG."""
POLL_SECONDS = 2.0
REFRESH_SECONDS = 15


def build_report(runs: Path, page: Path, console: Console, refresh_seconds: int | None = None) -> list[Bench]:
    """Write the page of all benches under a folder of runs, its figures beside it, and give the benches.

    Args:
        runs: folder of results, or the tables' folder of one bench.
        page: the HTML file to write.
        console: told of results that cannot be read.
        refresh_seconds: let the open page read itself again that often while runs are missing.

    Raises:
        FileNotFoundError: no bench is there.
        ValueError: a grid file that is none.
    """
    benches = read_benches(runs, console)
    looks = make_looks([arm for bench in benches for arm in bench.arms])
    sections = [make_section(bench, looks, page.parent / FIGURES) for bench in benches]
    values = {
        "title": "Report on " + ", ".join(bench.grid.name for bench in benches),
        "made_of": _made_of(benches),
        "sections": sections,
        "refresh_seconds": refresh_seconds if any(bench.scored < bench.expected for bench in benches) else None,
    }
    write_page("report.html.jinja", values, looks, page)
    return benches


def write_page(template: str, values: Mapping[str, Any], looks: Mapping[str, Look], page: Path) -> None:
    """Fill a template of `page/` and put the file in its place atomically. Every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("page")),
        autoescape=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["code"] = _mark_code
    style = {"looks": list(looks.values()), "light": LIGHT, "dark": DARK, "colours": len(LIGHT)}
    write_atomically(page, environment.get_template(template).render(version=__version__, **style, **values))


def _mark_code(text: str) -> Any:
    """Give text as HTML: escaped, and what stands in backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def watch_report(runs: Path, page: Path, console: Console, sleep: Callable[[float], None] = time.sleep) -> None:
    """Write the page again whenever results change, until Ctrl-C, which leaves a last one that stands still."""
    seen: object = None
    try:
        while True:
            now = _fingerprint(runs)
            if now != seen and _has_bench(runs):
                benches = build_report(runs, page, console, REFRESH_SECONDS)
                console.print(f"{page}: {_made_of(benches)}", markup=False, soft_wrap=True)
                seen = now
            elif seen is None:
                console.print(f"{runs}: no bench yet; waiting", markup=False, soft_wrap=True)
                seen = now
            sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        if _has_bench(runs):
            build_report(runs, page, console)
        console.print("stopped watching", soft_wrap=True)


def _fingerprint(runs: Path) -> tuple[tuple[str, int, int], ...]:
    """Give what changes when a run is over or a bench begins."""
    root = runs.resolve()
    root = root.parents[1] if (root / GRID_FILE).is_file() else root
    files = sorted([*root.glob(f"*/{RESULT_FILE}"), *root.glob(f"{TABLES}/*/{GRID_FILE}")])
    marks = []
    for path in files:
        try:
            found = path.stat()
        except FileNotFoundError:  # removed since it was listed
            continue
        # A bench writes its grid again after each run, always the same: its time says nothing.
        changed = found.st_mtime_ns if path.name == RESULT_FILE else 0
        marks.append((str(path), changed, found.st_size))
    return tuple(marks)


def _has_bench(runs: Path) -> bool:
    return (runs / GRID_FILE).is_file() or any(runs.glob(f"{TABLES}/*/{GRID_FILE}"))


def _made_of(benches: Sequence[Bench]) -> str:
    scored, expected = (sum(getattr(bench, name) for bench in benches) for name in ("scored", "expected"))
    return f"{scored} of {expected} runs have a score."
