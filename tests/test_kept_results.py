"""What docs/ and the README show is what the results beside it come to, and nothing else."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from PIL import Image
from rich.console import Console

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.docket import judge_claim
from fpt_bench.commands.docket_view import derive_docket
from fpt_bench.commands.table import render_again
from fpt_bench.config.named import named_experiment
from fpt_bench.report.docket_tables import changed_verdicts, docket_markdown
from fpt_bench.report.front_page import blocks, figure, kept_bench
from fpt_bench.results.folder import GRID_FILE
from fpt_bench.results.grids import find_grids, read_grid
from fpt_bench.results.result_files import collect_results
from tests.paths import DROWNED, HEADLINE, KEPT_RESULTS, MEASURED, ROOT

PLACES = {"before": KEPT_RESULTS, "today": MEASURED, "headline": HEADLINE, "drowned-positions": DROWNED}


@pytest.fixture(scope="module", params=list(PLACES))
def place(request: pytest.FixtureRequest) -> Path:
    return PLACES[request.param]


@pytest.fixture(scope="module")
def rendered(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the kept results whose tables were rendered again."""
    copy = tmp_path_factory.mktemp("kept") / "results"
    others = [KEPT_RESULTS.name, HEADLINE.name, DROWNED.name]
    shutil.copytree(place, copy, ignore=shutil.ignore_patterns("table.md", "table.csv", *others))
    results, _ = collect_results(copy)
    for path in find_grids(copy):
        render_again(read_grid(path), results, path.parent, Console(quiet=True))
    return copy


def test_kept_tables_are_those_of_the_kept_results(place: Path, rendered: Path) -> None:
    tables = sorted(path.relative_to(rendered) for path in rendered.glob("tables/*/table.*") if path.suffix != ".json")
    assert tables
    for table in tables:
        assert (place / table).read_text() == (rendered / table).read_text(), table


def test_every_kept_result_belongs_to_a_kept_table(place: Path) -> None:
    results, problems = collect_results(place)
    assert not problems
    wanted = {run.spec.run_id for path in find_grids(place) for run in read_grid(path).runs}
    assert {result.spec.run_id for result in results} <= wanted


def glance(table: Path) -> str:
    """Write accuracies of tasks (down) and arms (across) in percent, with n and, where it was swept, the rate."""
    arms = list(dict.fromkeys(pd.read_csv(table)["arm"]))
    lines = [f"| task | n | {' | '.join(arms)} |", f"|---|---|{'---|' * len(arms)}"]
    for task, rows in _by_task(table):
        cells = {row["arm"]: _cell(row) for row in rows}
        lines.append(f"| {task} | {min(row['n'] for row in rows)} | {' | '.join(cells[arm] for arm in arms)} |")
    return "\n".join(lines)


def _by_task(table: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Give the rows of each task under its name with its mark: stand-ins a dagger, other sizes a double dagger."""
    runs = read_grid(table.parent / GRID_FILE).runs
    for task, rows in pd.read_csv(table).groupby("task", sort=False):
        resized = any(set(run.spec.data_arguments) - {"shuffled"} for run in runs if run.task == task)
        mark = "†" if (rows["data"] == "embedded").any() else "‡" if resized else ""
        yield f"{task}{mark}", rows.to_dict("records")


def _cell(row: dict[str, Any]) -> str:
    """Write an accuracy as tables do: without a width where seeds are all alike or fall into two groups."""
    half = row["accuracy_high"] - row["accuracy_mean"]
    width = f" ± {100 * half:.1f}" if half > 1e-6 else ""
    if pd.notna(row.get("learned")):
        width = f" ({row['learned']:.0f} of {row['n']} learned)"
    rate = f" at {row['learning_rate']:g}" if " " in str(row["learning_rates"]) else ""
    return f"{100 * row['accuracy_mean']:.1f}{width}{rate}"


@pytest.mark.parametrize("table", sorted(KEPT_RESULTS.glob("tables/*/table.csv")), ids=lambda path: path.parent.name)
def test_the_page_of_what_was_set_aside_shows_every_table_of_it(table: Path) -> None:
    assert glance(table) in (KEPT_RESULTS / "README.md").read_text()


def test_the_readme_answers_what_the_kept_headline_does() -> None:
    readme, bench = (ROOT / "README.md").read_text(), kept_bench(HEADLINE, "headline-embedded")
    for block in blocks(bench).values():
        assert block in readme, "front_page docs/results/headline headline-embedded --page README.md"


@pytest.mark.parametrize(
    ("folder", "bench", "name"),
    [
        (HEADLINE, "headline-embedded", "forest"),
        (MEASURED, "one-shape-embedded", "forest"),
        (MEASURED, "ladder-embedded", "bytes"),
        (MEASURED, "lasting-settled", "curves"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_the_pictures_are_of_the_kept_results(folder: Path, bench: str, name: str) -> None:
    picture = f"docs/pictures/{bench.rpartition('-')[0]}-{name}.png"
    assert picture in (ROOT / "README.md").read_text()
    again = f"front_page {folder.relative_to(ROOT)} {bench} --figure {name} --picture {picture}"
    with Image.open(ROOT / picture) as shown:
        assert shown.info["Description"] == figure(kept_bench(folder, bench), name).alt, again


def test_the_headlines_rates_are_those_that_the_kept_sweep_chooses() -> None:
    profile = yaml.safe_load((ROOT / "configs" / "profiles" / "embedded.yaml").read_text())
    written = profile["experiments"]["headline"]["rates"]
    chosen: dict[str, dict[str, float]] = {arm: {} for arm in written}
    for cell in kept_bench(MEASURED, "rates-embedded").cells:
        chosen[cell.arm][cell.task] = cell.choice.rate
        tried = [score.rate for score in cell.choice.scores if score.n]
        assert min(tried) < cell.choice.rate < max(tried), f"{cell.task} {cell.arm}: a better rate may lie outside"
    assert written == chosen


def test_the_page_of_what_was_set_aside_says_open_because_the_judge_does() -> None:
    """It says that three seeds settled no difference in these tables."""
    frames = [pd.read_csv(table) for table in KEPT_RESULTS.glob("tables/*/table.csv")]
    verdicts = pd.concat(frames)["verdict"].dropna()
    assert set(verdicts) == {"open"}
    assert f"all {len(verdicts)} differences" in (KEPT_RESULTS / "README.md").read_text()


@pytest.mark.parametrize("places", [(MEASURED, HEADLINE), (KEPT_RESULTS,)], ids=["today", "before"])
def test_the_kept_docket_is_what_the_kept_results_say(places: tuple[Path, ...]) -> None:
    place, mixed = places[0], places == (KEPT_RESULTS,)  # of what was set aside, which says so
    entries = derive_docket(places, mix_releases=mixed)
    kept = json.loads((place / "docket.json").read_text())
    options = f"{'--mix-releases ' * mixed}-o docket.json and -o docket.md in the first"
    again = f"python -m fpt_bench judge {' '.join(str(each.relative_to(ROOT)) for each in places)} {options}"
    assert changed_verdicts(kept, entries) == [], again
    assert (place / "docket.md").read_text() == docket_markdown(entries), again


def test_no_claim_of_an_experiment_is_settled_by_the_kept_results() -> None:
    """The page says *open* beside each published claim."""
    results, _ = collect_results(KEPT_RESULTS)
    outcomes = set()
    for grid in map(read_grid, find_grids(KEPT_RESULTS)):
        bench = Bench.of(grid, results)
        outcomes |= {judge_claim(claim, bench).outcome for claim in named_experiment(grid.experiment.name).claims}
    assert outcomes == {"open"}
