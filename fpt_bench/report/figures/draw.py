"""All figures of a bench: which there are, and how they become files and SVG."""

import math
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.report.figures.bytes_of_language import draw_bytes
from fpt_bench.report.figures.fonts import light_family
from fpt_bench.report.figures.forest import draw_forest
from fpt_bench.report.figures.heat_map import draw_heat_map
from fpt_bench.report.figures.over_tasks import draw_profiles
from fpt_bench.report.figures.panels import draw_curves, draw_rates
from fpt_bench.report.figures.rows import draw_accuracy, draw_gap, draw_speed_up
from fpt_bench.report.figures.style import (
    COLUMN_INCHES,
    INK,
    RULE,
    SETTINGS,
    Drawing,
    Look,
    drawn_as,
    make_svg,
    save_files,
    settle,
    slug,
)
from fpt_bench.report.metric_words import WAY_TO_PERFECT, place_of, worded
from fpt_bench.report.words import cell_label, cell_score, points, task_label


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it."""

    name: str
    title: str
    caption: str
    svg: str
    files: tuple[Path, ...]


def draw_parameters(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw test accuracy against the number of trained parameters, a marker for each task."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    cells = [cell for cell in bench.cells if cell.runs and cell.first.trained_parameters()]
    by_task = [{c.first.trained_parameters() for c in cells if c.task == task} for task in bench.tasks]
    if all(len(counts) < 2 for counts in by_task):
        return None  # it would only put the tasks in an order
    mixed = bench.is_mixed
    markers = dict(zip(bench.tasks, "os^Dv*PX<>" * (1 + len(bench.tasks) // 10), strict=False))
    figure = Figure(figsize=(COLUMN_INCHES, 2.5), layout="constrained")
    axes = figure.subplots()
    for cell in cells:
        words = f"{cell_label(cell)} {cell.arm}: {cell.first.trained_parameters():,} parameters, {cell_score(cell)}"
        with drawn_as(looks[cell.arm], axes, bench.tasks.index(cell.task), words):
            _draw_parameters_of(axes, cell, looks[cell.arm], markers[cell.task], mixed)
    axes.set(xscale="log", xlabel="trained parameters", ylabel=WAY_TO_PERFECT if mixed else "test accuracy (%)")
    if not mixed:
        axes.set_ylim(-2, 103)
    axes.grid(color=RULE, lw=0.5)
    axes.set_axisbelow(True)
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    keys = [Line2D([], [], color=INK, lw=0, marker=markers[t], ms=4.5, label=task_label(bench, t)) for t in tasks]
    arms = [looks[arm] for arm in dict.fromkeys(cell.arm for cell in cells)]
    keys += [Line2D([], [], lw=0, marker="o", ms=5.5, label=look.name, **look.mark) for look in arms]
    figure.legend(handles=keys, loc="outside upper center", ncols=3, columnspacing=1.2, handlelength=1.4)
    words = "; ".join(
        f"{cell_label(c)} {c.arm} {c.first.trained_parameters():,} parameters, "
        f"{points(c.accuracy.mean, is_fraction=c.is_fraction)}"
        for c in cells
        if c.accuracy
    )
    return Drawing(
        "parameters",
        figure,
        "Trained parameters and accuracy",
        "Test accuracy against the number of parameters that are trained, on a logarithmic axis: mean over seeds, 95 % "
        "t-interval (cut at 0 and 100 %).",
        f"Mean test accuracy in percent by trained parameters. {words}.",
        cells,
    )


def _draw_parameters_of(axes: Any, cell: Cell, look: Look, marker: str, mixed: bool) -> None:
    assert cell.accuracy is not None
    x, found = cell.first.trained_parameters(), cell.accuracy
    if math.isfinite(found.low):
        low, high = sorted(place_of(cell, end, mixed) for end in (found.low, found.high))
        ends = [low if mixed else max(0, low), min(100, high)]
        axes.plot([x, x], ends, color=look.colour, lw=0.9, alpha=0.7, zorder=2)
    axes.plot(x, place_of(cell, found.mean, mixed), marker, ms=5.5, zorder=3, **look.mark)


DRAWERS: tuple[Callable[[Bench, Mapping[str, Look]], Drawing | None], ...] = (
    draw_forest,
    draw_accuracy,
    draw_bytes,
    draw_curves,
    draw_speed_up,
    draw_rates,
    draw_heat_map,
    draw_profiles,
    draw_parameters,
    draw_gap,
)
"""In the order of the page. Each gives None where it has nothing to show."""


@contextmanager
def house_style() -> Any:
    """Draw in the report's style for a while, whatever a `matplotlibrc` says: one may lie in the working directory."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS | {"font.family": light_family()})
        yield


def draw_bench(bench: Bench, looks: Mapping[str, Look], folder: Path) -> list[Picture]:
    """Draw every figure that has something to show, write its files, and return what the page needs."""
    with house_style():
        mixed = bench.is_mixed
        drawings = [reworded(drawing, mixed) for draw in DRAWERS if (drawing := draw(bench, looks)) is not None]
        return [finish(drawing, slug(bench.grid.name), folder) for drawing in drawings]


def reworded(drawing: Drawing, mixed: bool) -> Drawing:
    """Return a drawing that speaks of scores, where a bench has more than accuracies."""
    first, end, rest = drawing.alt.partition(". ")  # the rest is names and numbers
    title, caption, first = (worded(text, mixed) for text in (drawing.title, drawing.caption, first))
    return replace(drawing, title=title, caption=caption, alt=f"{first}{end}{rest}")


def finish(drawing: Drawing, prefix: str, folder: Path) -> Picture:
    """Write a drawing's files and give it as the page shows it."""
    name = f"{prefix}-{drawing.name}"
    box = settle(drawing.figure)
    files = tuple(save_files(drawing, folder / name, box))
    return Picture(name, drawing.title, drawing.caption, make_svg(drawing, name, box), files)
