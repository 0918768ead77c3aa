"""What runs reach over all tasks: the share of runs that gets as far, an arm a line."""

from collections.abc import Mapping

import numpy as np

from fpt_bench.analysis.cells import Bench
from fpt_bench.analysis.improvement import performance_profile
from fpt_bench.report.figures.style import COLUMN_INCHES, RULE, Drawing, Look, drawn_as
from fpt_bench.report.words import listed

_POINTS = 101


def draw_profiles(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw performance profiles over tasks, in the manner of Agarwal et al. 2021, figure 4."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    if not bench.overall:
        return None
    lowest = min(score for overall in bench.overall for task in overall.scores for score in task)
    reached = np.linspace(min(lowest, 0.0), 1.0, _POINTS)
    figure = Figure(figsize=(COLUMN_INCHES, 2.4), layout="constrained")
    axes = figure.subplots()
    halves = []
    for overall in bench.overall:
        look, shares = looks[overall.arm], performance_profile(overall.scores, list(reached))
        half = 100 * performance_profile(overall.scores, [0.5])[0]
        halves.append(f"{overall.arm} {half:.0f} %")
        with drawn_as(look, axes, 0, f"{overall.arm}: {half:.0f} % of runs get half-way"):
            axes.step(reached, 100 * np.array(shares), where="pre", color=look.colour, ls=look.line)
    axes.set(xlabel="way from the task's floor (0) to perfect (1)", ylabel="runs that get as far (%)", ylim=(-2, 103))
    axes.grid(color=RULE, lw=0.5)
    axes.set_axisbelow(True)
    shown = [looks[overall.arm] for overall in bench.overall]
    keys = [Line2D([], [], ls=look.line, color=look.colour, label=look.name) for look in shown]
    figure.legend(handles=keys, loc="outside upper center", ncols=min(4, len(keys)), columnspacing=1.2)
    tasks = bench.overall[0].tasks
    return Drawing(
        "profiles",
        figure,
        "Runs by how far they get",
        "Share of runs whose test score is at least so far from floor to perfect, every task alike, over "
        f"{listed(tasks)} (performance profiles, Agarwal et al. 2021). A line above another everywhere is the better "
        "arm on these tasks; lines that cross do not say which is.",
        f"Share of runs by normalised score. Half-way get: {', '.join(halves)}.",
        [cell for cell in bench.cells if cell.runs and cell.task in tasks],
    )
