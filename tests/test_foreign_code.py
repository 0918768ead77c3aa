"""Results are data, and a folder is no program: what a file names is imported only where somebody says so."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from fpt_bench import cli
from fpt_bench.__main__ import working_directory_last
from fpt_bench.analysis.benches import Bench
from fpt_bench.bodies.find import find_body
from fpt_bench.cli import app
from fpt_bench.config.plugins import TASKS_GROUP, offered
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.slurm import work
from fpt_bench.report.figures.attention_panels import save_attention
from fpt_bench.report.figures.draw import house_style
from fpt_bench.report.page.exhibits import embedded_attention
from fpt_bench.results.predictions import AttentionMaps
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import write_result
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.attention_maps import _random_twin
from fpt_bench.training.tasks import find_task
from tests.fuzz import PNG
from tests.made_up import made_up_result
from tests.made_up_bench import made_up_bench, write_bench
from tests.paths import EXAMPLES, ROOT

EVIL = "evil:Task"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a module that leaves a trace when it is imported, and everything else found first."""
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath(__file__).with_name('trace').touch()\nTask = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    working_directory_last()
    yield tmp_path
    sys.modules.pop("evil", None)


def fpt_bench(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, list(arguments))


def result_that_names(runs: Path, **fields: object) -> RunResult:
    result = made_up_result("bit-xor", seed=0, accuracy=0.9, init="random")
    result = result.model_copy(update={"spec": result.spec.model_copy(update={"init": "random", **fields})})
    write_result(result, runs / result.spec.run_id)
    return result


@pytest.mark.parametrize("command", ["examples", "attention"])
@pytest.mark.parametrize("field", ["task", "body"])
def test_a_run_that_names_code_is_restored_only_by_ones_word(here: Path, command: str, field: str) -> None:
    run = str(here / "runs" / result_that_names(here / "runs", **{field: EVIL}).spec.run_id)
    refused = fpt_bench(command, run)
    assert refused.exit_code == 2
    assert f"got {field} '{EVIL}' from its result.json" in refused.stderr
    assert "Type --trust" in refused.stderr
    assert not (here / "trace").exists()
    trusted = fpt_bench(command, run, "--trust")
    assert f"{field} '{EVIL}': expected a" in trusted.stderr
    assert (here / "trace").exists()


def test_a_result_in_the_folder_of_the_random_run_beside_one_is_not_believed(here: Path) -> None:
    spec = made_up_result("bit-xor", seed=0, accuracy=0.9).spec
    evil = result_that_names(here / "runs", task=EVIL)
    (here / "runs" / evil.spec.run_id).rename(here / "runs" / spec.model_copy(update={"init": "random"}).run_id)
    with pytest.raises(ValueError, match="expected it in the folder evil-Task_minilm_random"):
        _random_twin(spec, None, Workspace(here / "runs", offline=True), trust=False)
    assert not (here / "trace").exists()


def test_a_run_whose_data_arguments_are_none_is_a_sentence(here: Path) -> None:
    result = result_that_names(here / "runs", data_arguments={"root": "/etc"})
    done = fpt_bench("examples", str(here / "runs" / result.spec.run_id))
    assert done.exit_code == 2, done.exception
    assert "unknown data argument of bit-xor 'root'" in done.stderr


def test_commands_that_read_results_import_nothing_that_they_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])
    grid, results = made_up_bench(tasks=("bit-xor",), seeds=(0, 1))
    named = [r.model_copy(update={"spec": r.spec.model_copy(update={"task": EVIL, "body": EVIL})}) for r in results]
    runs = tuple(run.model_copy(update={"spec": result.spec}) for run, result in zip(grid.runs, named, strict=True))
    folder = write_bench(here / "runs", grid.model_copy(update={"runs": runs}), named)
    baseline = str(here / "baseline.json")
    for command in (
        ["table", str(folder)],
        ["status", str(folder)],
        ["list", "runs", "--runs", str(folder)],
        ["report", str(folder), "-o", str(here / "report.html")],
        ["check", str(folder), "--baseline", baseline, "--renew"],
        ["plan", "headline", "--profile", "smoke", "--runs", str(folder)],
    ):
        done = fpt_bench(*command)
        assert done.exit_code == 0, (command, done.output)
    assert not (here / "trace").exists()


def test_what_lies_in_the_working_directory_is_not_installed_by_that(here: Path) -> None:
    installed = here / "mine-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{TASKS_GROUP}]\nevil-task = {EVIL}\n")
    assert "evil-task" not in offered(TASKS_GROUP)
    with pytest.raises(ValueError, match="unknown task 'evil-task'"):
        find_task("evil-task")
    assert not (here / "trace").exists()


def test_a_file_called_as_a_library_is_not_imported_from_the_working_directory(tmp_path: Path) -> None:
    for name in ("yaml", "typer", "rich", "pydantic", "pandas"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name}')\n")
    done = subprocess.run(
        [sys.executable, "-m", "fpt_bench", "list", "experiments"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "headline" in done.stdout


def test_a_task_in_the_working_directory_is_found(here: Path) -> None:
    (here / "my_task.py").write_text((EXAMPLES / "my_task.py").read_text())
    assert find_task("my_task:MajorityDataModule").__name__ == "MajorityDataModule"
    sys.modules.pop("my_task")


def test_the_working_directory_is_looked_in_last_by_both_doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    for found in ([str(tmp_path), "/lib"], ["", "/lib"], ["/lib"], ["/lib", "."]):
        monkeypatch.setattr(sys, "path", found)
        monkeypatch.setattr(cli, "app", lambda: None)
        cli.main()
        assert sys.path == ["/lib", str(tmp_path)]


def test_a_checkout_stays_where_its_package_is_imported_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT), "/lib"])
    working_directory_last()
    assert sys.path == [str(ROOT), "/lib"]


def test_pictures_are_embedded_only_where_they_are_pictures(tmp_path: Path) -> None:
    grid, results = made_up_bench(tasks=("bit-xor",), seeds=(0,))
    runs = write_bench(tmp_path / "runs", grid, results)
    run = runs / results[0].spec.run_id
    private = tmp_path / "private"
    private.write_bytes(PNG)
    (run / "attention-0.png").write_bytes(PNG)
    (run / "attention-1.png").symlink_to(private)
    (run / "attention-2.png").write_bytes(b"GIF89a")
    os.mkfifo(run / "attention-3.png")
    console = Console(record=True, quiet=False, file=(tmp_path / "log").open("w"), width=300)
    (shown,) = embedded_attention(Bench.of(grid, results, folder=runs), results[0], console)
    assert shown.name == "attention-0.png"
    said = console.export_text().splitlines()
    assert [line.rpartition(", got ")[2] for line in said] == [
        "a link. Move it away.",
        "another file. Remove it, or draw it again.",
        "a pipe or a device. Move it away.",
    ]


def test_a_picture_is_drawn_in_place_of_a_link_and_not_into_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("mine")
    (tmp_path / "attention-0.png").symlink_to("private")
    maps = AttentionMaps("a body", ("0", "1"), np.full((1, 1, 2, 2), 0.5, np.float32))
    save_attention([maps], "a run", tmp_path / "attention-0.png")
    assert (tmp_path / "private").read_text() == "mine"
    assert (tmp_path / "attention-0.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attention-0.png", "private"]


def test_figures_are_drawn_in_our_style_whatever_a_matplotlibrc_says() -> None:
    import matplotlib as mpl

    with mpl.rc_context({"text.usetex": True, "lines.linewidth": 17}):
        with house_style():
            assert not mpl.rcParams["text.usetex"]
            assert mpl.rcParams["lines.linewidth"] < 5
        assert mpl.rcParams["lines.linewidth"] == 17


def test_code_beside_weights_is_not_run_though_somebody_would_answer_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code.py").write_text(
        f"from pathlib import Path\nfrom transformers import GPT2Config\nPath({str(tmp_path / 'trace')!r}).touch()\n"
        "class Evil(GPT2Config):\n    model_type = 'evil'\n"
    )
    (tmp_path / "config.json").write_text('{"model_type": "evil", "auto_map": {"AutoConfig": "code.Evil"}}')
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(ValueError, match="code"):
        find_body("gpt2", str(tmp_path)).config(offline=True)
    assert not (tmp_path / "trace").exists()


def test_a_job_of_a_cluster_looks_there_last_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpt_bench.training.one_run.run_one", lambda *_, **__: made_up_result("bit-xor", 0, 0.9))
    monkeypatch.setattr(sys, "path", [str(here), "/lib"])
    work(RunSpec(task="bit-xor").model_dump_json(), Workspace(here))
    assert sys.path == ["/lib", str(here)]


def test_a_process_that_this_one_starts_looks_there_last_from_its_first_line_on(here: Path) -> None:
    """As a worker is started, and the process that keeps account of its locks."""
    for name in ("socket", "pickle"):
        (here / f"{name}.py").write_text("raise SystemExit('hijacked')\n")
    code = "from multiprocessing import resource_tracker, spawn"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_script_that_ends_the_process_when_it_is_imported_is_one_sentence(here: Path) -> None:
    (here / "quits.py").write_text("import sys\nsys.exit()\n")
    done = fpt_bench("run", "--task", "quits:Task")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
    assert "expected a module that can be imported, got SystemExit" in done.stderr


def test_a_broken_package_hides_no_other_task(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "broken.py").write_text("1 / 0\n")
    entry = EntryPoint("theirs", "broken:Task", TASKS_GROUP)
    monkeypatch.setattr("fpt_bench.config.plugins._installed", lambda group: [entry] if group == TASKS_GROUP else [])
    done = fpt_bench("list", "tasks")
    assert done.exit_code == 0, done.output
    shown = " ".join(done.stdout.split())
    assert "theirs not there: task 'theirs' of an installed package: cannot be had: ZeroDivisionError" in shown
    assert "bit-xor" in shown
