"""Runs in worker processes: done once, in one thread, and safe from a worker's death."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import SimpleNamespace

import pytest

from fpt_bench.config.spec import RunSpec
from fpt_bench.launching import crew
from fpt_bench.launching.workers import (
    _gpus,
    _NobodyListensError,
    _pin,
    _places,
    _tell,
    _work,
    default_workers,
    failure,
    hire,
    run_all,
)
from fpt_bench.results.events import Event, Finished, Progress, Started
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import collect_results
from fpt_bench.results.workspace import Workspace
from tests.paths import ROOT


def do(specs: Iterable[RunSpec], workspace: Workspace, workers: int) -> Generator[Event]:
    """Do runs with a crew of their own."""
    with hire(workers, workspace) as crew:
        yield from run_all(specs, workspace, crew)


def specs(tiny_spec: RunSpec, count: int) -> list[RunSpec]:
    return [tiny_spec.model_copy(update={"seed": seed}) for seed in range(count)]


def finished(events: list[Event]) -> list[Finished]:
    return [event for event in events if isinstance(event, Finished)]


def children() -> list[int]:
    """Process ids of this process's living children that run our code."""
    found = []
    for task in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((task / "stat").read_text().rpartition(")")[2].split()[1])
            command = (task / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"spawn_main" in command:
            found.append(int(task.name))
    return found


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


def stop_itself(pipe: Connection, *_: object) -> None:
    """Be a worker that takes a run up and then does nothing any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.recv()
    os.kill(os.getpid(), signal.SIGSTOP)


def compute_in_silence(pipe: Connection, *_: object) -> None:
    """Be a worker that tells nothing for as long as a long validation takes."""
    spec = pipe.recv()
    until = time.monotonic() + 2
    while time.monotonic() < until:
        pass
    pipe.send(Finished(RunResult(spec=spec, status="diverged")))
    pipe.recv()


def die_in_the_middle_of_a_word(pipe: Connection, *_: object) -> None:
    pipe.recv()
    os.write(pipe.fileno(), b"\0\0\1\0half")
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"HUNG_SECONDS": 1.2, "STOP_SECONDS": 0.2, "WATCH_SECONDS": 0.1}.items():
        monkeypatch.setattr(crew, name, seconds)


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not say who computes")


@needs_proc
@pytest.mark.usefixtures("impatient")
def test_a_hung_worker_is_killed_and_costs_its_run_one_more_attempt(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._work", stop_itself)
    events = list(do([tiny_spec], workspace, workers=1))
    assert [event.attempt for event in events if isinstance(event, Started)] == [1, 2]
    (over,) = finished(events)
    assert over.result.status == "failed"
    assert "did nothing for 0.02 minutes and was ended, 2 times" in (over.result.error or "")
    assert children() == []


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_computes_in_silence_is_not_hung(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._work", compute_in_silence)
    events = list(do([tiny_spec], workspace, workers=1))
    assert [event.result.status for event in finished(events)] == ["diverged"]
    assert len(events) == 2, "one attempt"


def test_a_worker_that_dies_in_the_middle_of_a_word_costs_its_run_one_more_attempt(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._work", die_in_the_middle_of_a_word)
    (over,) = finished(list(do([tiny_spec], workspace, workers=1)))
    assert "SIGKILL" in (over.result.error or "")


def stopped_workers() -> list[int]:
    states = [(pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) for pid in children()]
    return [pid for pid, state in states if state == "T"]


@pytest.fixture
def heard_ctrl_c() -> Iterator[None]:
    """Let SIGINT be Ctrl-C where these tests run in the background of a shell, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_proc
@pytest.mark.usefixtures("heard_ctrl_c")
@pytest.mark.parametrize("ctrl_c", [False, True])
def test_stopped_workers_are_killed_after_a_while_or_at_a_second_ctrl_c(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, ctrl_c: bool
) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._work", stop_itself)
    monkeypatch.setattr(crew, "STOP_SECONDS", 60.0 if ctrl_c else 0.5)
    runs = do(specs(tiny_spec, 2), workspace, workers=2)
    next(runs)
    next(runs)
    deadline = time.monotonic() + 60
    while len(stopped_workers()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    began = time.monotonic()
    if ctrl_c:
        # The first Ctrl-C is that which closes the iterator.
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            runs.close()
    else:
        runs.close()
    assert 0.2 < time.monotonic() - began < 5
    assert children() == []


@pytest.mark.parametrize(
    ("gpus", "gigabytes", "cores", "workers"),
    [(0, 0, 6, 6), (1, 140, 16, 8), (1, 80, 16, 6), (1, 24, 16, 2), (1, 8, 16, 1), (2, 80, 4, 4), (8, 80, 4, 8)],
)
def test_there_are_as_many_workers_as_gpus_have_room_and_cores_can_drive(
    monkeypatch: pytest.MonkeyPatch, gpus: int, gigabytes: int, cores: int, workers: int
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    memory = SimpleNamespace(total_memory=gigabytes * 2**30)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: memory)
    monkeypatch.setattr("fpt_bench.launching.workers.cores", lambda: list(range(cores)))
    assert default_workers() == workers


def test_workers_take_a_gpu_each_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._gpus", lambda: ["3", "5"])
    assert list(_places(3)) == [(None, "3"), (None, "5"), (None, "3")]
    for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")
    _pin(None, "5")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"


def test_workers_have_a_core_each_where_a_bench_has_one_for_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two benches of one worker on two cores both lay on the first, and the second core was idle."""
    monkeypatch.setattr("fpt_bench.launching.workers._gpus", list)
    monkeypatch.setattr("fpt_bench.launching.workers.cores", lambda: [4, 6])
    assert [core for core, _ in _places(1)] == [None]
    assert [core for core, _ in _places(2)] == [4, 6]
    assert [core for core, _ in _places(3)] == [4, 6, 4]


def test_gpus_that_cuda_does_not_see_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for named, seen in (("0,7", ["0"]), (" 0,", ["0"]), ("", ["0"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
        assert _gpus() == seen


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


SCRIPT = """
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from fpt_bench.launching.workers import hire, run_all
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.workspace import Workspace

if __name__ == "__main__":
    torch.set_num_threads(2)
    spec = RunSpec(task="bit-xor", data="real", layers=1, max_steps=2, eval_every=2, precision="float32")
    workspace = Workspace(Path(sys.argv[1]), offline=True)
    with hire(1, workspace) as crew:
        list(run_all([spec], workspace, crew))
"""


def test_a_script_that_imports_torch_first_has_workers_of_one_thread_all_the_same(tmp_path: Path) -> None:
    """Two threads on the one core that a worker is pinned to took fifty times as long."""
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    here = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, env=here, timeout=300)
    (result,) = collect_results(tmp_path)[0]
    assert (result.status, {attempt.threads for attempt in result.attempts}) == ("ok", {1})


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
