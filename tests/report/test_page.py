"""The report: what its page says, what it escapes, which figures there are, and commands that give the same run."""

import functools
import json
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from fpt_bench.analysis.benches import Bench
from fpt_bench.cli import app
from fpt_bench.config.command_line import make_command, spec_from_options
from fpt_bench.config.experiment import Experiment, Profile
from fpt_bench.config.grid import Grid
from fpt_bench.config.grid_of import make_grid
from fpt_bench.config.spec import RunSpec
from fpt_bench.config.yaml_files import config_names, find_config, load
from fpt_bench.report.figures.style import DARK, INK, LIGHT, MUTED, PAPER
from fpt_bench.report.page.compare import compare_reports, difference, differing
from fpt_bench.report.page.report_page import build_report, watch_report
from fpt_bench.report.summary import summarize
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import write_result
from tests.made_up_bench import made_up_bench, write_bench

SILENT = Console(quiet=True)


def build(folder: Path, grid: Grid, results: list[RunResult]) -> str:
    build_report(write_bench(folder / "runs", grid, results), folder / "report.html", SILENT)
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("report")
    return folder, build(folder, *made_up_bench())


@pytest.fixture
def nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Leave figures out, for what says nothing of them; return the benches that would have been drawn."""
    asked: list[str] = []
    monkeypatch.setattr(
        "fpt_bench.report.page.contents.draw_bench", lambda bench, *_: asked.append(bench.grid.name) or []
    )
    return asked


def test_the_page_is_one_file_that_asks_no_network_for_anything(page: tuple[Path, str]) -> None:
    text = page[1]
    assert len(text) < 5_000_000
    beside = re.findall(r'(?:src|action|data-details)="(?!data:)[^"]*"|href="(?!#|data:)[^"]*"(?! download)', text)
    assert beside == [], "but for what is downloaded from beside it"
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    assert "default-src 'none'" in text


def test_ids_are_unique_and_every_link_has_its_place(page: tuple[Path, str]) -> None:
    ids = re.findall(r'\sid="([^"]+)"', page[1])
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page[1])) <= set(ids)


@pytest.mark.slow
def test_27_results_become_the_same_page_again_within_30_seconds(page: tuple[Path, str], tmp_path: Path) -> None:
    began = time.process_time()
    again = build(tmp_path, *made_up_bench())
    assert time.process_time() - began < 30, "of a core's time: whatever else the machine does"
    assert again == page[1]


def test_figures_are_files_for_a_paper(page: tuple[Path, str]) -> None:
    names = {path.name for path in (page[0] / "figures").iterdir()}
    figures = ("forest", "accuracy", "curves", "speed-up", "profiles", "parameters", "gap")
    drawn = {f"made-up-embedded-{figure}.{kind}" for figure in figures for kind in ("pdf", "png")}
    assert names == drawn | {"made-up-embedded.csv", "made-up-embedded.tex"}
    linked = re.findall(r'href="figures/([^"]+)" download', page[1])
    assert sorted(linked) == sorted(names), "each is linked once, and nothing else is"
    assert (page[0] / "figures" / "made-up-embedded-accuracy.pdf").read_bytes().startswith(b"%PDF")


def test_figures_on_the_page_take_their_colours_from_it(page: tuple[Path, str]) -> None:
    drawn = "".join(re.findall(r"<svg.*?</svg>", page[1], re.DOTALL))
    assert drawn.count("var(--arm-0)") > 5
    fixed = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", drawn))
    assert fixed == set(), "a colour that dark mode cannot change"


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(("ground", "colours"), [(PAPER, (*LIGHT, INK, MUTED)), ("#171716", DARK)])
def test_every_colour_can_be_read_on_its_ground(ground: str, colours: tuple[str, ...]) -> None:
    for colour in colours:
        dark, light = sorted((luminance(colour), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def test_markup_in_names_and_sources_shows_as_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    text = build(tmp_path, *made_up_bench(tasks=("mnist",), seeds=(0,), names={"language": evil}))
    assert evil not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<b>examples" not in text
    assert "&lt;b&gt;examples" in text


def test_daggers_are_everywhere_and_explained_once(page: tuple[Path, str]) -> None:
    assert page[1].count("† Data of mnist: made-up mnist") == 1
    assert "† mnist: made-up" not in page[1]
    assert "<td>mnist†</td>" in page[1]
    assert "<td>mnist</td>" not in page[1]
    assert "<strong>mnist† (embedded data, 500 test examples):</strong>" in page[1]


def sentences(grid: Grid, results: list[RunResult]) -> str:
    return " ".join(f"{finding.subject} {finding.text}" for finding in summarize(Bench.of(grid, results)))


def scored(results: list[RunResult], arm_scores: dict[str, list[float]]) -> list[RunResult]:
    """Return results of one task with other test accuracies, by init and seed; the arm `full` left out."""
    kept = [r for r in results if "attention" not in r.spec.train]
    return [r.model_copy(update={"test_score": arm_scores[r.spec.init][r.spec.seed]}) for r in kept]


def test_the_summary_is_computed() -> None:
    grid, results = made_up_bench(tasks=("mnist",))
    told = scored(results, {"pretrained": [0.5, 0.6, 0.7], "random": [0.1, 0.2, 0.3]})
    text = sentences(grid, told)
    assert "language (60.0 %) against random: open, +40.0 pp (95 % interval +17.3 to +62.7 pp, n = 3)." in text, (
        "three seeds settle nothing"
    )
    assert "The claim “language better than random on mnist, margin 0.05” (nobody) is open" in text
    assert "6 of 9 runs have a score." in text
    assert "Every arm ran at one learning rate" in text
    swapped = sentences(grid, scored(results, {"pretrained": [0.1, 0.2, 0.3], "random": [0.5, 0.6, 0.7]}))
    assert "language (20.0 %) against random: open, -40.0 pp" in swapped


def test_only_the_judge_says_better_worse_and_same() -> None:
    grid, results = made_up_bench(tasks=("mnist",), seeds=range(8))
    high, low = ([level + 0.01 * (seed % 3) for seed in range(8)] for level in (0.6, 0.2))
    better = sentences(grid, scored(results, {"pretrained": high, "random": low}))
    assert "language (60.9 %) is better than random by 40.0 pp (95 % interval +39.1 to +40.9 pp, n = 8)." in better
    assert "is supported: 1 of its 1 tasks bears it out" in better
    worse = sentences(grid, scored(results, {"pretrained": low, "random": high}))
    assert "language (20.9 %) is worse than random by 40.0 pp" in worse
    assert "is refuted: 0 of its 1 tasks bear it out" in worse
    assert "is as good as random within the margin" in sentences(
        grid, scored(results, {"pretrained": low, "random": low})
    )


def test_what_its_interval_does_not_show_is_not_said() -> None:
    grid, results = made_up_bench(tasks=("mnist",))
    text = sentences(grid, scored(results, {"pretrained": [0.1, 0.9, 0.5], "random": [0.4, 0.4, 0.4]}))
    assert "language (50.0 %) against random: open, +10.0 pp" in text
    assert "Not shown to be above the floor (10.0 %, guess): language." in text
    one = sentences(*made_up_bench(tasks=("mnist",), seeds=(0,)))
    assert "from too few seeds for an interval (n = 1), so it shows nothing yet." in one


def test_a_page_without_any_score_says_so(tmp_path: Path) -> None:
    grid, results = made_up_bench()
    failed = RunResult(spec=results[0].spec, status="failed", error="a full disk")
    text = build(tmp_path, grid, [failed])
    assert "0 of 27 runs have a score." in text
    assert "there is nothing to draw" in text


@functools.cache
def run_command() -> Any:
    return get_command(app).get_command(None, "run")  # type: ignore[attr-defined]


def parsed(command: str) -> RunSpec:
    """Return the spec that a command line asks for, read by the real parser."""
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "fpt_bench", "run"]
    with run_command().make_context("run", words[4:]) as context:
        given = {name: value for name, value in context.params.items() if value not in (None, [], ())}
    fields = {name: given[name] for name in RunSpec.model_fields if name in given}
    return spec_from_options(fields, given["profile"])


@pytest.mark.parametrize("profile", config_names("profiles"))
def test_a_run_is_made_again_by_its_command(profile: str) -> None:
    experiments = [load(Experiment, find_config("experiments", name)) for name in config_names("experiments")]
    grids = [make_grid(experiment, load(Profile, find_config("profiles", profile))) for experiment in experiments]
    firsts = {specs[0].run_id: specs[0] for grid in grids for specs in grid.cells().values()}
    for run_id, spec in firsts.items():
        command = make_command(spec, profile)
        assert command is not None, spec
        assert parsed(command).run_id == run_id, command


@pytest.mark.parametrize(
    "fields",
    [
        {"learning_rate": 1e-5, "layers": 2, "train": "all", "patience": 3},
        {"body": "/a folder/it's here", "body_path": "/tmp/x y", "precision": "bfloat16"},
        {"task": "bit-memory", "data": "real"},
        {"task": "bit-memory", "data_arguments": {"pattern_bits": 100, "mask_rate": 1e-05}},
    ],
)
def test_so_is_a_run_that_no_profile_knows(fields: dict[str, object]) -> None:
    spec = RunSpec.model_validate({"task": "bit-xor", **fields})
    command = make_command(spec, "no-such-profile")
    assert command is not None
    assert parsed(command).run_id == spec.run_id


def test_a_command_that_would_give_another_run_is_not_shown() -> None:
    spec = RunSpec(task="bit-xor").model_copy(update={"eval_every": 30, "max_steps": 100})
    assert make_command(spec, "embedded") is None


def ends_after(actions: list[Callable[[], None]]) -> Callable[[float], None]:
    """Return a sleep that does one thing each time, then is Ctrl-C."""

    def sleep(_: float) -> None:
        if not actions:
            raise KeyboardInterrupt
        actions.pop(0)()

    return sleep


@pytest.mark.usefixtures("nothing_drawn")
def test_watching_renews_the_page_when_results_change(tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("mnist",), seeds=(0,))
    runs, page, seen = tmp_path / "runs", tmp_path / "report.html", []

    def look() -> None:
        seen.append(re.findall(r"<p>\d of \d|http-equiv=\"refresh\"", page.read_text()))

    def nothing_yet() -> None:
        assert not page.exists()
        write_bench(runs, grid, results[:1])

    def one_more() -> None:
        look()
        write_result(results[1], runs / results[1].spec.run_id)

    watch_report(runs, page, SILENT, sleep=ends_after([nothing_yet, one_more, look]))
    look()
    refresh = 'http-equiv="refresh"'
    assert seen == [[refresh, "<p>1 of 3"], [refresh, "<p>2 of 3"], ["<p>2 of 3"]]


@pytest.mark.usefixtures("nothing_drawn")
def test_watching_takes_single_runs_and_says_whether_it_wrote(tmp_path: Path) -> None:
    results = made_up_bench(tasks=("mnist",), seeds=(0,))[1]
    runs, page = tmp_path / "runs", tmp_path / "report.html"
    assert not watch_report(runs, page, SILENT, sleep=ends_after([]))
    assert not page.exists()

    def one_run() -> None:
        write_result(results[0], runs / results[0].spec.run_id)

    assert watch_report(runs, page, SILENT, sleep=ends_after([one_run, lambda: None]))
    assert "<p>1 of 1" in page.read_text()


def test_watching_draws_nothing_anew_while_nothing_changes(tmp_path: Path, nothing_drawn: list[str]) -> None:
    runs = write_bench(tmp_path / "runs", *made_up_bench(tasks=("mnist",), seeds=(0,)))
    page, times = tmp_path / "report.html", []
    watch_report(runs, page, SILENT, sleep=ends_after([lambda: times.append(page.stat().st_mtime_ns)] * 3))
    assert len(set(times)) == 1
    assert len(nothing_drawn) == 2, "at first, and for the last time"


def test_two_folders_are_compared(tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("mnist",))
    after = [r.model_copy(update={"test_score": (r.test_score or 0) + 0.1}) for r in results[:3]]
    after += [
        r.model_copy(update={
            "body": r.body and r.body.model_copy(update={"fingerprint": "c" * 64}),
            "attempts": tuple(a.model_copy(update={"commit": "fedcba987654"}) for a in r.attempts),
        }) for r in results[3:6]
    ]  # fmt: skip
    first = write_bench(tmp_path / "first", grid, results)
    second = write_bench(tmp_path / "second", grid, after)
    compare_reports(first, second, tmp_path / "report.html", SILENT)
    text = (tmp_path / "report.html").read_text()
    assert "2 of 3 cells have a score on both sides; 1 of them are equal, and in 1 the" in text
    assert "<li>mnist†, language: +10.0 pp" in text, "run by run, each is as much better"
    assert "body fingerprint bbbbbbbb → cccccccc" in text
    assert "commit: 0123456789ab → 0123456789ab and fedcba987654" in text
    assert "† Data of mnist" in text
    assert (tmp_path / "figures" / "made-up-embedded-difference.pdf").is_file()


def test_a_difference_by_hand() -> None:
    grid, results = made_up_bench(tasks=("mnist",))
    sides = []
    for scores in ([0.5, 0.5, 0.5], [0.6, 0.7, 0.8]):
        bench = Bench.of(grid, scored(results, {"pretrained": scores, "random": scores}))
        sides.append(bench.cells[0])
    change = difference(*sides)
    assert change is not None
    assert change.mean == pytest.approx(0.2)
    assert change.half_width == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-3)


def test_arguments_of_data_differ_one_by_one() -> None:
    before, after = ({"task": "a", "data_arguments": {"x": x, "y": 0}} for x in (1, 2))
    assert differing(before, after) == [("x", 1, 2)]


def test_the_same_results_do_not_differ_at_all() -> None:
    grid, results = made_up_bench(tasks=("mnist",))
    cell = Bench.of(grid, scored(results, {"pretrained": [0.2, 0.5, 0.9], "random": [0.1, 0.1, 0.1]})).cells[0]
    change = difference(cell, cell)
    assert change is not None
    assert (change.mean, change.half_width) == (0.0, 0.0)


def test_folders_without_a_bench_in_common_are_named(tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("mnist",), seeds=(0,))
    other = grid.model_copy(update={"profile": "paper"})
    first = write_bench(tmp_path / "first", grid, results)
    write_bench(first, other, [])
    second = write_bench(tmp_path / "second", grid.model_copy(update={"profile": "smoke"}), results)
    with pytest.raises(
        ValueError, match=r"expected a bench that both folders have, got made-up-embedded, made-up-paper"
    ):
        compare_reports(first, second, tmp_path / "report.html", SILENT)


@pytest.mark.usefixtures("nothing_drawn")
def test_the_command_line(tmp_path: Path) -> None:
    runs = write_bench(tmp_path / "runs", *made_up_bench(tasks=("mnist",), seeds=(0,)))
    page = tmp_path / "new" / "report.html"
    done = CliRunner().invoke(app, ["report", str(runs / "tables" / "made-up-embedded"), "-o", str(page)])
    assert (done.exit_code, page.is_file()) == (0, True), done.stderr
    for arguments, message in (([str(tmp_path)], "expected grid.json"), (["a", "b", "c"], "got 3")):
        wrong = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["report", *arguments, "-o", str(page)])
        assert (wrong.exit_code, wrong.stdout) == (2, "")
        assert message in wrong.stderr


@pytest.mark.usefixtures("nothing_drawn")
def test_a_garbled_result_is_reported_and_left_out(tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("mnist",), seeds=(0,))
    runs = write_bench(tmp_path / "runs", grid, results)
    (runs / results[0].spec.run_id / "result.json").write_text(json.dumps({"spec": 1}))
    console = Console(record=True, quiet=False, file=(tmp_path / "log").open("w"))
    build_report(runs, tmp_path / "report.html", console)
    assert "expected a result in JSON" in console.export_text()
    assert "2 of 3 runs have a score." in (tmp_path / "report.html").read_text()
