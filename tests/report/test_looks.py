"""Figures tell their arms apart: no two share a look, by readers of all kinds of sight, and no mark lies on another."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from fpt_bench.analysis.benches import Bench
from fpt_bench.report.figures.panels import draw_curves
from fpt_bench.report.figures.rows import draw_accuracy
from fpt_bench.report.figures.style import DARK, LIGHT, make_looks
from tests.made_up_bench import made_up_bench

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0: what linear RGB looks like to each.
SIGHTS = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "all cones": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ @ np.ones(3)


def seen(colour: str, sight: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the CIELAB place of a colour as somebody sees it."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(sight) @ linear, 0, 1) / WHITE
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_all_colours_are_told_apart_by_every_sight(colours: tuple[str, ...], sight: str) -> None:
    pairs = itertools.combinations([seen(colour, SIGHTS[sight]) for colour in colours], 2)
    assert min(float(np.linalg.norm(first - second)) for first, second in pairs) > 7, "2.3 is just seen"


def test_no_two_arms_of_a_figure_share_a_look() -> None:
    looks = list(make_looks([f"arm {number}" for number in range(40)]).values())
    for number, shared in ((40, ("colour", "fill", "marker")), (40, ("colour", "line")), (16, ("colour", "fill"))):
        dealt = [tuple(getattr(look, name) for name in shared) for look in looks[:number]]
        assert len(set(dealt)) == number, shared


def test_arms_that_arrive_together_stand_side_by_side() -> None:
    grid, results = made_up_bench(tasks=("mnist",))
    curve = next(r.curve for r in results if r.spec.init == "pretrained")
    bench = Bench.of(grid, [r.model_copy(update={"curve": curve}) for r in results])
    drawing = draw_curves(bench, make_looks(bench.arms))
    assert drawing is not None
    drawing.figure.draw_without_rendering()
    axes = drawing.figure.axes[0]
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1 and line.get_marker() != "x"]
    places = sorted(float(line.get_transform().transform(line.get_xydata())[0, 0]) for line in marks)
    assert len(places) == 3
    size = max(line.get_markersize() for line in marks) * drawing.figure.dpi / 72
    assert min(np.diff(places)) > size


def test_a_published_diamond_lies_below_every_mark_and_is_hollow() -> None:
    grid, results = made_up_bench(tasks=("bit-xor",))
    figures = {"lu2021": {"table2_initializations": {"columns": ["bit-xor"], "language": [100]}}}
    bench = Bench.of(grid, results, published=figures)
    drawing = draw_accuracy(bench, make_looks(bench.arms))
    assert drawing is not None
    lines = drawing.figure.axes[0].lines
    diamonds = [line for line in lines if line.get_marker() == "d"]
    others = [line for line in lines if line.get_marker() in ("o", "s", "^", ".")]
    assert diamonds
    assert all(line.get_markerfacecolor() == "none" for line in diamonds)
    assert max(line.zorder for line in diamonds) < min(line.zorder for line in others)


def test_the_name_of_the_y_axis_is_clear_of_the_key() -> None:
    grid, results = made_up_bench(tasks=("mnist",))
    arms = {f"arm-{number}": grid.experiment.arms["language"] for number in range(11)}
    runs = [run.model_copy(update={"arm": arm}) for arm in arms for run in grid.runs if run.arm == "language"]
    experiment = grid.experiment.model_copy(update={"arms": arms, "baseline": "arm-0", "claims": ()})
    bench = Bench.of(grid.model_copy(update={"experiment": experiment, "runs": tuple(runs)}), results)
    drawing = draw_curves(bench, make_looks(bench.arms))
    assert drawing is not None
    figure = drawing.figure
    figure.draw_without_rendering()
    assert not figure._supylabel.get_window_extent().overlaps(figure.legends[0].get_window_extent())
