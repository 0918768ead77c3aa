"""Worker processes as their parent sees them: started, listened to, watched while they say nothing, and ended."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.events import Finished, Progress

HUNG_SECONDS = 1800.0
"""A worker that for so long neither tells anything nor computes anything is hung, and is ended as if it had died."""
STOP_SECONDS = 10.0
"""A worker that was asked to end and has not done so after this is killed."""
WATCH_SECONDS = 5.0
"""A worker that has told nothing for so long is looked at, and as often again."""

Job = tuple[RunSpec, int]
"""A run, and which attempt at it this is."""


class Worker:
    """A process that does one run at a time; started when there is something to do, and again when it has died.

    It is hung where its main thread has done nothing at all for HUNG_SECONDS: it was stopped, is in a deadlock, or
    reads from a file server that is gone. One that computes without end is not found out: from outside it looks like a
    long validation. Where the system does not say what a thread has computed, nobody is called hung.
    """

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        """Remember what the process will do: `work`, with its end of the pipe and `arguments`."""
        self.work, self.arguments = work, arguments
        self.job: Job | None = None
        self.process: BaseProcess | None = None
        self.last_exit = 0
        self.is_hung = False
        self._silent, self._computed = 0.0, -1

    def begin(self, spec: RunSpec, attempt: int) -> None:
        if self.process is not None and not self.process.is_alive():
            stop([self])  # it died while idle, which is no attempt at this run
        if self.process is None:
            self._start()
        self.job, self._silent = (spec, attempt), 0.0
        # If it dies right now, `receive` finds out, and the run is given to its successor.
        with contextlib.suppress(ConnectionError):
            self.pipe.send(spec)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=self.work, args=(theirs, *self.arguments), daemon=True)
        try:
            with allocator_settings():
                process.start()
        finally:
            theirs.close()
            # One that was not started, since there was no room or Ctrl-C came, is none that could be stopped.
            if process.pid is not None:
                self.pipe, self.process, self.is_hung = ours, process, False

    def watch(self, told: bool, seconds: float) -> None:
        """Take note of whether the process has told something in the last seconds."""
        self._silent = 0.0 if told else self._silent + seconds
        if self._silent < WATCH_SECONDS:
            return
        computed = _computed(self.process.pid) if self.process else None
        if computed is None or computed != self._computed:
            self._silent, self._computed = 0.0, computed or -1
        self.is_hung = self._silent > HUNG_SECONDS

    def receive(self) -> tuple[Progress | Finished | None, Job | None]:
        """Return the next event; or, where the process has died or is hung, the run that was lost with it."""
        try:
            event = None if self.is_hung else self.pipe.recv()
        except (EOFError, OSError):  # the latter where it died in the middle of telling something
            event = None
        if event is None:
            lost, self.job = self.job, None
            stop([self])
            return None, lost
        if isinstance(event, Finished):
            self.job = None
        return event, None

    def obituary(self) -> str:
        """Say how the last process ended."""
        if self.is_hung:
            return f"the worker process did nothing for {HUNG_SECONDS / 60:g} minutes and was ended"
        code = self.last_exit
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"the worker process {how}{' (out of memory?)' if code == -signal.SIGKILL else ''}"


def with_news(busy: Sequence[Worker]) -> list[Worker]:
    """Wait a while, and return the workers that have told something, have died or are hung."""
    began = time.monotonic()
    ready = wait([worker.pipe for worker in busy], WATCH_SECONDS)
    # Where this process was stopped for an hour, its workers were most likely stopped with it: nobody's silence.
    waited = min(time.monotonic() - began, WATCH_SECONDS)
    for worker in busy:
        worker.watch(worker.pipe in ready, waited)
    return [worker for worker in busy if worker.pipe in ready or worker.is_hung]


def stop(crew: Sequence[Worker]) -> None:
    """End the processes: they are asked, all at once, and killed where they do not do it, or at a second Ctrl-C."""
    alive = {worker: worker.process for worker in crew if worker.process is not None}
    deadline = time.monotonic() + STOP_SECONDS
    try:
        for worker, process in alive.items():
            worker.pipe.close()
            process.terminate()
        for process in alive.values():
            process.join(max(0.0, deadline - time.monotonic()))
    finally:
        for process in alive.values():
            process.kill()
        for worker, process in alive.items():
            # Not for ever: even a killed process stays while it waits for a file server that is gone.
            process.join(STOP_SECONDS)
            worker.last_exit, worker.process = process.exitcode or 0, None


def _computed(pid: int | None) -> int | None:
    """Return how long a process's main thread has computed, in ticks of the system's clock; None: not said."""
    try:
        fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[11]) + int(fields[12])


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
