"""All figures of a bench: which there are, and how they become files and SVG."""

import math
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fpt_bench.report.panels import draw_curves, draw_rates
from fpt_bench.report.reading import Bench
from fpt_bench.report.rows import draw_accuracy, draw_gap, draw_speed_up
from fpt_bench.report.style import COLUMN_INCHES, INK, PAPER, RULE, SETTINGS, Drawing, Look, make_svg, save_files, slug


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

    cells = [cell for cell in bench.cells if cell.runs and cell.row.get("trained_parameters")]
    if len({cell.row["trained_parameters"] for cell in cells}) < 2:
        return None
    markers = dict(zip(bench.tasks, "os^Dv*PX<>" * (1 + len(bench.tasks) // 10), strict=False))
    figure = Figure(figsize=(COLUMN_INCHES, 2.5), layout="constrained")
    axes = figure.subplots()
    for cell in cells:
        look, row = looks[cell.arm], cell.row
        x, y = row["trained_parameters"], 100 * row["accuracy_mean"]
        known = set(axes.get_children())
        if math.isfinite(row["accuracy_low"]):
            ends = [max(0, 100 * row["accuracy_low"]), min(100, 100 * row["accuracy_high"])]
            axes.plot([x, x], ends, color=look.colour, lw=0.9, alpha=0.7, zorder=2)
        axes.plot(x, y, markers[cell.task], color=look.colour, ms=5.5, mec=PAPER, mew=0.6, zorder=3)
        for artist in set(axes.get_children()) - known:
            artist.set_gid(look.group)
    axes.set(xscale="log", ylim=(-2, 103), xlabel="trained parameters", ylabel="test accuracy (%)")
    axes.grid(color=RULE, lw=0.5)
    axes.set_axisbelow(True)
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    keys = [Line2D([], [], color=INK, lw=0, marker=markers[t], ms=4.5, label=bench.label(t)) for t in tasks]
    arms = [looks[arm] for arm in dict.fromkeys(cell.arm for cell in cells)]
    keys += [Line2D([], [], color=look.colour, lw=4, label=look.name, solid_capstyle="butt") for look in arms]
    figure.legend(handles=keys, loc="outside upper center", ncols=3, columnspacing=1.2, handlelength=1.4)
    words = "; ".join(
        f"{c.label} {c.arm} {c.row['trained_parameters']:,.0f} parameters, {100 * c.row['accuracy_mean']:.1f}"
        for c in cells
    )
    return Drawing(
        "parameters",
        figure,
        "Trained parameters and accuracy",
        "Test accuracy against the number of parameters that are trained, on a logarithmic axis: mean over seeds, 95 % "
        "t-interval (cut at 0 and 100 %).",
        f"Mean test accuracy in percent by trained parameters. {words}.",
    )


DRAWERS: tuple[Callable[[Bench, Mapping[str, Look]], Drawing | None], ...] = (
    draw_accuracy,
    draw_curves,
    draw_speed_up,
    draw_rates,
    draw_parameters,
    draw_gap,
)
"""In the order of the page. Each gives None where it has nothing to show."""


@contextmanager
def house_style() -> Any:
    """Draw in the report's style for a while."""
    import matplotlib as mpl

    with mpl.rc_context(SETTINGS):
        yield


def draw_bench(bench: Bench, looks: Mapping[str, Look], folder: Path) -> list[Picture]:
    """Draw every figure that has something to show, write its files, and give what the page needs."""
    with house_style():
        drawings = [drawing for draw in DRAWERS if (drawing := draw(bench, looks)) is not None]
        return [finish(drawing, slug(bench.grid.name), bench, folder) for drawing in drawings]


def finish(drawing: Drawing, prefix: str, bench: Bench, folder: Path) -> Picture:
    """Write a drawing's files and give it as the page shows it, the footnote of embedded data with it."""
    name = f"{prefix}-{drawing.name}"
    files = tuple(save_files(drawing, folder / name))
    return Picture(name, drawing.title, f"{drawing.caption}{_footnote(bench, drawing)}", make_svg(drawing, name), files)


def _footnote(bench: Bench, drawing: Drawing) -> str:
    """Say what the embedded data are that a dagger in the figure marks: its alternative text names every cell drawn."""
    drawn = [cell for cell in bench.cells if cell.row.get("data") == "embedded" and f"{cell.label} " in drawing.alt]
    sources = {cell.task: cell.row["data_source"] for cell in drawn}
    return "".join(f" † {task}: {source}." for task, source in sources.items())
