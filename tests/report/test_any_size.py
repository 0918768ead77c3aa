"""A report stays small to open, however many benches and runs it is over."""

import re
from pathlib import Path
from unittest import mock

import pytest
import yaml
from rich.console import Console

from fpt_bench.analysis.benches import Bench
from fpt_bench.config.yaml_files import CONFIGS, read_value, read_yaml
from fpt_bench.report.page.report_page import build_report
from fpt_bench.report.page.verdict_line import verdict_line
from tests.made_up_bench import made_up_bench, write_bench

MOST_BYTES, MOST_NODES = 3_000_000, 20_000


def nodes(page: Path) -> int:
    return len(re.findall(r"<[a-z]", page.read_text()))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of three benches of the same 30 runs; figures, whose size does not grow with the runs, are left out."""
    folder = tmp_path_factory.mktemp("many")
    grid, results = made_up_bench(tasks=("mnist",), seeds=range(10))
    for name in ("made-up", "headline", "second"):
        experiment = grid.experiment.model_copy(update={"name": name})
        write_bench(folder / "runs", grid.model_copy(update={"experiment": experiment}), results)
    with mock.patch("fpt_bench.report.page.contents.draw_bench", return_value=[]):
        build_report(folder / "runs", folder / "index.html", Console(quiet=True))
    return folder / "index.html"


def test_what_is_opened_first_is_small(index: Path) -> None:
    for page in (index, *(index.parent / "benches").glob("*.html")):
        assert page.stat().st_size < MOST_BYTES / 18
        assert nodes(page) < MOST_NODES / 18, f"{page.name}: eighteen such benches would still open at once"


def test_details_lie_beside_a_page_and_not_in_it(index: Path) -> None:
    page, details = (index.parent / "benches" / f"second-embedded{end}" for end in (".html", ".details.js"))
    assert ">training time<" not in page.read_text()
    assert details.read_text().count(">training time<") == 30


def test_an_index_begins_with_the_docket_and_the_headline(index: Path) -> None:
    text = index.read_text()
    assert "30 of 30 runs have a score." in text, "each run counts once"
    docket, first, benches = (text.index(f'<section id="{name}">') for name in ("docket", "first", "benches"))
    assert docket < first < benches
    assert re.findall(r'<dt><a href="benches/([a-z-]+).html"', text)[0] == "headline-embedded"
    assert re.search(r"<p class=\"verdict\">\d+ claims: \d+ supported, ", text)


def test_the_policy_lets_no_script_run_but_the_pages_own(index: Path) -> None:
    for page in (index, *(index.parent / "benches").glob("*.html")):
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page.read_text())
        assert policy is not None
        scripts = policy[1].partition("script-src ")[2].partition(";")[0]
        assert "unsafe-inline" not in scripts
        assert "sha256-" in scripts


def test_a_verdict_line_counts_the_judges_words() -> None:
    grid, results = made_up_bench(tasks=("bit-memory", "mnist"), seeds=range(12))
    assert verdict_line(Bench.of(grid, [])) == "No arm has a score beside that of the arm that it is compared with."
    line = verdict_line(Bench.of(grid, results))
    assert line.startswith("language against random: better than random on 1 of 2 tasks (mnist); open on 1.")
    two = verdict_line(Bench.of(*made_up_bench(tasks=("mnist",), seeds=(0, 1))))
    assert two.startswith("language against random: open on 1 of 1 task.")


def test_a_yaml_file_is_parsed_once_and_never_changed_by_its_readers() -> None:
    read_value.cache_clear()
    path = CONFIGS / "profiles" / "smoke.yaml"
    with mock.patch.object(yaml, "SafeLoader", wraps=yaml.SafeLoader) as parsed:
        first, second = read_yaml(path), read_yaml(path)
    assert parsed.call_count == 1
    first.clear()
    assert read_yaml(path) == second
