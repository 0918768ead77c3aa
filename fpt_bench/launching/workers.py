"""Where runs execute: in this process, or in pinned one-thread worker processes on this machine."""

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Event, Finished, Progress, Started
from fpt_bench.results.folder import read_result, write_result
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace

ATTEMPTS = 2
"""Times a run is tried when the process that works on it dies."""
WORKERS_A_GPU, MEMORY_A_WORKER = 4, 12 * 2**30
"""Workers at most that share a GPU by default, and the bytes of its memory that each of them is given room for."""


def default_workers() -> int:
    """Return one worker for each core that this process may use: one thread a run wastes least.

    Where there are GPUs, up to four for each of them, which a small run leaves idle while it launches operators: as
    many as the smallest one's memory has room for, and cores to drive them. They take a GPU each in turn.
    """
    gpus, cores = len(_gpus()), len(_cores())
    if not gpus:
        return cores
    import torch

    memory = min(torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count()))
    return gpus * max(1, min(WORKERS_A_GPU, memory // MEMORY_A_WORKER, cores // gpus))


def run_all(specs: Iterable[RunSpec], workspace: Workspace, workers: int) -> Generator[Event]:
    """Do all runs, each once, and tell what happens as it happens.

    A run that fails is an outcome like any other. A worker process that dies costs its run one more attempt. When the
    iterator is closed, or on Ctrl-C, the workers are stopped: what is finished stays, what is not goes on from its
    checkpoint when it is asked for again. Specs are resolved; `workers`, at least 1, work at once.
    """
    waiting = deque((spec, 1) for spec in {spec.run_id: spec for spec in specs}.values())
    crew = [_Worker(index, workspace) for index in range(min(workers, len(waiting)))]
    try:
        while waiting or any(worker.job for worker in crew):
            for worker in crew:
                if worker.job is None and waiting:
                    spec, attempt = waiting.popleft()
                    worker.begin(spec, attempt)
                    yield Started(spec, attempt)
            ready = wait([worker.pipe for worker in crew if worker.job is not None])
            for worker in [worker for worker in crew if worker.pipe in ready]:
                event, lost = worker.receive()
                if lost is not None and lost[1] < ATTEMPTS:
                    waiting.appendleft((lost[0], lost[1] + 1))
                elif lost is not None:
                    yield Finished(keep_failure(lost[0], worker.obituary(), workspace))
                elif event is not None:
                    yield event
    finally:
        for worker in crew:
            worker.stop()


def _cores() -> list[int]:
    """Return the cores that this process may use; where the system does not say, all of them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = named.split(",") if named else [str(index) for index in range(torch.cuda.device_count())]
    return visible if torch.cuda.is_available() else []


class _Worker:
    """A process that does one run at a time; started when there is something to do, and again when it has died."""

    def __init__(self, index: int, workspace: Workspace) -> None:
        self.index, self.workspace = index, workspace
        self.job: tuple[RunSpec, int] | None = None
        self.process: BaseProcess | None = None
        self.last_exit = 0

    def begin(self, spec: RunSpec, attempt: int) -> None:
        if self.process is None:
            self._start()
        self.job = (spec, attempt)
        # If it died while idle, `receive` finds out, and the run is given to its successor.
        with contextlib.suppress(ConnectionError):
            self.pipe.send(spec)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, self.index, _gpus(), self.workspace), daemon=True)
        with allocator_settings():
            self.process.start()
        theirs.close()

    def receive(self) -> tuple[Progress | Finished | None, tuple[RunSpec, int] | None]:
        """Return the next event; or, where the process has died, the run that was lost with it."""
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


ALLOCATOR = {
    # Memory that was freed is kept, and large blocks come from it, too: a step takes the same blocks again and again.
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "THP_MEM_ALLOC_ENABLE": "1",
}
"""Of glibc and torch, in a worker's environment: fewer page faults, and huge pages."""


@contextlib.contextmanager
def allocator_settings() -> Iterator[None]:
    """Put ALLOCATOR into this process's environment for a while, for the processes that it starts.

    glibc reads it when a process begins, so that the process itself cannot set it. What users have set stays.
    """
    added = {name: value for name, value in ALLOCATOR.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _work(pipe: Connection, index: int, gpus: list[str], workspace: Workspace) -> None:
    """Do the runs that come through the pipe until it closes.

    Nothing that unpickling the arguments imports may import torch: it reads the number of threads only once.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    _pin(index, gpus)
    began = time.monotonic()
    import torch

    from fpt_bench.training.one_run import run_one

    # The caller's own script, which this process imports again, may have brought torch before this process was pinned.
    torch.set_num_threads(1)
    imports = time.monotonic() - began

    while True:
        try:
            spec = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            result = run_one(spec, workspace, pipe.send, imports=imports)
            imports = 0.0
        except ConnectionError:
            return  # nobody is left to work for; the run goes on from its checkpoint another time
        except Exception as error:
            result = keep_failure(spec, describe(error), workspace)
        with contextlib.suppress(ConnectionError):
            pipe.send(Finished(result))


def _pin(index: int, gpus: list[str]) -> None:
    """Pin this process to one core and one thread, and to one GPU where there are any, before torch is imported."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]
    elif hasattr(os, "sched_setaffinity"):
        cores = _cores()
        os.sched_setaffinity(0, {cores[index % len(cores)]})


def keep_failure(spec: RunSpec, error: str, workspace: Workspace) -> RunResult:
    """Return the result of a failed run, kept in its folder where that can be written; asking again does it again.

    A result that another process made in the meantime stays.
    """
    result, folder = RunResult(spec=spec, status="failed", error=error), workspace.runs / spec.run_id
    with contextlib.suppress(OSError, ValueError):
        done = read_result(folder)
        if done is not None and done.status != "failed":
            return done
    with contextlib.suppress(OSError):
        write_result(result, folder)
    return result


def describe(error: Exception) -> str:
    """Name an error and the line it comes from."""
    line = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({line.filename.rpartition('/')[2]}:{line.lineno})"
