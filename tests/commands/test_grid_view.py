"""The live view of a grid: how long it will still take."""

import pytest
from rich.console import Console

from fpt_bench.commands import grid_view
from fpt_bench.commands.grid_view import GridView
from fpt_bench.config.grid import without_cells
from fpt_bench.results.events import Finished, Progress, Started
from tests.made_up import made_up_grid, made_up_result


def footer(view: GridView) -> str:
    return view._footer().plain


def test_time_left_is_said_from_the_first_steps_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(grid_view.time, "monotonic", lambda: now)
    grid = made_up_grid(seeds=(0,))  # bit-xor and mnist, two arms, 100 steps each
    view = GridView(grid, 1, Console(quiet=True))
    assert "left" not in footer(view)
    spec = grid.runs[0].spec
    view.take(Started(spec, 1))
    view.take(Progress(spec.run_id, 10, 100))
    now = 10.0
    view.take(Progress(spec.run_id, 20, 100, score=0.5))
    assert "about 0:06:20 left" in footer(view), "380 steps of a second, as the ten that were seen"
    view.take(Finished(made_up_result("bit-xor", 0, 0.9)))
    assert "about 0:00:30 left" in footer(view), "300 steps of a tenth, as those of the finished run"


def test_a_cell_that_was_left_out_is_empty_and_a_failed_run_turns_no_unit() -> None:
    grid = without_cells(made_up_grid(seeds=(0, 1)), {("mnist", "language"): "a package is not installed"})
    view = GridView(grid, 1, Console(quiet=True))
    result = made_up_result("bit-xor", 0, 0.9)
    assert result.data is not None
    errors = result.data.model_copy(update={"metric": "error", "is_fraction": False, "higher_is_better": False})
    failed = made_up_result("bit-xor", 1, 0.9).model_copy(update={"status": "failed", "data": None, "test_score": None})
    view.found([result.model_copy(update={"data": errors, "test_score": 4.0}), failed])
    assert view._cell("mnist", "language").plain == ""
    assert "400" not in view._cell("bit-xor", "language").plain
    assert "4.00" in view._cell("bit-xor", "language").plain
