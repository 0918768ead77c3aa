"""Figures with a panel for each task: validation curves, learning rates."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell, Convergence
from fpt_bench.analysis.sweep import carried_on, validation_score
from fpt_bench.report.figures.style import COLUMN_INCHES, INK, MUTED, PAPER, RULE, Drawing, Look, drawn_as
from fpt_bench.report.metric_words import scale_of, significant, worded
from fpt_bench.report.words import cell_label, panel_label
from fpt_bench.results.result import RunResult

PUBLISHED_RATE = 1e-3
"""The one learning rate of Lu et al. 2021, section 2 (homology excepted)."""
_PANEL_INCHES = 1.45
_KEY_INCHES = 0.14
"""A line of the key above the panels."""
_KEYS_A_LINE = 4
_APART_INCHES = 0.07
"""Between the marks of arms that reach the target at one step."""


def draw_curves(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw validation accuracy against steps, all arms of a task in one panel."""
    drawn = {task: [c for c in bench.of_task(task) if any(r.curve for r in c.runs)] for task in bench.tasks}
    tasks = [task for task, cells in drawn.items() if any(_has_a_line(cell) for cell in cells)]
    if not tasks:
        return None
    figure, panels = _make_panels(bench, tasks, len({cell.arm for task in tasks for cell in drawn[task]}))
    for task, axes in panels.items():
        for cell in drawn[task]:
            words = f"{cell_label(cell)} {cell.arm}"
            if cell.convergence:
                words = f"{_crossing_in_words(cell, cell.convergence)} (target)"
            with drawn_as(looks[cell.arm], axes, bench.tasks.index(task), words):
                _draw_curve(axes, cell, looks[cell.arm])
        _mark_target(axes, drawn[task], looks, bench.tasks.index(task))
        axes.set_xlim(left=0)
        if drawn[task][0].is_fraction:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
    shown = [cell for task in tasks for cell in drawn[task]]
    y_label = worded("validation accuracy (%)", bench.is_mixed)
    _label(figure, looks, [cell.arm for cell in shown], "optimizer steps", y_label)
    words = "; ".join(_crossing_in_words(cell, cell.convergence) for cell in shown if cell.convergence)
    return Drawing(
        "curves",
        figure,
        "Validation curves",
        "Validation accuracy by optimizer step: mean over seeds, and each seed as a thin line; after an "
        "early stop the last value carries on. Dashed: the target; open marks: the median "
        "step at which an arm gets there, side by side where it is the same. Dotted: floor. A cross: a seed diverged.",
        f"Validation accuracy against optimizer steps. Target reached: {words}.",
        shown,
    )


def _has_a_line(cell: Cell) -> bool:
    return any(len(r.curve) > 1 for r in cell.runs)


def _draw_curve(axes: Any, cell: Cell, look: Look) -> None:
    curves = [carried_on(r) for r in cell.runs if r.curve]
    start = max(curve[0][0] for curve in curves)
    steps = sorted({step for curve in curves for step, _ in curve if step >= start})
    values = scale_of(cell) * np.array([np.interp(steps, *np.array(curve).T) for curve in curves])
    axes.plot(steps, values.mean(axis=0), color=look.colour, ls=look.line, zorder=3)
    if len(curves) > 1:
        axes.plot(steps, values.T, color=look.colour, alpha=0.35, lw=0.5, zorder=2)
    for run, curve in ((r, c) for r, c in zip((r for r in cell.runs if r.curve), curves, strict=True)):
        if run.status == "diverged":
            axes.plot(curve[-1][0], scale_of(cell) * curve[-1][1], "x", color=look.colour, ms=5, zorder=4)


def _mark_target(axes: Any, cells: Sequence[Cell], looks: Mapping[str, Look], task: int) -> None:
    from matplotlib.transforms import ScaledTranslation

    # Arms on other data have other floors and targets.
    floors = dict.fromkeys(scale_of(cell) * cell.data.floor for cell in cells)
    targets = dict.fromkeys(scale_of(cell) * cell.convergence.target for cell in cells if cell.convergence)
    for floor in floors:
        axes.axhline(floor, color=MUTED, lw=0.9, ls=(0, (1, 2)), zorder=1)
    for target in targets:
        axes.axhline(target, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        axes.text(1.01, target, "target", transform=axes.get_yaxis_transform(), va="center", color=MUTED, fontsize=6)
    if not targets:
        return
    bottom, top = axes.get_ylim()
    bottom, top = min(bottom, *floors, *targets), max(top, *floors, *targets)
    axes.set_ylim(bottom, top)
    arrived = [c for c in cells if c.convergence and math.isfinite(c.convergence.steps)]
    together = Counter((c.convergence.steps, c.convergence.target) for c in arrived if c.convergence)
    placed: Counter[tuple[float, float]] = Counter()
    for cell in arrived:
        assert cell.convergence is not None
        steps, look = cell.convergence.steps, looks[cell.arm]
        place, height = (steps, cell.convergence.target), scale_of(cell) * cell.convergence.target
        # Arms that arrive at one step stand side by side: one mark would hide the other.
        aside = _APART_INCHES * (placed[place] - (together[place] - 1) / 2)
        placed[place] += 1
        beside = axes.transData + ScaledTranslation(aside, 0, axes.figure.dpi_scale_trans)
        mark = {"marker": look.marker, "mfc": PAPER, "mec": look.colour, "mew": 1.1, "ms": 4.5, "zorder": 5}
        with drawn_as(look, axes, task, f"{_crossing_in_words(cell, cell.convergence)} (target)"):
            axes.plot(steps, height, transform=beside, **mark)
            axes.plot([steps, steps], [bottom, height], transform=beside, color=look.colour, lw=0.7, ls=":")


def _crossing_in_words(cell: Cell, found: Convergence) -> str:
    steps, max_steps = found.steps, cell.first.spec.max_steps
    when = f"at step {steps:.0f}" if math.isfinite(steps) else f"not in {max_steps} steps"
    return f"{cell_label(cell)} {cell.arm} {when}"


def draw_rates(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw validation accuracy against learning rate, in the manner of Rothermel et al. 2021, figure 1."""
    tasks = [t for t in bench.tasks if any(len(_by_rate(cell)) > 1 for cell in bench.of_task(t))]
    if not tasks:
        return None
    figure, panels = _make_panels(bench, tasks, len({cell.arm for task in tasks for cell in bench.of_task(task)}))
    for task, axes in panels.items():
        for cell in bench.of_task(task):
            words = f"{cell_label(cell)} {cell.arm}: {_rates_in_words(cell)}"
            with drawn_as(looks[cell.arm], axes, bench.tasks.index(task), words):
                _draw_rates_of(axes, cell, looks[cell.arm])
        for floor in dict.fromkeys(scale_of(c) * c.floor for c in bench.of_task(task) if c.floor is not None):
            axes.axhline(floor, color=MUTED, lw=0.9, ls=(0, (1, 2)), zorder=1)
        axes.axvline(PUBLISHED_RATE, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        axes.annotate(
            "published", (PUBLISHED_RATE, 1), (0, 1), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="bottom", ha="center", color=MUTED, fontsize=6,
        )  # fmt: skip
        axes.set_title(panel_label(bench, task), pad=13)  # above that word, wherever along the axis it is
        axes.set_xscale("log")
    shown = [cell for task in tasks for cell in bench.of_task(task) if _by_rate(cell)]
    y_label = worded("validation accuracy (%)", bench.is_mixed)
    _label(figure, looks, [cell.arm for cell in shown], "learning rate of Adam", y_label)
    words = "; ".join(f"{cell_label(cell)} {cell.arm}: {_rates_in_words(cell)}" for cell in shown)
    return Drawing(
        "rates",
        figure,
        "Accuracy against learning rate",
        "Best validation accuracy by learning rate: mean over seeds, bar from the lowest to the highest seed. Ring: "
        "the rate that the table reports. Cross: at least one seed diverged, and counts as the worst rule. Dotted: "
        "floor. Dashed: "
        "the one rate of Lu et al. 2021, 1e-3.",
        f"Mean best validation accuracy in percent by learning rate. {words}.",
        shown,
    )


def _rates_in_words(cell: Cell) -> str:
    means = {rate: float(np.mean(_scores(runs))) for rate, runs in _by_rate(cell).items()}
    texts = {rate: f"{mean:.1f}" if cell.is_fraction else significant(mean) for rate, mean in means.items()}
    return ", ".join(f"{rate:g} gives {text}" for rate, text in texts.items())


def _draw_rates_of(axes: Any, cell: Cell, look: Look) -> None:
    by_rate = _by_rate(cell)
    if not by_rate:
        return
    means = [float(np.mean(_scores(runs))) for runs in by_rate.values()]
    axes.plot(list(by_rate), means, ls=look.line, marker=look.marker, zorder=3, **look.mark)
    for (rate, runs), mean in zip(by_rate.items(), means, strict=True):
        values = _scores(runs)
        axes.plot([rate, rate], [min(values), max(values)], color=look.colour, lw=0.9, zorder=2)
        if any(r.status == "diverged" for r in runs):
            axes.plot(rate, mean, "x", color=look.colour, ms=8, mew=1.2, zorder=4)
        if rate == cell.choice.rate:
            axes.plot(rate, mean, "o", ms=9, mfc="none", mec=look.colour, mew=1.0, zorder=4, clip_on=False)


def _by_rate(cell: Cell) -> dict[float, list[RunResult]]:
    """Return a cell's runs that can be scored on validation, by learning rate; where it was swept, those that chose."""
    groups: dict[float, list[RunResult]] = {}
    for run in sorted(cell.tuning or cell.tried, key=lambda r: r.spec.learning_rate):
        if run.status == "diverged" or run.validation_score is not None:
            groups.setdefault(run.spec.learning_rate, []).append(run)
    return groups


def _scores(runs: Sequence[RunResult]) -> list[float]:
    """Return what runs are judged by on validation, fractions in percent."""
    return [(100 if run.is_fraction else 1) * (validation_score(run) or 0.0) for run in runs]


def _make_panels(bench: Bench, tasks: Sequence[str], keys: int) -> tuple[Any, dict[str, Any]]:
    """Return a figure with a titled panel for each task, one column, or two where there are many; room for the keys."""
    from matplotlib.figure import Figure

    columns = 1 if len(tasks) < 4 else 2
    lines = math.ceil(len(tasks) / columns)
    room = 0.3 + _KEY_INCHES * math.ceil(keys / _KEYS_A_LINE)
    figure = Figure(figsize=(COLUMN_INCHES * columns, _PANEL_INCHES * lines + room), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    for unused in grid[len(tasks) :]:
        unused.remove()
    panels = dict(zip(tasks, grid, strict=False))
    for task, axes in panels.items():
        axes.set_title(panel_label(bench, task))
        axes.grid(axis="y", color=RULE, lw=0.5)
        axes.set_axisbelow(True)
    return figure, panels


def _label(figure: Any, looks: Mapping[str, Look], arms: Sequence[str], x: str, y: str) -> None:
    """Put the key above the panels, and name their axes: the y axis at the middle of the panels, clear of the key."""
    _add_key(figure, looks, arms)
    figure.supxlabel(x, fontsize=7, color=INK)
    label = figure.supylabel(y, fontsize=7, color=INK)
    figure.draw_without_rendering()
    boxes = [axes.get_position() for axes in figure.axes]
    label.set_y((min(box.y0 for box in boxes) + max(box.y1 for box in boxes)) / 2)


def _add_key(figure: Any, looks: Mapping[str, Look], arms: Sequence[str]) -> None:
    """Put the arms' names above the panels, each in its colour and line."""
    from matplotlib.lines import Line2D

    shown = [looks[arm] for arm in dict.fromkeys(arms)]
    keys = [Line2D([], [], ls=look.line, marker=look.marker, label=look.name, **look.mark) for look in shown]
    figure.legend(handles=keys, loc="outside upper center", ncols=min(_KEYS_A_LINE, len(keys)), columnspacing=1.2)
