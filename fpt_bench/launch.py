"""Where runs execute: in this process, or in pinned one-thread worker processes on this machine."""

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Generator, Iterable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from fpt_bench.events import Event, Finished, Progress, Started
from fpt_bench.results import RunResult
from fpt_bench.spec import RunSpec
from fpt_bench.workspace import Workspace

ATTEMPTS = 2
"""Times a run is tried when the process that works on it dies."""


def default_workers() -> int:
    """Give one worker for each core that this process may use: one thread a run wastes least.

    Where there are GPUs, give one worker for each of them.
    """
    import torch

    return torch.cuda.device_count() or len(os.sched_getaffinity(0))


def run_all(specs: Iterable[RunSpec], workspace: Workspace, workers: int) -> Generator[Event]:
    """Do all runs, each once, and tell what happens as it happens.

    A run that fails is an outcome like any other. A worker process that dies costs its run one more attempt. When the
    iterator is closed, or on Ctrl-C, the workers are stopped: what is finished stays, what is not goes on from its
    checkpoint when it is asked for again.

    Args:
        specs: runs, already resolved; runs with one id are done once.
        workspace: where to read and write.
        workers: processes at once, at least 1.
    """
    waiting = deque((spec, 1) for spec in {spec.run_id: spec for spec in specs}.values())
    crew = [_Worker(place, workspace) for place in range(min(workers, len(waiting)))]
    try:
        while waiting or any(worker.job for worker in crew):
            for worker in crew:
                if worker.job is None and waiting:
                    spec, attempt = waiting.popleft()
                    worker.give(spec, attempt)
                    yield Started(spec, attempt)
            for worker in _with_news(crew):
                event, lost = worker.receive()
                if lost is not None and lost[1] < ATTEMPTS:
                    waiting.appendleft((lost[0], lost[1] + 1))
                elif lost is not None:
                    yield Finished(RunResult(spec=lost[0], status="failed", error=worker.obituary()))
                elif event is not None:
                    yield event
    finally:
        for worker in crew:
            worker.stop()


def _with_news(crew: list["_Worker"]) -> list["_Worker"]:
    ready = wait([worker.pipe for worker in crew if worker.job is not None])
    return [worker for worker in crew if worker.pipe in ready]


class _Worker:
    """A process that does one run at a time; started when there is something to do, and again when it has died."""

    def __init__(self, place: int, workspace: Workspace) -> None:
        self.place = place
        self.workspace = workspace
        self.job: tuple[RunSpec, int] | None = None
        self.process: BaseProcess | None = None
        self.last_exit = 0

    def give(self, spec: RunSpec, attempt: int) -> None:
        if self.process is None:
            self._start()
        self.job = (spec, attempt)
        # If it died while idle, `receive` finds out, and the run is given to its successor.
        with contextlib.suppress(BrokenPipeError):
            self.pipe.send(spec)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, self.place, self.workspace), daemon=True)
        self.process.start()
        theirs.close()

    def receive(self) -> tuple[Progress | Finished | None, tuple[RunSpec, int] | None]:
        """Give the next event; or, where the process has died, the run that was lost with it."""
        try:
            event = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            lost, self.job = self.job, None
            self.stop()
            return None, lost
        if isinstance(event, Finished):
            self.job = None
        return event, None

    def obituary(self) -> str:
        """Say how the last process ended."""
        code = self.last_exit
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        memory = " (out of memory?)" if code == -signal.SIGKILL else ""
        return f"the worker process {how}{memory}, {ATTEMPTS} times"

    def stop(self) -> None:
        """End the process, if there is one."""
        if self.process is None:
            return
        self.pipe.close()
        self.process.terminate()
        self.process.join()
        self.last_exit = self.process.exitcode or 0
        self.process = None


def _work(pipe: Connection, place: int, workspace: Workspace) -> None:
    """Do the runs that come through the pipe until it closes.

    Nothing that unpickling the arguments imports may import torch: it reads the number of threads only once.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    _claim_one_core(place)
    from fpt_bench.harness import run_one

    while True:
        try:
            spec = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            result = run_one(spec, workspace, pipe.send)
        except BrokenPipeError:
            return  # nobody is left to work for; the run goes on from its checkpoint another time
        except Exception as error:
            result = RunResult(spec=spec, status="failed", error=_describe(error))
        pipe.send(Finished(result))


def _claim_one_core(place: int) -> None:
    """Pin this process to one core and one thread, or to one GPU, before torch is imported."""
    os.environ["OMP_NUM_THREADS"] = "1"
    # Huge pages spare the allocator page faults; read by torch when it is imported.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", str(place))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[place % len(cores)]})


def _describe(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({place.filename.rpartition('/')[2]}:{place.lineno})"
