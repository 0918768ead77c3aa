"""Workers that do nothing, compute in silence, are stopped or die while they speak."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fpt_bench.config.spec import RunSpec
from fpt_bench.launching import crew
from fpt_bench.results.events import Finished, Started
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from tests.launching.doing import children, do, finished, specs


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
