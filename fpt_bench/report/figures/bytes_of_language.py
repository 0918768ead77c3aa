"""The figure "bytes of language": how much of language's gain each rung of the ladder has, by what it keeps of it.

x is the logarithm of bytes kept, before it room for rungs that keep none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.intervals import Interval, share_of_gain
from fpt_bench.report.figures.style import COLUMN_INCHES, MUTED, PAPER, RULE, Drawing, Look, make_looks
from fpt_bench.report.words import task_label

BASELINE, LANGUAGE = "random-fanin", "pretrained"
_SIDE_BY_SIDE = 0.17
"""Decades between rungs, at least."""
_TASKS_APART = 0.03
_LABEL_INCHES = 0.115
_BESIDE_AXES_INCHES = 0.6
_EDGE = 0.3
_LOWEST, _HIGHEST = -1.5, 2.5
"""Shares beyond are drawn at the edge, as a triangle that points outside."""


@dataclass(frozen=True)
class Ladder:
    """One task's rungs with their share of language's gain: 0 is the baseline, 1 language."""

    task: str
    rungs: tuple[tuple[Cell, Interval], ...]


def draw_bytes(bench: Bench, _: Mapping[str, Look]) -> Drawing | None:
    """Draw the share of language's gain over random-fanin against bytes kept, a line for each task."""
    ladders, without = climb(bench)
    if not ladders:
        return None
    from matplotlib.figure import Figure

    kept = {cell.arm: cell.bytes_kept or 0 for ladder in ladders for cell, _ in ladder.rungs}
    # The baseline last of those that keep nothing: the line goes on from it.
    places, start = place_rungs(dict(sorted(kept.items(), key=lambda arm: arm[0] == bench.baseline)))
    width = COLUMN_INCHES * (1 if len(places) <= 6 else 2)
    figure = Figure(figsize=(width, 3.2), layout="constrained")
    axes = figure.subplots()
    for number, (ladder, look) in enumerate(
        zip(ladders, make_looks([la.task for la in ladders]).values(), strict=True)
    ):
        aside = _TASKS_APART * (number - (len(ladders) - 1) / 2)
        _draw_task(
            axes, ladder, {arm: place + aside for arm, place in places.items()}, look, task_label(bench, look.name)
        )
    _finish_axes(axes, places, start, width - _BESIDE_AXES_INCHES)
    figure.legend(loc="outside lower center", ncols=3 if width == COLUMN_INCHES else 6, columnspacing=1.2)
    baseline = bench.baseline
    words = "; ".join(
        f"{ladder.task} {cell.arm}, {cell.bytes_kept:,} bytes, {100 * share.estimate:.0f}"
        for ladder in ladders
        for cell, share in ladder.rungs
    )
    left_out = "".join(f" Left out, for {why}: {', '.join(names)}." for why, names in without.items() if names)
    return Drawing(
        "bytes",
        figure,
        "Bytes of language",
        f"Share of language's gain over {baseline} that an arm has, by the bytes that it keeps of the pretrained body "
        "(numbers read from its file, at their width there), on a symmetric logarithm: mean over seeds, Fieller's 95 % "
        "interval (cut at the edge; a triangle there lies beyond it). Rungs that would lie on one another stand side "
        f"by side; what keeps nothing has no order.{left_out}",
        f"Share of language's gain over {baseline} in percent, by bytes kept. {words}.",
        [cell for ladder in ladders for cell, _ in ladder.rungs],
    )


def climb(bench: Bench) -> tuple[list[Ladder], dict[str, list[str]]]:
    """Return each task's ladder, and what has none: under the reason, tasks, and rungs of tasks.

    A ladder has the arms that differ from the baseline, `random-fanin`, in the init alone; of a task without that
    baseline, without language or without bytes on record there is none. Seeds in two groups have no mean to share.
    """
    ladders: list[Ladder] = []
    no_gain: list[str] = []
    two_groups: list[str] = []
    for task in bench.tasks:
        baseline = bench.cell(task, bench.baseline)
        if baseline is None or not baseline.runs or _init(baseline) != BASELINE:
            continue
        cells = [cell for cell in bench.of_task(task) if cell.runs and _setting(cell) == _setting(baseline)]
        cells = [cell for cell in cells if cell.bytes_kept is not None]
        split = [cell for cell in cells if cell.learned is not None]
        two_groups += [f"{cell.arm} on {task_label(bench, task)}" for cell in split]
        cells = [cell for cell in cells if cell not in split]
        language = next((cell for cell in cells if _init(cell) == LANGUAGE), None)
        if language is None or baseline not in cells or len(cells) < 3:
            continue
        # Two of the three are what shares are of: 0 and 1, whatever their seeds.
        fixed = {baseline.arm: Interval(0.0, 0.0, 0.0), language.arm: Interval(1.0, 1.0, 1.0)}
        scores = {cell.arm: [score / cell.unit for score in cell.scores] for cell in cells}
        shares = {
            cell.arm: fixed.get(cell.arm) or share_of_gain(scores[cell.arm], scores[baseline.arm], scores[language.arm])
            for cell in cells
        }
        rungs = tuple((cell, share) for cell in cells if (share := shares[cell.arm]) is not None)
        if len(rungs) < len(cells):
            no_gain.append(task_label(bench, task))
        else:
            ladders.append(Ladder(task, rungs))
    reasons = {"language's gain is not distinguishable from 0": no_gain, "their seeds fall into two groups": two_groups}
    return ladders, reasons


def _init(cell: Cell) -> str:
    return cell.first.spec.init


def _setting(cell: Cell) -> tuple[object, ...]:
    spec = cell.first.spec
    return spec.body, spec.body_path, spec.layers, spec.train


def place_rungs(kept: Mapping[str, int]) -> tuple[dict[str, float], int]:
    """Return where each rung stands, in decades, and the decade at which the logarithm starts.

    Those that keep nothing stand in the room before it, in the order given; those that would stand on others, aside.

    Example:
        >>> place_rungs({"mimetic": 0, "random": 0, "spectrum": 1000, "language": 100000})
        ({'mimetic': 1.83, 'random': 2.0, 'spectrum': 3.0, 'language': 5.0}, 3)
    """
    nothing = [arm for arm in kept if not kept[arm]]
    some = sorted((arm for arm in kept if kept[arm]), key=lambda arm: kept[arm])
    start = math.floor(math.log10(kept[some[0]]))
    before = {arm: start - 1 - _SIDE_BY_SIDE * (len(nothing) - 1 - number) for number, arm in enumerate(nothing)}
    after = spread([math.log10(kept[arm]) for arm in some], _SIDE_BY_SIDE)
    return {**before, **dict(zip(some, after, strict=True))}, start


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Return the nearest places, by least squares, that are in the same order and at least a gap apart.

    Example:
        >>> spread([0.0, 0.0, 5.0], 1.0)
        [-0.5, 0.5, 5.0]
    """
    pools: list[list[float]] = []
    for number, place in enumerate(places):
        pools.append([place - number * gap])
        while len(pools) > 1 and sum(pools[-2]) / len(pools[-2]) > sum(pools[-1]) / len(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    moved = [sum(pool) / len(pool) for pool in pools for _ in pool]
    return [place + number * gap for number, place in enumerate(moved)]


def _draw_task(axes: Any, ladder: Ladder, places: Mapping[str, float], look: Look, label: str) -> None:
    """Draw a line from the baseline through what keeps bytes; what keeps none has no order, so it stands alone."""
    points = sorted(
        ((places[cell.arm], share, _init(cell) != BASELINE and not cell.bytes_kept) for cell, share in ladder.rungs),
        key=lambda p: p[0],
    )
    style: Any = {"color": look.colour, "marker": look.marker, "mec": PAPER, "mew": 0.5, "zorder": 4}
    for alone, line in ((False, {"ls": look.line, "lw": 0.9, "label": label}), (True, {"lw": 0})):
        shown = [(place, _percent(share.estimate)) for place, share, is_alone in points if is_alone is alone]
        if shown:
            axes.plot(*zip(*shown, strict=True), **style, **line)
    for place, share, _ in points:
        if not _LOWEST <= share.estimate <= _HIGHEST:
            outside = "v" if share.estimate < _LOWEST else "^"
            axes.plot([place], [_percent(share.estimate)], **{**style, "marker": outside, "ms": 8})
        if math.isfinite(share.low) and share.low < share.high:
            ends = [_percent(share.low), _percent(share.high)]
            axes.plot([place, place], ends, color=look.colour, lw=0.8, alpha=0.7, zorder=3)


def _percent(share: float) -> float:
    return 100 * min(max(share, _LOWEST), _HIGHEST)


def _finish_axes(axes: Any, places: Mapping[str, float], start: int, inches: float) -> None:
    """Name rungs above the axes, each at the end of a thin line to its place, and bytes below."""
    left, right = min(places.values()) - _EDGE, max(max(places.values()) + _EDGE, start + 1)
    axes.set_xlim(left, right)
    arms = sorted(places, key=lambda arm: places[arm])
    labels = spread([places[arm] for arm in arms], _LABEL_INCHES * (right - left) / inches)
    for arm, label in zip(arms, labels, strict=True):
        place = places[arm]
        axes.axvline(place, color=RULE, lw=0.5, zorder=1)
        axes.annotate(
            arm, (place, 1), (label, 1.07), xycoords=axes.get_xaxis_transform(), textcoords=axes.get_xaxis_transform(),
            rotation=90, ha="center", va="bottom", fontsize=6.5, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.5, "shrinkA": 0.5, "shrinkB": 0},
        )  # fmt: skip
    nothing = [place for place in places.values() if place <= start - 1]
    ticks = [(sum(nothing) / len(nothing), "0")] if nothing else []
    ticks += [(decade, in_bytes(decade)) for decade in range(start, math.floor(right) + 1)]
    axes.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
    for height in (0, 100):
        axes.axhline(height, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=2)
    axes.set_xlabel("bytes kept of the pretrained body")
    axes.set_ylabel("share of language's gain (%)")
    axes.grid(axis="y", color=RULE, lw=0.5)
    axes.set_axisbelow(True)


def in_bytes(decade: int) -> str:
    """Write a power of ten as bytes.

    Example:
        >>> [in_bytes(decade) for decade in (0, 2, 4, 6, 9)]
        ['1 B', '100 B', '10 kB', '1 MB', '1 GB']
    """
    unit = min(decade // 3, 3)
    return f"{10 ** (decade - 3 * unit)} {('B', 'kB', 'MB', 'GB')[unit]}"
