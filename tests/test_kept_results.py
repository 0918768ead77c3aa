"""What docs/ and the README show is what the results beside it come to, and nothing else."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from fpt_bench.bench import find_grids, read_grid, render_again
from fpt_bench.results import collect_results

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "docs" / "results"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the kept results whose tables were rendered again."""
    copy = tmp_path_factory.mktemp("kept") / "results"
    shutil.copytree(KEPT, copy, ignore=shutil.ignore_patterns("table.md", "table.csv"))
    render_again(copy, Console(quiet=True))
    return copy


def test_kept_tables_are_those_of_the_kept_results(rendered: Path) -> None:
    tables = sorted(path.relative_to(rendered) for path in rendered.glob("tables/*/table.*") if path.suffix != ".json")
    assert tables
    for table in tables:
        assert (KEPT / table).read_text() == (rendered / table).read_text(), table


def test_every_kept_result_belongs_to_a_kept_table() -> None:
    results, problems = collect_results(KEPT)
    assert not problems
    wanted = {run.spec.run_id for path in find_grids(KEPT) for run in read_grid(path).runs}
    assert {result.spec.run_id for result in results} <= wanted


def test_readme_shows_the_headline_as_it_is_kept() -> None:
    page = (KEPT / "tables" / "headline-embedded" / "table.md").read_text()
    tables = [line for line in page.splitlines() if line.startswith("|")]
    shown = (ROOT / "README.md").read_text().splitlines()
    assert len(tables) > 30
    assert [line for line in tables if line not in shown] == []
