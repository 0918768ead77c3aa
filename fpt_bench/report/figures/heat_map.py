"""A sweep as a heat map: every task and arm a row, every learning rate a column."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.statistics import normalise
from fpt_bench.report.figures.style import COLUMN_INCHES, INK, PAPER, Drawing, Look, drawn_as
from fpt_bench.report.words import cell_label, points

_ROW_INCHES = 0.15
_DARK = 0.55
"""Shade from which on the figure in a square is written in the paper's colour."""


def draw_heat_map(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw mean validation scores by learning rate, shaded from the task's floor to perfect; the chosen rate framed."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    cells = [cell for cell in bench.cells if cell.runs and len(cell.choice.scores) > 1]
    rates = sorted({score.rate for cell in cells for score in cell.choice.scores})
    if len(cells) < 2:
        return None
    means = [{score.rate: score.mean for score in cell.choice.scores if score.n} for cell in cells]
    figure = Figure(figsize=(COLUMN_INCHES, 0.6 + _ROW_INCHES * len(cells)), layout="constrained")
    axes = figure.subplots()
    for row, (cell, mean) in enumerate(zip(cells, means, strict=True)):
        words = f"{cell_label(cell)} {cell.arm}: {_in_words(cell, mean)}"
        with drawn_as(looks[cell.arm], axes, bench.tasks.index(cell.task), words):
            axes.text(-0.65, row, f"{cell_label(cell)} {cell.arm}", ha="right", va="center", fontsize=6.5)
            _draw_row(axes, row, [mean.get(rate) for rate in rates], cell)
            frame: Any = {"fill": False, "edgecolor": looks[cell.arm].colour, "linewidth": 1.4}
            chosen = rates.index(cell.choice.rate)
            axes.add_patch(Rectangle((chosen - 0.48, row - 0.44), 0.96, 0.88, **frame))
    axes.set(xlim=(-0.5, len(rates) - 0.5), ylim=(len(cells) - 0.5, -0.5))
    axes.set_xticks(range(len(rates)), [np.format_float_scientific(rate, trim="-", exp_digits=1) for rate in rates])
    axes.set_yticks([])
    axes.set_xlabel("learning rate of Adam")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    words = "; ".join(
        f"{cell_label(cell)} {cell.arm} {_in_words(cell, mean)}" for cell, mean in zip(cells, means, strict=True)
    )
    return Drawing(
        "heat-map",
        figure,
        "The sweep",
        "Best validation accuracy (%) by learning rate, mean over the seeds that choose; shaded from the task's floor "
        "(faint) to perfect (strong); framed: the rate that stands for the arm. Empty: not run.",
        f"Mean best validation accuracy by learning rate. {words}.",
        cells,
    )


def _draw_row(axes: Any, row: int, means: Sequence[float | None], cell: Cell) -> None:
    from matplotlib.patches import Rectangle

    for column, mean in enumerate(means):
        if mean is None:
            continue
        shade = _shade(cell, mean)
        # Ink of some strength, and no fixed grey: the page turns both colours over on a dark ground.
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=INK, alpha=shade, linewidth=0))
        text, colour = points(mean, "", cell.is_fraction), PAPER if shade > _DARK else INK
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)


def _shade(cell: Cell, mean: float) -> float:
    """Return how far a score is from its floor to perfect, from 0 to 1."""
    return min(1.0, max(0.0, normalise(mean, cell.data.floor, cell.data.perfect)))


def _in_words(cell: Cell, means: Mapping[float, float]) -> str:
    return ", ".join(f"{rate:g} gives {points(mean, '', cell.is_fraction)}" for rate, mean in means.items())
