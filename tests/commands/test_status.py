"""What `status` says of runs, and what the Slurm launcher says where there is no Slurm."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fpt_bench.cli import app
from fpt_bench.commands.status import folder_status, last_lines
from fpt_bench.config.launcher import Launcher
from fpt_bench.launching import slurm
from fpt_bench.launching.slurm import log_of, send, sent_jobs
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import GRID_FILE, LEASE_FILE, SLURM, tables_folder
from fpt_bench.results.lease import Lease
from fpt_bench.results.packed import pack
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import write_result
from fpt_bench.results.workspace import Workspace
from tests.made_up import made_up_grid, made_up_result

GRID = made_up_grid(tasks=("bit-xor",))
IDS = [run.spec.run_id for run in GRID.runs]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six runs: done, failed, queued, running, lost, open."""
    write_atomically(tables_folder(tmp_path, GRID) / GRID_FILE, GRID.model_dump_json())
    done = made_up_result("bit-xor", seed=0, accuracy=0.9).model_copy(update={"spec": GRID.runs[0].spec})
    write_result(done, tmp_path / IDS[0])
    write_result(RunResult(spec=GRID.runs[1].spec, status="failed", error="no weights"), tmp_path / IDS[1])
    jobs = {f"7_{place}": run_id for place, run_id in enumerate(IDS[:5])}
    write_atomically(tmp_path / SLURM / "sent-7.json", json.dumps(jobs))
    write_atomically(tmp_path / SLURM / "sent-8.json", "{torn")
    write_atomically(log_of(tmp_path, "7_1"), "first\n" * 5000 + "\nValueError: no weights\n")
    queue = {"7_2": "queued", "7_3": "running", "9_0": "running"}
    monkeypatch.setattr("fpt_bench.launching.slurm._queue", lambda: queue)
    return tmp_path


def test_each_state_is_told_from_the_others(runs: Path) -> None:
    states = {state.run_id: state for state in folder_status(runs, Console(stderr=True))[GRID.name]}
    assert [states[run_id].state for run_id in IDS] == ["done", "failed", "queued", "running", "lost", "open"]
    (runs / IDS[5]).mkdir()
    with Lease(runs / IDS[5] / LEASE_FILE):
        states = {state.run_id: state for state in folder_status(runs, Console(stderr=True))[GRID.name]}
    assert states[IDS[5]].state == "running", "a local worker has it"


def test_a_failed_run_shows_its_error_and_the_end_of_its_log(runs: Path) -> None:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["status", str(runs)])
    assert done.exit_code == 0, done.stderr
    assert f"{IDS[1]} failed: no weights" in done.stdout
    assert "| ValueError: no weights" in done.stdout
    assert f"{IDS[4]} lost" in done.stdout
    assert len(last_lines(log_of(runs, "7_1"))) == 5


def test_a_lease_that_is_renewed_no_more_is_called_silent_and_since_when(runs: Path) -> None:
    for place, text in ((4, '{"host": "far", "space": "another", "pid": 1, "started": "1"}'), (5, "garbage")):
        path = runs / IDS[place] / LEASE_FILE
        path.parent.mkdir()
        path.write_text(text)
        os.utime(path, (0, time.time() - 3 * 3600))
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["status", str(runs)])
    assert done.exit_code == 0, done.stderr
    assert f"{IDS[4]} silent: its lease was not renewed for 3 h" in done.stdout
    assert f"{IDS[5]} silent: what is in its lease's place names no owner, and was not renewed for 3 h" in done.stdout
    assert done.stdout.split()[7:15] == [GRID.name, "0", "1", "1", "2", "1", "1", "0"]


def test_single_runs_have_a_state_too(runs: Path, tmp_path: Path) -> None:
    single = made_up_result("mnist", seed=7, accuracy=0.5)
    write_result(single, runs / single.spec.run_id)
    states = folder_status(runs, Console(stderr=True))
    assert list(states) == [GRID.name, "single runs"]
    assert [(state.run_id, state.state) for state in states["single runs"]] == [(single.spec.run_id, "done")]
    alone = tmp_path / "alone"
    other = alone / "bit-xor_begun"
    other.mkdir(parents=True)
    write_result(single, alone / single.spec.run_id)
    with Lease(other / LEASE_FILE):
        found = {state.run_id: state.state for state in folder_status(alone, Console(stderr=True))["single runs"]}
    assert found == {single.spec.run_id: "done", "bit-xor_begun": "running"}


def test_packed_single_runs_are_done(tmp_path: Path) -> None:
    single = made_up_result("mnist", seed=7, accuracy=0.5)
    write_result(single, tmp_path / "runs" / single.spec.run_id)
    pack([tmp_path / "runs"], tmp_path / "mine.jsonl")
    shutil.rmtree(tmp_path / "runs")
    for place in (tmp_path, tmp_path / "mine.jsonl"):
        states = folder_status(place, Console(stderr=True))
        assert {name: [state.state for state in found] for name, found in states.items()} == {"single runs": ["done"]}


def test_a_folder_of_nothing_is_said_to_be_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert done.exit_code == 2
    assert "found none. Run `bench` first" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sent-abc.json", "{}", "to be called sent-NUMBER.json"),
        ("sent-123 (copy).json", "{}", "to be called sent-NUMBER.json"),
        ("sent-9.json", "[1]", "a run id for each job, got other values"),
        ("sent-9.json", '{"9_0": ["a"]}', "a run id for each job, got other values"),
        ("sent-9.json", '{"9_0": 3}', "a run id for each job, got other values"),
        ("sent-9.json", '{"../../private": "a"}', "a run id for each job, got other values"),
        ("sent-9.json", "[" * 100_000, "in JSON, got: "),
        ("sent-9.json", b"\xff\xfe\xfd", "in JSON, got: "),
        ("sent-9.json", None, "expected a regular file, got a pipe or a device"),
    ],
)
def test_a_stray_record_is_one_warning(runs: Path, name: str, content: str | bytes | None, message: str) -> None:
    (runs / SLURM / "sent-8.json").unlink()
    before, problems = sent_jobs(runs)
    assert problems == []
    path = runs / SLURM / name
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    jobs, problems = sent_jobs(runs)
    assert jobs == before
    assert [message in problem and str(path) in problem for problem in problems] == [True]
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["status", str(runs)])
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count(str(path)) == 1


@pytest.mark.usefixtures("nothing_is_waited_for")
def test_a_log_that_is_a_pipe_is_not_waited_for(runs: Path) -> None:
    os.mkfifo(runs / "log")
    assert last_lines(runs / "log") == []


def test_records_may_be_deleted(runs: Path) -> None:
    (runs / SLURM / "sent-7.json").unlink()
    assert sent_jobs(runs)[0] == {}
    states = [state.state for state in folder_status(runs, Console(stderr=True))[GRID.name]]
    assert states == ["done", "failed", "open", "open", "open", "open"]


def test_without_a_queue_what_is_not_done_is_called_lost_and_the_reason_is_said(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> dict[str, str]:
        raise OSError("expected an answer of Slurm's squeue, got: none")

    monkeypatch.setattr("fpt_bench.launching.slurm._queue", refuse)
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["status", str(runs)])
    assert "squeue, got: none; what was sent and is not done is called lost" in done.stderr
    assert done.stdout.split()[7:15] == [GRID.name, "1", "0", "0", "0", "1", "1", "3"]


def test_a_folder_without_a_grid_is_wrong_input(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert done.exit_code == 2


def test_without_submitit_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"pip install 'fpt_bench\[slurm\]'"):
        send([GRID.runs[0].spec], Workspace(tmp_path), Launcher(kind="slurm"))


def test_without_slurm_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="sbatch, srun and squeue"):
        send([GRID.runs[0].spec], Workspace(tmp_path), Launcher(kind="slurm"))


def test_a_wrong_launcher_is_wrong_input() -> None:
    done = CliRunner().invoke(app, ["bench", "--launcher", "slrum"])
    assert done.exit_code == 2
    assert "launcher" in done.stderr


def test_what_is_kept_elsewhere_is_done(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = tmp_path_factory.mktemp("kept")
    spec = GRID.runs[5].spec
    write_result(made_up_result("bit-xor", seed=0, accuracy=0.9).model_copy(update={"spec": spec}), kept / IDS[5])
    states = {state.run_id: state.state for state in folder_status(runs, Console(stderr=True), kept)[GRID.name]}
    assert [states[run_id] for run_id in IDS] == ["done", "failed", "queued", "running", "lost", "done"]
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["status", str(runs), "--kept", str(kept)])
    assert shown.stdout.splitlines()[1].split()[1:] == ["0", "1", "1", "0", "2", "1", "1"], shown.stdout


def test_what_failed_elsewhere_is_no_trouble_here(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = tmp_path_factory.mktemp("kept")
    for place in (1, 5):
        failed = RunResult(spec=GRID.runs[place].spec, status="failed", error="elsewhere")
        write_result(failed, kept / IDS[place])
    states = {state.run_id: state for state in folder_status(runs, Console(stderr=True), kept)[GRID.name]}
    assert (states[IDS[1]].state, states[IDS[1]].error) == ("failed", "no weights")
    assert states[IDS[5]].state == "open"


def test_the_log_of_a_run_is_found_from_the_folder_of_tables_too(runs: Path) -> None:
    tables = tables_folder(runs, GRID)
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["status", str(tables)])
    assert done.exit_code == 0, done.stderr
    assert "| ValueError: no weights" in done.stdout


def test_a_line_of_the_queue_that_is_no_job_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\nprintf 'CLUSTER: alpha\\n\\n7 7 N/A RUNNING\\n9 8 0 PENDING\\n'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert slurm._queue() == {"7": "running", "8_0": "queued"}
