"""What docs/ and the README show is what the results beside it come to, and nothing else."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from fpt_bench.commands.table import render_again
from fpt_bench.config.published import is_resized
from fpt_bench.report.words import DAGGER, DOUBLE_DAGGER
from fpt_bench.results.folder import GRID_FILE, collect_results, find_grids, read_grid
from tests.paths import KEPT_RESULTS, ROOT


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the kept results whose tables were rendered again."""
    copy = tmp_path_factory.mktemp("kept") / "results"
    shutil.copytree(KEPT_RESULTS, copy, ignore=shutil.ignore_patterns("table.md", "table.csv"))
    results, _ = collect_results(copy)
    for path in find_grids(copy):
        render_again(read_grid(path), results, path.parent, Console(quiet=True))
    return copy


def test_kept_tables_are_those_of_the_kept_results(rendered: Path) -> None:
    tables = sorted(path.relative_to(rendered) for path in rendered.glob("tables/*/table.*") if path.suffix != ".json")
    assert tables
    for table in tables:
        assert (KEPT_RESULTS / table).read_text() == (rendered / table).read_text(), table


def test_every_kept_result_belongs_to_a_kept_table() -> None:
    results, problems = collect_results(KEPT_RESULTS)
    assert not problems
    wanted = {run.spec.run_id for path in find_grids(KEPT_RESULTS) for run in read_grid(path).runs}
    assert {result.spec.run_id for result in results} <= wanted


def glance(table: Path) -> str:
    """Write accuracies of tasks (down) and arms (across) in percent, with n and, where it was swept, the rate."""
    frame, runs = pd.read_csv(table), read_grid(table.parent / GRID_FILE).runs
    arms = list(dict.fromkeys(frame["arm"]))
    lines = [f"| task | n | {' | '.join(arms)} |", f"|---|---|{'---|' * len(arms)}"]
    for task, rows in frame.groupby("task", sort=False):
        cells = {row["arm"]: _cell(row) for row in rows.to_dict("records")}
        kind = rows["data"].iloc[0]
        resized = any(is_resized(task, kind, run.spec.data_arguments) for run in runs if run.task == task)
        mark = DAGGER if kind == "embedded" else DOUBLE_DAGGER if resized else ""
        lines.append(f"| {task}{mark} | {rows['n'].min()} | {' | '.join(cells[arm] for arm in arms)} |")
    return "\n".join(lines)


def _cell(row: dict[str, float]) -> str:
    half = row["accuracy_high"] - row["accuracy_mean"]
    rate = f" at {row['learning_rate']:g}" if " " in str(row["learning_rates"]) else ""
    return f"{100 * row['accuracy_mean']:.1f} ± {100 * half:.1f}{rate}"


@pytest.mark.parametrize("table", sorted(KEPT_RESULTS.glob("tables/*/table.csv")), ids=lambda path: path.parent.name)
def test_the_page_on_experiments_shows_every_kept_table(table: Path) -> None:
    assert glance(table) in (ROOT / "docs" / "experiments.md").read_text()


def test_readme_shows_the_headline_as_it_is_kept() -> None:
    page = (KEPT_RESULTS / "tables" / "headline-embedded" / "table.md").read_text()
    tables = [line for line in page.splitlines() if line.startswith("|")]
    shown = (ROOT / "README.md").read_text().splitlines()
    assert len(tables) > 30
    assert [line for line in tables if line not in shown] == []
