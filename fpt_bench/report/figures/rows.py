"""Figures with a row for each cell: accuracy, train-test gap, speed-up."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.statistics import estimate_mean
from fpt_bench.report.figures.style import COLUMN_INCHES, INK, MUTED, RULE, Drawing, Look, drawn_as
from fpt_bench.report.metric_words import WAY_TO_PERFECT, length_of, place_of
from fpt_bench.report.words import cell_label, cell_score, opponent_in_words, points, task_label

_ROW_INCHES = 0.17
_MARGIN_INCHES = 0.58


def draw_accuracy(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw test accuracy by task and arm, with intervals, seeds, floors and published figures."""
    cells, mixed = [cell for cell in bench.cells if cell.runs], bench.is_mixed
    if not cells:
        return None

    def draw(axes: Any, cell: Cell, y: float, look: Look) -> None:
        scores = [place_of(cell, r.score, mixed) for r in cell.runs if r.score is not None]
        limits = (-math.inf, 100) if mixed else (0, 100)
        _draw_estimate(axes, y, look, scores, limits, has_interval=cell.learned is None)
        if cell.published is not None:
            # Above the row and below all marks: seeds lie under it, and a diamond hides none of them.
            axes.plot(
                place_of(cell, cell.published, mixed), y - 0.3, "d", ms=3.6, mfc="none", mec=INK, mew=0.7, zorder=2
            )

    figure, axes, spans = _draw_rows(bench, cells, looks, draw)
    for task, (top, _) in spans.items():
        rows = [place_of(cell, cell.data.floor, mixed) for cell in cells if cell.task == task]
        # Arms on other data have another floor: neighbours that share theirs have one line.
        for place, group in itertools.groupby(enumerate(rows), key=lambda row: row[1]):
            numbers = [number for number, _ in group]
            ends = [top + numbers[0], top + numbers[-1] + 1]
            axes.plot([place, place], ends, color=MUTED, lw=1.1, ls=(0, (1.5, 1.5)), zorder=1)
    if not mixed:
        axes.set_xlim(-2, 103)
    axes.set_xlabel(WAY_TO_PERFECT if mixed else "test accuracy (%)")
    has_published = any(cell.published is not None for cell in cells)
    _add_key(figure, floors=True, published=has_published)
    means = {f"{cell_label(c)} {c.arm}": (c.accuracy.mean, c.is_fraction) for c in cells if c.accuracy}
    words = "; ".join(f"{name} {points(mean, is_fraction=fraction)}" for name, (mean, fraction) in means.items())
    beside = (
        " Open diamonds, a little above: published accuracies, beside real data of published size only."
        if has_published
        else ""
    )
    return Drawing(
        "accuracy",
        figure,
        "Accuracy by task and arm",
        "Test accuracy at the best validation step: mean over seeds, 95 % t-interval (cut at 0 and 100 %), each seed "
        f"as a small dot. Dotted: the floor, what needs no learning.{beside}",
        f"Mean test accuracy in percent. {words}.",
        cells,
    )


def draw_gap(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw how much better each cell does on training examples than on the test set."""
    mixed = bench.is_mixed
    gaps = {(cell.task, cell.arm): [length_of(cell, gap, mixed) for gap in cell.gaps] for cell in bench.cells}
    cells = [cell for cell in bench.cells if cell.gaps]
    if not cells:
        return None
    figure, axes, _ = _draw_rows(
        bench, cells, looks, lambda axes, cell, y, look: _draw_estimate(axes, y, look, gaps[cell.task, cell.arm])
    )
    axes.axvline(0, color=MUTED, lw=0.8, zorder=1)
    axes.set_xlabel(f"training minus test, {WAY_TO_PERFECT}" if mixed else "training minus test accuracy (pp)")
    widest = max(abs(gap) for of_cell in gaps.values() for gap in of_cell)
    axes.set_xlim(-1.6 * max(widest, 1), 1.6 * max(widest, 1))
    _add_key(figure)
    words = "; ".join(f"{cell_label(c)} {c.arm} {points(c.train_test_gap, '+', c.is_fraction)}" for c in cells)
    return Drawing(
        "gap",
        figure,
        "Train-test gap",
        "Accuracy on training examples, without dropout, minus test accuracy, both at the best validation step: mean "
        "over seeds, 95 % t-interval (cut at the edge), seeds as small dots. Right of zero: overfitting.",
        f"Training minus test accuracy in percentage points. {words}.",
        cells,
    )


def draw_speed_up(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw how many times fewer steps than the arm that it is compared with each arm needs to the target."""
    baseline = opponent_in_words(bench)
    cells = [cell for cell in bench.cells if cell.convergence is not None and _opponent_arrives(cell, bench)]
    tasks = [task for task in bench.tasks if any(_speed_up(cell) for cell in cells if cell.task == task)]
    cells = [cell for cell in cells if cell.task in tasks]
    if not cells:
        return None

    def draw(axes: Any, cell: Cell, y: float, look: Look) -> None:
        ratio = _speed_up(cell)
        if ratio is None:
            arrives = cell.convergence is not None and math.isfinite(cell.convergence.steps)
            words = "another target" if arrives else "target not reached"
            axes.annotate(words, (1, y), (4, 0), textcoords="offset points", va="center", color=MUTED)
            return
        axes.barh(y, ratio - 1, left=1, height=0.62, color=look.colour, zorder=2)
        shift, side = (3, "left") if ratio >= 1 else (-3, "right")
        beside = {"textcoords": "offset points", "va": "center", "ha": side}
        axes.annotate(f"{ratio:.1f}x", (ratio, y), (shift, 0), **beside)

    figure, axes, spans = _draw_rows(bench, cells, looks, draw)
    ratios = [ratio for cell in cells if (ratio := _speed_up(cell)) is not None]
    axes.set_xscale("log")
    axes.set_xlim(min(0.9, *(r / 1.7 for r in ratios), 10), max(2.2, *(r * 1.6 for r in ratios), 0))
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{t:g}x" for t in ticks])
    axes.minorticks_off()
    for span in spans.values():
        axes.plot([1, 1], span, color=MUTED, lw=0.8, zorder=3)
    axes.set_xlabel(f"speed-up over {baseline} (ratio of steps)")
    figure.subplots_adjust(bottom=0.42 / figure.get_figheight())
    known = [(cell, ratio) for cell in cells if (ratio := _speed_up(cell)) is not None]
    words = "; ".join(f"{cell_label(cell)} {cell.arm} {ratio:.1f} times" for cell, ratio in known)
    return Drawing(
        "speed-up",
        figure,
        f"Speed-up over {baseline}",
        f"Median steps of {baseline} to the target over those of the arm, on a logarithmic axis. What "
        f"{baseline} does not reach has no speed-up and is left out.",
        f"Speed-up in steps to target. {words}.",
        cells,
    )


def _opponent_arrives(cell: Cell, bench: Bench) -> bool:
    """Return whether the arm that a cell's arm is compared with reaches the target on its task."""
    other = bench.cell(cell.task, bench.opponent(cell.arm) or "")
    return other is not None and other.convergence is not None and math.isfinite(other.convergence.steps)


def _speed_up(cell: Cell) -> float | None:
    found = cell.convergence.speed_up if cell.convergence else None
    return None if found is None else found.mean


def draw_rows_of(
    bench: Bench,
    cells: Sequence[Cell],
    values: Mapping[tuple[str, str], tuple[float, float, float]],
    looks: Mapping[str, Look],
    axis_label: str,
    said: Mapping[tuple[str, str], str] | None = None,
) -> Any:
    """Draw a mean with its interval for each cell, around zero, and return the figure.

    Args:
        bench: whose tasks head the rows.
        cells: a row each.
        values: mean and both ends of the interval by task and arm.
        looks: how arms are drawn.
        axis_label: what is drawn.
        said: what the pointer shows over a row; by default the mean and its interval.
    """
    said = said or {key: f"{mean:+.1f} ({low:+.1f} to {high:+.1f})" for key, (mean, low, high) in values.items()}

    def draw(axes: Any, cell: Cell, y: float, look: Look) -> None:
        mean, low, high = values[cell.task, cell.arm]
        if math.isfinite(low):
            axes.plot([low, high], [y, y], color=look.colour, lw=1.3, solid_capstyle="butt")
        axes.plot(mean, y, look.marker, ms=4.5, **look.mark)

    figure, axes, _ = _draw_rows(bench, cells, looks, draw, said)
    axes.axvline(0, color=MUTED, lw=0.8, zorder=1)
    widest = _reach(list(values.values()))
    axes.set_xlim(-widest, widest)
    axes.set_xlabel(axis_label)
    figure.subplots_adjust(bottom=0.42 / figure.get_figheight())
    return figure


def _reach(values: Sequence[tuple[float, float, float]]) -> float:
    """Return how far from zero an axis goes: to the ends of intervals, but for such as dwarf the means.

    Example:
        >>> _reach([(-1.9, -4.0, 0.2), (-3.6, -6.5, -0.8)]), _reach([(2.0, -90.0, 94.0), (5.0, -math.inf, math.inf)])
        (6.825, 20.0)
    """
    of_means = 1.6 * max(1, *(abs(mean) for mean, _, _ in values))
    ends = [abs(end) for _, *both in values for end in both if math.isfinite(end)]
    return max(of_means, min(1.05 * max(ends, default=0), 2.5 * of_means))


def _draw_rows(
    bench: Bench,
    cells: Sequence[Cell],
    looks: Mapping[str, Look],
    draw: Callable[[Any, Cell, float, Look], None],
    said: Mapping[tuple[str, str], str] | None = None,
) -> tuple[Any, Any, dict[str, tuple[float, float]]]:
    """Draw each cell at its own height, under its task's name; return figure, axes and the height of each task.

    What the pointer shows over a row is its score where nothing else is said.
    """
    from matplotlib.figure import Figure

    tasks = [task for task in bench.tasks if any(cell.task == task for cell in cells)]
    height = _MARGIN_INCHES + _ROW_INCHES * (len(cells) + 1.4 * len(tasks))
    figure = Figure(figsize=(COLUMN_INCHES, height))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.19, right=0.98, top=1 - 0.04 / height, bottom=_MARGIN_INCHES / height)
    ticks, spans, y = [], {}, 0.0
    for task in tasks:
        name = task_label(bench, task)
        axes.text(0.012, y, name, transform=axes.get_yaxis_transform(), va="center", weight="bold", fontsize=7.5)
        top = y + 0.5
        for cell in (cell for cell in cells if cell.task == task):
            y += 1
            value = (said or {}).get((cell.task, cell.arm)) or cell_score(cell)
            words = f"{cell_label(cell)} {cell.arm}: {value}, n = {cell.n}"
            with drawn_as(looks[cell.arm], axes, bench.tasks.index(cell.task), words):
                # All of the row shows its value: a mark alone is small for a pointer.
                axes.axhspan(y - 0.5, y + 0.5, facecolor=looks[cell.arm].colour, alpha=0, lw=0)
                draw(axes, cell, y, looks[cell.arm])
            ticks.append((y, cell.arm, looks[cell.arm]))
        spans[task] = (top, y + 0.5)
        y += 1.4
    axes.set_yticks([t[0] for t in ticks], [t[1] for t in ticks])
    for text, (_, _, look) in zip(axes.get_yticklabels(), ticks, strict=True):
        text.set(color=look.colour, weight="bold")
    axes.set_ylim(y - 0.7, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=RULE, lw=0.5)
    axes.set_axisbelow(True)
    return figure, axes, spans


def _draw_estimate(
    axes: Any,
    y: float,
    look: Look,
    values: Sequence[float],
    limits: tuple[float, float] = (-math.inf, math.inf),
    has_interval: bool = True,
) -> None:
    """Draw a mean, its interval and, a little lower, the values that it is made of."""
    estimate = estimate_mean(values)
    if has_interval and math.isfinite(estimate.low):
        ends = [max(estimate.low, limits[0]), min(estimate.high, limits[1])]
        axes.plot(ends, [y, y], color=look.colour, lw=1.3, solid_capstyle="butt", zorder=3)
    axes.plot(values, [y + 0.3] * len(values), ".", color=look.colour, ms=2.6, alpha=0.75, mew=0, zorder=3)
    axes.plot(estimate.mean, y, look.marker, ms=4.5, zorder=4, **look.mark)


def _add_key(figure: Any, floors: bool = False, published: bool = False) -> None:
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], color=INK, marker="o", ms=4, lw=1.2, label="mean, 95 % interval"),
        Line2D([], [], color=INK, marker=".", ms=3, lw=0, label="one seed"),
    ]
    keys += [Line2D([], [], color=MUTED, ls=(0, (1.5, 1.5)), lw=1.1, label="floor")] if floors else []
    diamond: Any = {"marker": "d", "ms": 3.6, "mfc": "none", "mec": INK, "mew": 0.7, "lw": 0}
    keys += [Line2D([], [], label="published", **diamond)] if published else []
    figure.legend(
        handles=keys, loc="lower center", ncols=4, columnspacing=1.0, handletextpad=0.4, handlelength=1.6,
        bbox_to_anchor=(0.5, 0), borderaxespad=0.2,
    )  # fmt: skip
