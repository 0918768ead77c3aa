"""What lies elsewhere than it says of itself, or would be written over what is another's: said, and left alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fpt_bench.cli import app
from fpt_bench.results.folder import GRID_FILE, RESULT_FILE
from fpt_bench.results.grids import read_grid
from tests.made_up import made_up_grid
from tests.made_up_bench import made_up_bench, write_bench

pytestmark = pytest.mark.usefixtures("nothing_is_waited_for")
EXPERIMENT = """
question: {question}
tasks: [bit-xor, bit-memory]
baseline: random
arms:
  language: {{role: language, run: {{init: pretrained{more}}}}}
  random: {{role: language, run: {{init: random}}}}
"""
PROFILE = """
summary: A test.
bodies: {{language: minilm}}
seeds: {seeds}
run: {{layers: 1}}
tasks:
  bit-xor: {{max_steps: {steps}, eval_every: 10}}
  bit-memory: {{max_steps: 20, eval_every: 10, data_arguments: {{pattern_bits: {bits}}}}}
"""


def fpt_bench(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, list(arguments))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take seconds."""
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write_bench(tmp_path / "runs", *made_up_bench(tasks=("bit-xor",), seeds=(0, 1)))


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def copied_beside(runs: Path) -> str:
    """A copy of a run that sorts after it."""
    run = min(path.parent for path in runs.glob(f"*/{RESULT_FILE}"))
    return shutil.copytree(run, run.with_name(f"{run.name}.old")).name


def failed_and_copied_before(runs: Path) -> str:
    """A copy that failed, under a name that sorts before it."""
    run = max(path.parent for path in runs.glob(f"*/{RESULT_FILE}"))
    copy = shutil.copytree(run, run.with_name("0-backup"))
    text = (copy / RESULT_FILE).read_text()
    (copy / RESULT_FILE).write_text(text.replace('"status": "ok"', '"status": "failed"', 1))
    return copy.name


def tables_copied_beside(runs: Path) -> str:
    return shutil.copytree(runs / "tables" / "made-up-embedded", runs / "tables" / "made-up-embedded (copy)").name


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("copy", [copied_beside, failed_and_copied_before, tables_copied_beside])
@pytest.mark.parametrize("command", ["table", "report", "status"])
def test_a_copy_beside_is_named_and_changes_nothing(runs: Path, copy: Callable[[Path], str], command: str) -> None:
    page = ["-o", str(runs.parent / "page.html")] if command == "report" else []
    assert fpt_bench(command, str(runs), *page).exit_code == 0
    tables = files_in(runs / "tables" / "made-up-embedded")
    name = copy(runs)
    done = fpt_bench(command, str(runs), *page)
    assert done.exit_code == 0, done.stderr
    assert f"/{name}/" in done.stderr
    assert "expected it in the folder" in done.stderr
    assert files_in(runs / "tables" / "made-up-embedded") == tables


@pytest.mark.parametrize("command", ["examples", "attention"])
def test_a_copied_run_is_no_run_to_look_at(runs: Path, command: str) -> None:
    done = fpt_bench(command, str(runs / copied_beside(runs)))
    assert done.exit_code == 2
    assert "expected it in the folder" in done.stderr


def test_a_run_is_found_by_a_link_and_from_within(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = next(runs.glob("*_seed0_*"))
    (runs.parent / "latest").symlink_to(run)
    monkeypatch.setattr("fpt_bench.training.replay.restore", lambda *_: (_ for _ in ()).throw(ValueError("found")))
    monkeypatch.chdir(run)
    for way in (str(runs.parent / "latest"), ".", f"../{run.name}/"):
        done = fpt_bench("examples", way)
        assert done.stderr == "error: found\n", done.stderr


def moved_tables(runs: Path) -> Path:
    return Path(shutil.move(runs / "tables", runs.parent / "elsewhere" / "tables")).parent


def without_runs(runs: Path) -> Path:
    for result in runs.glob(f"*/{RESULT_FILE}"):
        shutil.rmtree(result.parent)
    return runs


def one_folder_of_tables(runs: Path) -> Path:
    return shutil.copytree(runs / "tables" / "made-up-embedded", runs.parent / "sent" / "to" / "made-up-embedded")


def with_runs_of_another(runs: Path) -> Path:
    without_runs(runs)
    _, results = made_up_bench(tasks=("mnist",), seeds=(7,))
    for result in results:
        (runs / result.spec.run_id).mkdir()
        (runs / result.spec.run_id / RESULT_FILE).write_text(result.model_dump_json())
    return runs


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("lose", [moved_tables, without_runs, one_folder_of_tables, with_runs_of_another])
@pytest.mark.parametrize("command", ["table", "report", "check", "renew"])
def test_where_no_result_is_found_nothing_is_written(runs: Path, lose: Callable[[Path], Path], command: str) -> None:
    baseline, page = runs.parent / "baseline.json", runs.parent / "page.html"
    assert fpt_bench("table", str(runs)).exit_code == 0
    assert fpt_bench("check", str(runs), "--baseline", str(baseline), "--renew").exit_code == 0
    assert fpt_bench("report", str(runs), "-o", str(page)).exit_code == 0
    folder = lose(runs)
    before = files_in(runs.parent)
    options = {
        "table": [],
        "report": ["-o", str(page)],
        "check": ["--baseline", str(baseline)],
        "renew": ["--baseline", str(baseline), "--renew"],
    }
    done = fpt_bench("check" if command == "renew" else command, str(folder), *options[command])
    assert done.exit_code == 2, done.output
    assert "expected results of its 6 runs in" in done.stderr
    assert files_in(runs.parent) == before


def test_a_check_writes_nothing_but_what_it_is_asked_for(runs: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    before = files_in(runs)
    assert fpt_bench("check", str(runs), "--baseline", str(baseline), "--renew").exit_code == 0
    assert fpt_bench("check", str(runs), "--baseline", str(baseline)).exit_code == 0
    assert files_in(runs) == before


def named(folder: Path, name: str, text: str) -> str:
    path = folder / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def asked(question: str = "One?", more: str = "") -> str:
    return EXPERIMENT.format(question=question, more=more)


def paid(steps: int = 20, seeds: str = "[0]", bits: str = "50") -> str:
    return PROFILE.format(steps=steps, seeds=seeds, bits=bits)


def bench_of(tmp_path: Path, experiments: str, profile: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr("fpt_bench.commands.bench.run_all", lambda *_: iter(()))
    monkeypatch.setattr("fpt_bench.analysis.sweep.next_runs", lambda *_: [])
    options = ["--profile", profile, "--runs", str(tmp_path / "runs"), "--offline", "--workers", "1"]
    return fpt_bench("bench", "--experiments", experiments, *options)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ((asked(), paid()), (asked("Another?"), paid()), "its question is 'One?'"),
        ((asked(), paid()), (asked(more=", dropout: 0.5"), paid()), "its arm language is"),
        ((asked(), paid()), (asked().replace("baseline: random", "baseline: language"), paid()), "its baseline is"),
        ((asked(), paid()), (asked(), paid(steps=40)), "max_steps of bit-xor / language is 20 there, not 40"),
        ((asked(), paid()), (asked(), paid(steps=40, seeds="[1]")), "max_steps of bit-xor / language is 20 there"),
        ((asked(), paid()), (asked(), paid(bits="100")), "data_arguments of bit-memory / language is"),
    ],
)
def test_a_bench_does_not_write_over_another_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: tuple[str, str], second: tuple[str, str], says: str
) -> None:
    written = [
        (named(tmp_path / folder, "lr", experiment), named(tmp_path / folder, "tiny", profile))
        for folder, (experiment, profile) in (("c1", first), ("c2", second))
    ]
    assert bench_of(tmp_path, *written[0], monkeypatch).exit_code == 0
    before = files_in(tmp_path)
    done = bench_of(tmp_path, *written[1], monkeypatch)
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert files_in(tmp_path) == before


def test_two_experiments_of_one_name_are_refused_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ",".join(named(tmp_path / folder, "lr", asked(folder)) for folder in ("c1", "c2"))
    done = bench_of(tmp_path, files, named(tmp_path, "tiny", paid()), monkeypatch)
    assert done.exit_code == 2
    assert "the tables of both would be called lr" in done.stderr
    assert not list((tmp_path / "runs").rglob(GRID_FILE))


def test_two_names_that_join_to_one_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = [named(tmp_path, name, paid()) for name in ("b-c", "c")]
    assert bench_of(tmp_path, named(tmp_path, "a", asked()), profiles[0], monkeypatch).exit_code == 0
    done = bench_of(tmp_path, named(tmp_path, "a-b", asked()), profiles[1], monkeypatch)
    assert done.exit_code == 2
    assert "experiment a at profile b-c" in done.stderr


def test_a_bench_grows_by_seeds_arms_and_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = named(tmp_path, "tiny", paid())
    assert bench_of(tmp_path, named(tmp_path, "lr", asked()), profile, monkeypatch).exit_code == 0
    third = "  statistics: {role: language, run: {init: statistics}}\n"
    named(tmp_path, "tiny", paid(seeds="[3, 4]"))
    done = bench_of(tmp_path, named(tmp_path, "lr", asked() + third), profile, monkeypatch)
    assert done.exit_code == 0, done.output
    assert {run.spec.seed for run in read_grid(tmp_path / "runs/tables/lr-tiny/grid.json").runs} == {3, 4}


@pytest.mark.usefixtures("undrawn")
def test_runs_of_no_bench_are_counted_beside_its_tables(runs: Path) -> None:
    assert "of no bench" not in fpt_bench("table", str(runs)).stderr
    _, results = made_up_bench(tasks=("mnist",), seeds=(7,))
    for result in results:
        (runs / result.spec.run_id).mkdir()
        (runs / result.spec.run_id / RESULT_FILE).write_text(result.model_dump_json())
    said = f"runs of no bench here, and in no table: {len(results)}; `list runs --runs {runs}` shows all"
    assert said in fpt_bench("table", str(runs)).stderr
    assert "of no bench" not in fpt_bench("table", str(one_folder_of_tables(runs))).stderr


def test_one_arm_of_a_task_that_was_asked_for_otherwise_makes_another_bench() -> None:
    grid = made_up_grid()
    task, arm = list(grid.cells())[-1]
    longer = {"max_steps": 10 * grid.cells()[task, arm][0].max_steps}
    runs = tuple(
        run.model_copy(update={"spec": run.spec.model_copy(update=longer)})
        if (run.task, run.arm) == (task, arm)
        else run
        for run in grid.runs
    )
    assert grid.other_than(grid) is None
    assert f"max_steps of {task} / {arm} is " in (grid.model_copy(update={"runs": runs}).other_than(grid) or "")
