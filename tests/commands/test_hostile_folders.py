"""Commands over folders that somebody else filled: one warning for a bad entry, and nothing in a name acts."""

import errno
import io
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fpt_bench.cli import app
from fpt_bench.commands.console import PlainConsole
from fpt_bench.commands.grid_view import GridView
from fpt_bench.results.events import Started
from fpt_bench.results.folder import GRID_FILE, PREDICTIONS_FILE, RESULT_FILE
from fpt_bench.results.grids import find_grids
from tests.made_up_bench import made_up_bench, write_bench

pytestmark = pytest.mark.usefixtures("nothing_is_waited_for")
HOSTILE = "[/red] \x1b[31m :smile: <script>x</script> ![a](http://b/c.png) a|b"


def fpt_bench(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, list(arguments))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take seconds."""
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write_bench(tmp_path / "runs", *made_up_bench(tasks=("bit-xor",), seeds=(0, 1)))


@pytest.fixture
def baseline(runs: Path, tmp_path: Path) -> str:
    path = str(tmp_path / "baseline.json")
    assert fpt_bench("check", str(runs), "--baseline", path, "--renew").exit_code == 0
    return path


def commands(runs: Path, baseline: str) -> list[list[str]]:
    report = str(runs.parent / "report.html")
    return [
        ["table", str(runs)],
        ["status", str(runs)],
        ["list", "runs", "--runs", str(runs)],
        ["check", str(runs / "tables" / "made-up-embedded"), "--baseline", baseline],
        ["report", str(runs), "-o", report],
        ["plan", "headline", "--profile", "smoke", "--runs", str(runs)],
    ]


@pytest.mark.usefixtures("undrawn")
def test_bad_entries_are_a_warning_each_and_stop_no_command(runs: Path, baseline: str) -> None:
    (runs / "loop").symlink_to("loop")
    for name in ("pipe", "folder", "garbage", "device", "\udcff\udcfe"):
        (runs / name).mkdir()
    os.mkfifo(runs / "pipe" / RESULT_FILE)
    (runs / "folder" / RESULT_FILE).mkdir()
    (runs / "device" / RESULT_FILE).symlink_to("/dev/zero")
    (runs / "garbage" / RESULT_FILE).write_text("{")
    (runs / "\udcff\udcfe" / RESULT_FILE).write_text("{")
    for command in commands(runs, baseline):
        done = fpt_bench(*command)
        assert done.exit_code == 0, (command, done.output, done.exception)
        for name in ("loop", "pipe", "folder", "garbage", "device", r"\udcff\udcfe"):
            assert done.stderr.count(f"{runs}/{name}/{RESULT_FILE}: expected ") == 1, (command, name, done.stderr)


@pytest.mark.usefixtures("undrawn")
def test_a_garbled_grid_is_one_warning_beside_others_and_wrong_input_alone(runs: Path) -> None:
    odd = runs / "tables" / "odd" / GRID_FILE
    odd.parent.mkdir()
    os.mkfifo(odd)
    for command in ("table", "status", "report"):
        done = fpt_bench(command, str(runs), *(["-o", str(runs.parent / "page.html")] if command == "report" else []))
        assert done.exit_code == 0, done.stderr
        assert done.stderr.count(str(odd)) == 1
    alone = fpt_bench("table", str(odd.parent))
    assert alone.exit_code == 2
    assert str(odd) in alone.stderr


def test_a_garbled_grid_is_one_warning_of_a_plan(runs: Path) -> None:
    odd = runs / "tables" / "headline-smoke" / GRID_FILE
    odd.parent.mkdir()
    command = ["plan", "headline", "--profile", "smoke", "--runs", str(runs)]
    before = fpt_bench(*command)
    os.mkfifo(odd)
    done = fpt_bench(*command)
    assert (done.exit_code, done.stdout) == (0, before.stdout)
    assert done.stderr.count(f"{odd}: expected a regular file") == 1


@pytest.mark.usefixtures("undrawn")
def test_garbled_predictions_are_one_warning_in_a_report(runs: Path) -> None:
    garbled = [path.with_name(PREDICTIONS_FILE) for path in runs.glob(f"*/{RESULT_FILE}")]
    for path in garbled:
        path.write_text('[{"example": 0, "input": "0", "labels": [1, 0], "predicted": [1]}]')
    done = fpt_bench("report", str(runs), "-o", str(runs.parent / "report.html"))
    assert done.exit_code == 0, done.stderr
    said = [done.stderr.count(f"{path}: expected predictions") for path in garbled]
    assert sum(said) == 3, "the best run of each arm is asked"
    assert max(said) == 1
    assert (runs.parent / "report.html").is_file()


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_tables_of_a_folder_that_cannot_be_written_are_shown(
    runs: Path, baseline: str, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    before = fpt_bench("table", str(runs)).stdout

    def refuse(path: Path, _: str) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr("fpt_bench.report.tables.write_atomically", refuse)
    shown = fpt_bench("table", str(runs))
    assert (shown.exit_code, shown.stdout) == (0, before)
    checked = fpt_bench("check", str(runs), "--baseline", baseline)
    assert checked.exit_code == 0
    assert "check passed: 3 cells" in checked.stdout
    assert f"the tables there stay as they are, got: {os.strerror(code)}" in shown.stderr
    assert not checked.stderr, "a check writes no tables"


def test_names_are_shown_as_they_are_and_nothing_in_them_acts(tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("bit-xor",), seeds=(0, 1), names={"full": HOSTILE})
    runs = write_bench(tmp_path / "runs", grid, results)
    (path,) = find_grids(runs)
    path.write_text(path.read_text().replace('"name":"made-up"', '"name":"[red]x[bold]"'))
    path = path.parent.rename(path.parent.with_name("[red]x[bold]-embedded")) / path.name
    status = fpt_bench("status", str(runs))
    assert status.exit_code == 0, status.exception
    assert "[red]x[bold]-embedded" in status.stdout
    baseline = tmp_path / "baseline.json"
    assert fpt_bench("check", str(runs), "--baseline", str(baseline), "--renew").exit_code == 0
    table, check = fpt_bench("table", str(runs)), fpt_bench("check", str(runs), "--baseline", str(baseline))
    assert (table.exit_code, check.exit_code) == (0, 0), "the baseline knows the name again"
    page = (path.parent / "table.md").read_text()
    for text in (table.stdout, status.stdout, page):
        assert "\x1b" not in text
    for text in (table.stdout, page):
        assert r"[/red] \x1b[31m :smile: &lt;script>x&lt;/script> !\[a]\(http://b/c.png) a\|b" in text


def test_a_terminal_is_told_nothing_but_text() -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, force_terminal=True, color_system=None, width=200)
    console.print("\x1b]0;owned \udcff [red]x[/red] :smile: \u202e")
    assert file.getvalue() == "\\x1b]0;owned \\udcff [red]x[/red] :smile: \\u202e\n"


def test_the_view_of_a_grid_shows_names_as_they_are() -> None:
    grid, results = made_up_bench(tasks=("bit-xor",), seeds=(0,), names={"full": "[/red]x"})
    file = io.StringIO()
    view = GridView(grid, 1, PlainConsole(file=file, width=200))
    view.found(results)
    view.take(Started(grid.runs[2].spec, 2))
    view.console.print(view)
    assert file.getvalue().count("[/red]x") == 3, "the sentence, the column and the bar"
