"""Which figures a bench has, and what sweeps and profiles show."""

from pathlib import Path

import pytest
from rich.console import Console

from fpt_bench.analysis.across_tasks import performance_profile
from fpt_bench.analysis.benches import Bench
from fpt_bench.config.grid import Grid
from fpt_bench.report.figures.heat_map import draw_heat_map
from fpt_bench.report.figures.over_tasks import draw_profiles
from fpt_bench.report.figures.panels import draw_curves, draw_rates
from fpt_bench.report.figures.rows import draw_accuracy
from fpt_bench.report.figures.style import make_looks
from fpt_bench.report.page.contents import make_section
from fpt_bench.report.summary import summarize
from fpt_bench.results.result import RunResult
from tests.made_up_bench import made_up_bench

SILENT = Console(quiet=True)


def test_a_figure_with_nothing_to_show_is_left_out(tmp_path: Path) -> None:
    def names(grid: Grid, results: list[RunResult]) -> list[str]:
        bench = Bench.of(grid, results)
        section = make_section(bench, make_looks(bench.arms), tmp_path, SILENT)
        assert bool(section.forest) == bool(section.pictures)
        return [picture.name.removeprefix("made-up-embedded-") for picture in section.pictures]

    grid, results = made_up_bench(tasks=("mnist",), rates=(1e-4, 1e-3, 1e-2))
    assert names(grid, results) == ["accuracy", "curves", "rates", "heat-map", "parameters", "gap"], "no steps to beat"
    assert names(grid, []) == []
    assert names(grid, [r.model_copy(update={"train_score": None}) for r in results])[-1] == "parameters"


@pytest.fixture
def rates_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpt_bench.report.figures.draw.DRAWERS", (draw_rates,))


@pytest.mark.usefixtures("rates_alone")
def test_learning_rates_are_drawn_with_their_divergence(tmp_path: Path) -> None:
    bench = Bench.of(*made_up_bench(tasks=("mnist",), rates=(1e-4, 1e-3, 1e-2)))
    section = make_section(bench, make_looks(bench.arms), tmp_path, SILENT)
    svg = next(picture.svg for picture in section.pictures if picture.name.endswith("rates"))
    assert "0.01 gives 10.0" in svg, "diverged runs count as the floor"
    tables = [table for table in section.tables[:4] if table.caption != "Claims"]
    assert {row.entries[0].text for table in tables for row in table.rows} == {"mnist†"}
    assert "Every arm ran at one learning rate" not in " ".join(finding.text for finding in section.summary)


def test_the_sweep_is_drawn_as_a_heat_map_with_the_chosen_rate_framed() -> None:
    bench = Bench.of(*made_up_bench(tasks=("mnist",), rates=(1e-4, 1e-3, 1e-2)))
    drawing = draw_heat_map(bench, make_looks(bench.arms))
    assert drawing is not None
    axes = drawing.figure.axes[0]
    squares = {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)): p.get_alpha() for p in axes.patches if p.get_fill()}
    assert len(squares) == 9
    assert squares[bench.arms.index("full"), 2] == pytest.approx(0), "what diverged stands at the floor"
    assert min(squares[0, 1], squares[1, 1]) > 0.1
    framed = {(round(p.get_y() + 0.44), round(p.get_x() + 0.48)) for p in axes.patches if not p.get_fill()}
    assert framed == {(row, (1e-4, 1e-3, 1e-2).index(cell.choice.rate)) for row, cell in enumerate(bench.cells)}
    assert "mnist† full" in drawing.alt
    rows = {f"mnist† {arm}": [text for text in axes.texts if f" {arm}:" in text.get_gid()] for arm in bench.arms}
    assert all(texts[0].get_text() == row for row, texts in rows.items()), "the page hides a row with its arm"
    assert sum(map(len, rows.values())) == len(axes.texts) == 12


def test_profiles_show_which_share_of_runs_gets_how_far() -> None:
    bench = Bench.of(*made_up_bench())
    drawing = draw_profiles(bench, make_looks(bench.arms))
    assert drawing is not None
    lines = drawing.figure.axes[0].lines
    assert len(lines) == len(bench.arms)
    for line, overall in zip(lines, bench.overall, strict=True):
        shares = line.get_ydata()
        assert (shares[0], list(shares)) == (100, sorted(shares, reverse=True))
        assert f"{overall.arm} {100 * performance_profile(overall.scores, [0.5])[0]:.0f} %" in drawing.alt
    one_task = Bench.of(*made_up_bench(tasks=("mnist",)))
    assert draw_profiles(one_task, make_looks(one_task.arms)) is None


@pytest.mark.usefixtures("rates_alone")
def test_learning_rates_are_drawn_of_the_seeds_that_chose(tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("mnist",), rates=(1e-4, 1e-3, 1e-2))
    chose = [r.model_copy(update={"validation_score": 0.5}) if r.spec.seed < 2 else r for r in results]
    bench = Bench.of(grid.model_copy(update={"tuning_seeds": (0, 1)}), chose)
    section = make_section(bench, make_looks(bench.arms), tmp_path, SILENT)
    svg = next(picture.svg for picture in section.pictures if picture.name.endswith("rates"))
    assert "mnist† language: 0.0001 gives 50.0, 0.001 gives 50.0, 0.01 gives 50.0" in svg


def test_floors_are_drawn_where_the_arms_are_that_they_are_of() -> None:
    grid, results = made_up_bench(tasks=("mnist",))

    def changed(result: RunResult) -> RunResult:
        assert result.data is not None
        return result.model_copy(update={"data": result.data.model_copy(update={"floor": 0.25})})

    full = {run.spec.run_id for run in grid.runs if run.arm == "full"}
    others = [changed(r) if r.spec.run_id in full else r for r in results]
    bench = Bench.of(grid, others)
    looks = make_looks(bench.arms)
    drawn = draw_accuracy(bench, looks)
    assert drawn is not None
    lines = [line.get_xydata().tolist() for line in drawn.figure.axes[0].lines if line.get_linestyle() == "--"]
    assert lines == [[[10.0, 0.5], [10.0, 2.5]], [[25.0, 2.5], [25.0, 3.5]]], "two rows, then the one of `full`"
    curves = draw_curves(bench, looks)
    assert curves is not None
    across = [line.get_ydata()[0] for line in curves.figure.axes[0].lines if list(line.get_xdata()) == [0, 1]]
    assert set(across) == {10.0, 25.0, 68.5}, "two floors, one target that is stated"
    (stuck,) = [p.text for p in summarize(Bench.of(grid, [at_floor(r) for r in others])) if p.subject]
    assert "above the floor (10.0 %, guess): language and random." in stuck
    assert "above the floor (25.0 %, guess): full." in stuck


def at_floor(result: RunResult) -> RunResult:
    assert result.data is not None
    return result.model_copy(update={"test_score": result.data.floor})
