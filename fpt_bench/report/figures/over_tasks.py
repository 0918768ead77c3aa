"""What runs reach over all tasks: the share of runs that gets as far, an arm a line."""

from collections.abc import Mapping

import numpy as np

from fpt_bench.analysis.across_tasks import performance_profile
from fpt_bench.analysis.benches import Bench
from fpt_bench.report.figures.style import COLUMN_INCHES, RULE, Drawing, Look, drawn_as
from fpt_bench.report.words import listed

_LOWEST = -0.5
"""Where the axis is cut: a score without a lower end can be far below its floor."""


def draw_profiles(bench: Bench, looks: Mapping[str, Look]) -> Drawing | None:
    """Draw performance profiles over tasks, in the manner of Agarwal et al. 2021, figure 4."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    if not bench.overall:
        return None
    scores = {score for overall in bench.overall for task in overall.scores for score in task}
    reached = sorted({*scores, 0.0, 1.0})
    figure = Figure(figsize=(COLUMN_INCHES, 2.4), layout="constrained")
    axes = figure.subplots()
    halves = []
    for overall in bench.overall:
        look, shares = looks[overall.arm], performance_profile(overall.scores, reached)
        half = 100 * performance_profile(overall.scores, [0.5])[0]
        halves.append(f"{overall.arm} {half:.0f} %")
        # Of no task: whoever hides one on the page hides no line that is over all of them.
        with drawn_as(look, axes, len(bench.tasks), f"{overall.arm}: {half:.0f} % of runs get half-way"):
            axes.step(reached, 100 * np.array(shares), where="pre", color=look.colour, ls=look.line)
    axes.set(xlabel="way from the task's floor (0) to perfect (1)", ylabel="runs that get as far (%)", ylim=(-2, 103))
    axes.set_xlim(max(_LOWEST, reached[0]) - 0.02, 1.02)
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
        f"{listed(tasks)} (performance profiles, Agarwal et al. 2021). Where a line is above another, more of "
        "that arm's runs got there; whether the arm is better is the judge's word.",
        f"Share of runs by normalised score. Half-way get: {', '.join(halves)}.",
        [cell for cell in bench.cells if cell.runs and cell.task in tasks],
    )
