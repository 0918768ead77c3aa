"""The figure "bytes of language": where its points stand, which tasks it leaves out, and when there is none."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.intervals import mean_of_means, share_of_gain
from fpt_bench.config.experiment import Arm, Experiment
from fpt_bench.config.grid import Grid, GridRun
from fpt_bench.report.figures.bytes_of_language import draw_bytes, spread
from fpt_bench.report.figures.draw import DRAWERS, finish, house_style
from fpt_bench.report.figures.style import INK, LIGHT, MUTED, Drawing, make_looks
from tests.made_up import made_up_result

RUNGS: dict[str, tuple[str, int | None]] = {
    "language": ("pretrained", 1_000_000),
    "random-fanin": ("random-fanin", 0),
    "mimetic": ("mimetic-qk", 0),
    "spectrum": ("spectrum", 1000),
}
GAINS = {
    "language": [0.89, 0.9, 0.91],
    "random-fanin": [0.49, 0.5, 0.51],
    "mimetic": [0.68, 0.7, 0.72],
    "spectrum": [0.58, 0.6, 0.62],
}


def bench_of(
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    rungs: Mapping[str, tuple[str, int | None]] = RUNGS,
    specs: Mapping[str, Mapping[str, object]] | None = None,
) -> Bench:
    """Return a bench of hand-written scores, by task and arm, one a seed; `specs` sets other fields of an arm."""
    runs, results = [], []
    for task, of_arms in scores.items():
        for arm, values in of_arms.items():
            init, kept = rungs[arm]
            for seed, value in enumerate(values):
                made = made_up_result(task, seed, value, init)
                spec = made.spec.model_copy(update=(specs or {}).get(arm, {}))
                assert made.body is not None
                body = made.body.model_copy(update={"bytes_kept": kept})
                runs.append(GridRun(task=task, arm=arm, spec=spec))
                results.append(made.model_copy(update={"spec": spec, "body": body}))
    return Bench.of(grid_of(runs, rungs), results, simple=())


def grid_of(runs: Sequence[GridRun], rungs: Mapping[str, tuple[str, int | None]]) -> Grid:
    experiment = Experiment(
        name="ladder",
        question="Which rung?",
        tasks=tuple(dict.fromkeys(run.task for run in runs)),
        baseline="random-fanin",
        arms={arm: Arm(run={"init": init}) for arm, (init, _) in rungs.items()},
    )
    return Grid(experiment=experiment, profile="test", targets={}, runs=tuple(runs))


def drawn(bench: Bench) -> Drawing:
    with house_style():
        drawing = draw_bytes(bench, make_looks(bench.arms))
    assert drawing is not None
    return drawing


def test_a_point_stands_at_its_bytes_and_its_share_of_languages_gain() -> None:
    drawing = drawn(bench_of({"bit-xor": GAINS}))
    (axes,) = drawing.figure.axes
    line = next(line for line in axes.lines if line.get_label() == "bit-xor")
    # Decades: what keeps nothing a decade before the logarithm starts, side by side, the others at theirs.
    assert list(line.get_xdata()) == pytest.approx([2.0, 3.0, 6.0])
    assert list(line.get_ydata()) == pytest.approx([0.0, 25.0, 100.0])
    (alone,) = (line for line in axes.lines if line.get_linewidth() == 0)
    assert (list(alone.get_xdata()), list(alone.get_ydata())) == ([1.83], [pytest.approx(50.0)])
    bars = {bar.get_xdata()[0]: list(bar.get_ydata()) for bar in axes.lines if bar.get_alpha() == 0.7}
    assert bars.keys() == {1.83, 3.0}, "the baseline is 0 and language 1 by definition"
    assert bars[3.0] == pytest.approx([14.4, 35.9], abs=0.05)
    assert {text.get_text() for text in axes.texts} == set(GAINS), "every rung has its name"
    ticks = dict(zip((text.get_text() for text in axes.get_xticklabels()), axes.get_xticks(), strict=True))
    assert (ticks["0"], ticks["1 kB"], ticks["1 MB"]) == (pytest.approx(1.915), 3, 6)
    assert "bit-xor spectrum, 1,000 bytes, 25" in drawing.alt
    assert "Left out" not in drawing.caption


def test_a_task_without_a_gain_of_language_is_left_out_and_named() -> None:
    flat = {**GAINS, "language": [0.3, 0.45, 0.58, 0.72], "random-fanin": [0.2, 0.34, 0.48, 0.62]}
    behind = {**GAINS, "language": GAINS["random-fanin"], "random-fanin": GAINS["language"]}
    for lost in (flat, behind):
        drawing = drawn(bench_of({"bit-xor": GAINS, "mnist": lost}))
        assert "Left out, for language's gain is not distinguishable from 0: mnist†." in drawing.caption
        assert {cell.task for cell in drawing.cells} == {"bit-xor"}
        assert draw_bytes(bench_of({"mnist": lost}), {}) is None


def test_a_rung_whose_seeds_fall_into_two_groups_is_left_out_and_named() -> None:
    split = {**GAINS, "spectrum": [0.5, 0.5, 0.9]}
    drawing = drawn(bench_of({"bit-xor": split}))
    assert drawing.caption.endswith("Left out, for their seeds fall into two groups: spectrum on bit-xor.")
    assert {cell.arm for cell in drawing.cells} == {"language", "random-fanin", "mimetic"}


@pytest.mark.parametrize("end", ["language", "random-fanin"])
def test_a_gain_whose_own_end_falls_into_two_groups_is_no_gain(end: str) -> None:
    split = {**GAINS, end: [0.5, 0.98, 0.98]}
    assert draw_bytes(bench_of({"bit-xor": split}), {}) is None
    drawing = drawn(bench_of({"bit-xor": GAINS, "mnist": split}))
    assert drawing.caption.endswith(f"Left out, for their seeds fall into two groups: {end} on mnist†.")


def test_a_share_beyond_the_edge_is_a_triangle_there() -> None:
    near = {**GAINS, "language": [0.59, 0.6, 0.61]}
    low, high = {**near, "spectrum": [0.25, 0.2, 0.22]}, {**near, "spectrum": [0.94, 0.98, 0.95]}
    for scores, marker, edge in ((low, "v", -150), (high, "^", 250)):
        (axes,) = drawn(bench_of({"bit-xor": scores})).figure.axes
        (triangle,) = (line for line in axes.lines if line.get_marker() == marker)
        assert (list(triangle.get_xdata()), list(triangle.get_ydata())) == ([3.0], [edge])
    (axes,) = drawn(bench_of({"bit-xor": GAINS})).figure.axes
    assert not [line for line in axes.lines if line.get_marker() in ("v", "^")]


def test_without_bytes_baseline_or_language_there_is_no_figure() -> None:
    untold = {arm: (init, None) for arm, (init, _) in RUNGS.items()}
    no_baseline = {**RUNGS, "random-fanin": ("random", 0)}
    no_language = {**RUNGS, "language": ("permuted", 1_000_000)}
    for rungs in (untold, no_baseline, no_language):
        assert draw_bytes(bench_of({"bit-xor": GAINS}, rungs), {}) is None
    two = {arm: GAINS[arm] for arm in ("language", "random-fanin")}
    assert draw_bytes(bench_of({"bit-xor": two}), {}) is None, "no rung between the two"


def test_an_arm_on_another_body_is_no_rung() -> None:
    drawing = drawn(bench_of({"bit-xor": GAINS}, specs={"mimetic": {"body": "smollm2"}}))
    assert {cell.arm for cell in drawing.cells} == {"language", "random-fanin", "spectrum"}


def test_the_page_has_it_in_colours_of_its_own_and_no_arm_hides_a_task(tmp_path: Path) -> None:
    bench = bench_of({"bit-xor": GAINS, "mnist": GAINS})
    assert draw_bytes in DRAWERS
    with house_style():
        picture = finish(drawn(bench), "ladder-test", tmp_path)
    assert {path.suffix for path in picture.files} == {".pdf", ".png"}
    assert "var(--arm-0)" in picture.svg
    assert "var(--arm-1)" in picture.svg
    assert 'class="arm-' not in picture.svg
    assert not [colour for colour in (*LIGHT, INK, MUTED) if colour in picture.svg]


def test_fiellers_interval_is_where_the_test_of_the_difference_turns() -> None:
    ours, low, high = [0.58, 0.60, 0.62], [0.49, 0.50, 0.51], [0.89, 0.90, 0.91]
    found = share_of_gain(ours, low, high)
    assert found is not None
    for end, side in ((found.low, 1), (found.high, -1)):
        inside, outside = (
            mean_of_means([ours, low, high], [1, s - 1, -s]) for s in (end + side * 1e-6, end - side * 1e-6)
        )
        assert inside.low <= 0 <= inside.high
        assert not outside.low <= 0 <= outside.high
    alone = share_of_gain([0.7], low, high)
    assert alone is not None
    assert (round(alone.estimate, 6), alone.low, alone.high) == (0.5, -math.inf, math.inf)
    assert share_of_gain(ours, high, low) is None
    assert share_of_gain(ours, low, [0.9]) is None


def test_names_of_rungs_keep_their_distance() -> None:
    places = [2.0, 2.1, 2.1, 2.15, 5.0, 5.01, 9.0]
    moved = spread(places, 0.3)
    assert min(b - a for a, b in pairwise(moved)) == pytest.approx(0.3)
    assert sum(moved) == pytest.approx(sum(places))
    assert moved[-1] == 9.0
