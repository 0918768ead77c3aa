"""Runs in worker processes: done once, in one thread, and safe from a worker's death."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.workers import (
    _NobodyListensError,
    _tell,
    _work,
    failure,
    hire,
    run_all,
)
from fpt_bench.results.events import Event, Finished, Progress, Started
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from tests.launching.doing import children, do, finished, specs


def test_every_run_is_done_once_whatever_fails(tiny_spec: RunSpec, workspace: Workspace) -> None:
    wanted = specs(tiny_spec, 2)
    too_deep = tiny_spec.model_copy(update={"layers": 99})
    results = finished(list(do([*wanted, wanted[0], too_deep], workspace, workers=2)))
    assert sorted(event.result.spec.run_id for event in results) == sorted(s.run_id for s in [*wanted, too_deep])
    by_id = {event.result.spec.run_id: event.result for event in results}
    assert all(by_id[spec.run_id].status == "ok" for spec in wanted)
    failed = by_id[too_deep.run_id]
    assert failed.status == "failed"
    assert "expected layers from 1 to 6, got 99" in (failed.error or "")
    for spec in wanted:
        (attempt,) = by_id[spec.run_id].attempts
        assert attempt.threads == 1, "a worker has one thread: torch must not be imported before it is told so"
    assert children() == []


def test_a_crew_keeps_its_processes_from_one_call_to_the_next(tiny_spec: RunSpec, workspace: Workspace) -> None:
    first, second = specs(tiny_spec, 2)
    with hire(2, workspace) as crew:
        assert children() == [], "nobody is started before there is something to do"
        (before,) = finished(list(run_all([first], workspace, crew)))
        (process,) = children()
        (after,) = finished(list(run_all([second], workspace, crew)))
        assert children() == [process]
    assert children() == []
    assert before.result.phases["imports"] > 0
    assert after.result.status == "ok"
    assert "imports" not in after.result.phases


class Fatal:
    """A worker's end of its pipe that kills the worker, once, when it tells of its tenth step."""

    def __init__(self, pipe: Connection, mark: Path) -> None:
        self._pipe, self._mark = pipe, mark
        self.recv = pipe.recv

    def send(self, event: Event) -> None:
        if isinstance(event, Progress) and event.step >= 10 and not self._mark.exists():
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        self._pipe.send(event)


def die_once(pipe: Connection, core: int | None, gpu: str | None, workspace: Workspace) -> None:
    workspace.runs.mkdir(parents=True, exist_ok=True)
    _work(Fatal(pipe, workspace.runs / "killed"), core, gpu, workspace)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_killed_worker_costs_its_run_one_more_attempt(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._work", die_once)
    events = list(do([tiny_spec], workspace, workers=1))
    assert [event.attempt for event in events if isinstance(event, Started)] == [1, 2]
    assert (workspace.runs / "killed").exists()
    assert [event.result.status for event in finished(events)] == ["ok"]


def report_a_step(pipe: Connection, *_: object) -> None:
    """Be a worker in the middle of its first steps."""
    spec = pipe.recv()
    pipe.send(Progress(spec.run_id, 1, spec.max_steps))
    pipe.recv()


def test_a_run_that_kills_every_worker_fails_with_the_signals_name(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._work", report_a_step)
    events: list[Event] = []
    for event in do([tiny_spec], workspace, workers=1):
        events.append(event)
        if isinstance(event, Progress) and event.step < 10:
            for child in children():
                os.kill(child, signal.SIGKILL)
    results = finished(events)
    assert len(results) == 1
    assert results[0].result.status == "failed"
    assert "SIGKILL (out of memory?), 2 times" in (results[0].result.error or "")


@pytest.mark.slow
def test_closing_the_iterator_stops_the_workers_and_keeps_what_is_finished(
    tiny_spec: RunSpec, workspace: Workspace
) -> None:
    runs = do(specs(tiny_spec, 3), workspace, workers=1)
    first = next(event for event in runs if isinstance(event, Finished))
    runs.close()
    assert children() == []
    kept = list(workspace.runs.glob(f"*/{RESULT_FILE}"))
    assert [path.parent.name for path in kept] == [first.result.spec.run_id]
    again = finished(list(do(specs(tiny_spec, 3), workspace, workers=1)))
    assert len(again) == 3
    assert first.result in [event.result for event in again], "the finished run was read, not repeated"


def answer(pipe: Connection, *_: object) -> None:
    """Be a worker that does its runs at once; a run of seed 0 breaks what comes after it in the process, too."""
    broken = False
    while True:
        try:
            spec = pipe.recv()
        except EOFError:
            return
        broken |= spec.seed == 0
        pipe.send(Finished(failure(spec, "broken") if broken else RunResult(spec=spec, status="diverged")))


def test_a_worker_that_dies_idle_costs_the_next_run_no_attempt(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._work", answer)
    _, first, second = specs(tiny_spec, 3)
    with hire(1, workspace) as crew:
        assert [event.result.status for event in finished(list(run_all([first], workspace, crew)))] == ["diverged"]
        (worker,) = crew
        assert worker.process is not None
        worker.process.kill()
        worker.process.join()
        events = list(run_all([second], workspace, crew))
    assert [event.attempt for event in events if isinstance(event, Started)] == [1]
    assert [event.result.status for event in finished(events)] == ["diverged"]


def test_a_process_in_which_a_run_failed_does_no_other(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the GPU stays with the process: it would fail all that is left."""
    monkeypatch.setattr("fpt_bench.launching.workers._work", answer)
    over = finished(list(do(specs(tiny_spec, 3), workspace, workers=1)))
    assert [event.result.status for event in over] == ["failed", "diverged", "diverged"]


def test_ctrl_c_while_a_process_is_started_is_ctrl_c(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._work", stop_when_asked)
    started = iter([SpawnProcess._Popen])

    def popen(process: SpawnProcess) -> object:
        for start in started:
            return start(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(SpawnProcess, "_Popen", staticmethod(popen))
    with pytest.raises(KeyboardInterrupt):
        list(do(specs(tiny_spec, 2), workspace, workers=2))
    assert children() == []


def stop_when_asked(pipe: Connection, *_: object) -> None:
    while True:
        pipe.recv()


def test_only_a_broken_pipe_to_the_parent_means_that_nobody_listens() -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    with pytest.raises(_NobodyListensError):
        _tell(ours, Started(RunSpec(task="bit-xor"), 1))
    assert not issubclass(_NobodyListensError, Exception), "no handler of a run's errors takes it"


@pytest.mark.parametrize("workers", [1, 3])
def test_nothing_to_do_starts_nobody(workspace: Workspace, workers: int) -> None:
    assert list(do([], workspace, workers)) == []
    assert children() == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the system does not show a process's environment")
def test_a_worker_begins_with_the_allocator_settings_and_its_parent_keeps_its_own(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1234567")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    events = do([tiny_spec], workspace, workers=1)
    next(events)
    (pid,) = children()
    seen = Path(f"/proc/{pid}/environ").read_text().split("\0")
    assert "MALLOC_MMAP_THRESHOLD_=1073741824" in seen, "glibc reads it when a process begins"
    assert "MALLOC_TRIM_THRESHOLD_=1234567" in seen, "what users have set stays"
    events.close()
    assert "MALLOC_MMAP_THRESHOLD_" not in os.environ
