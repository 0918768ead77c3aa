"""Where runs execute: in this process, or in one-thread worker processes on this machine."""

import contextlib
import gc
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection

from datamodules.sources.processes import cores
from fpt_bench.config.places import without_places
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.crew import Worker, stop, with_news
from fpt_bench.results.events import Event, Finished, Started
from fpt_bench.results.refusal import RefusedError
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import read_result, write_result
from fpt_bench.results.workspace import Workspace

ATTEMPTS = 2
"""Times a run is tried when the process that works on it dies or hangs."""
WORKERS_A_GPU, MEMORY_A_WORKER = 8, 12 * 2**30
"""Workers at most that share a GPU by default, and the bytes of its memory that each of them is given room for."""


def default_workers() -> int:
    """Return one worker for each core that this process may use: one thread a run wastes least.

    Where there are GPUs, up to eight for each of them, which a small run leaves idle while it launches operators: as
    many as the smallest one's memory has room for, and cores to drive them. They take a GPU each in turn.
    """
    gpus, processors = len(_gpus()), len(cores())
    if not gpus:
        return processors
    import torch

    memory = min(torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count()))
    return gpus * max(1, min(WORKERS_A_GPU, memory // MEMORY_A_WORKER, processors // gpus))


@contextlib.contextmanager
def hire(workers: int, workspace: Workspace) -> Iterator[Sequence[Worker]]:
    """Have a crew of so many workers, at least 1, for as many calls of `run_all` as are made; then they are stopped.

    A process is started when there is a run for it, and kept: starting one takes as long as some runs.
    """
    crew = [Worker(_work, core, gpu, workspace) for core, gpu in _places(workers)]
    try:
        yield crew
    finally:
        stop(crew)


def run_all(specs: Iterable[RunSpec], workspace: Workspace, crew: Sequence[Worker]) -> Generator[Event]:
    """Do all runs, each once, and tell what happens as it happens.

    A run that fails is an outcome like any other, but its process does no other run: what broke it, such as an error of
    the GPU, may have broken the process. One that dies or hangs costs its run one more attempt.
    When the iterator is closed, or on Ctrl-C, the workers are stopped: what is finished stays, what is not goes on from
    its checkpoint when it is asked for again. Specs are resolved; the crew is that of `hire`, for this workspace.
    """
    waiting = deque((spec, 1) for spec in {spec.run_id: spec for spec in specs}.values())
    try:
        while waiting or any(worker.job for worker in crew):
            for worker in crew:
                if worker.job is None and waiting:
                    spec, attempt = waiting.popleft()
                    worker.begin(spec, attempt)
                    yield Started(spec, attempt)
            for worker in with_news([worker for worker in crew if worker.job is not None]):
                event, lost = worker.receive()
                if lost is not None and lost[1] < ATTEMPTS:
                    waiting.appendleft((lost[0], lost[1] + 1))
                elif lost is not None:
                    yield Finished(keep_failure(lost[0], f"{worker.obituary()}, {ATTEMPTS} times", workspace))
                elif event is not None:
                    if isinstance(event, Finished) and not event.result.is_over:
                        stop([worker])
                    yield event
    finally:
        if any(worker.job for worker in crew):
            stop(crew)
            for worker in crew:
                worker.job = None


def _places(workers: int) -> Iterator[tuple[int | None, str | None]]:
    """Yield the core and the GPU that are each worker's own, None where it has none.

    As many workers as cores, or more, have a core each. Fewer are placed by the system, which knows what else runs: of
    two benches side by side, each would pin its own to the first cores and leave the others idle.
    """
    gpus, ours = _gpus(), cores()
    for index in range(workers):
        if gpus:
            yield None, gpus[index % len(gpus)]
        else:
            yield ours[index % len(ours)] if workers >= len(ours) else None, None


def _gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()  # CUDA ends the list where it knows a name not
    visible = [name.strip() for name in named.split(",")] if named else [str(index) for index in range(count)]
    return visible[:count] if torch.cuda.is_available() else []


def _work(pipe: Connection, core: int | None, gpu: str | None, workspace: Workspace) -> None:
    """Do the runs that come through the pipe until it closes.

    Nothing that unpickling the arguments imports may import torch: it reads the number of threads only once.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    _pin(core, gpu)
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
            result = run_one(spec, workspace, partial(_tell, pipe), imports=imports)
            imports = 0.0
        except _NobodyListensError:
            return  # nobody is left to work for; the run goes on from its checkpoint another time
        except RefusedError as error:
            result = failure(spec, str(error))
        except Exception as error:
            result = keep_failure(spec, describe(error), workspace)
        with contextlib.suppress(ConnectionError):
            pipe.send(Finished(result))
        if torch.cuda.is_initialized():
            # An idle worker gives the others what it has of the GPU's memory.
            gc.collect()
            torch.cuda.empty_cache()


class _NobodyListensError(BaseException):
    """The process that hired this one is gone. No error of a run's, whose own connections may break, too."""


def _tell(pipe: Connection, event: Event) -> None:
    try:
        pipe.send(event)
    except ConnectionError as error:
        raise _NobodyListensError from error


def _pin(core: int | None, gpu: str | None) -> None:
    """Keep this process to one thread, and to the core and GPU that are its own, before torch is imported."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def keep_failure(spec: RunSpec, error: str, workspace: Workspace) -> RunResult:
    """Return the result of a failed run, kept in its folder where that can be written; asking again does it again.

    A result that another process made in the meantime stays, and so does one of another version.
    """
    result, folder = failure(spec, error), workspace.runs / spec.run_id
    try:
        done = read_result(folder)
    except RefusedError:
        return result
    except (OSError, ValueError):
        done = None
    if done is not None and done.is_over:
        return done
    with contextlib.suppress(OSError):
        write_result(result, folder)
    return result


def failure(spec: RunSpec, error: str) -> RunResult:
    """Return the result of a failed run."""
    return RunResult(
        spec=spec, status="failed", error=without_places(error), finished_at=datetime.now(UTC).replace(microsecond=0)
    )


def describe(error: Exception) -> str:
    """Name an error and the line it comes from."""
    line = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({line.filename.rpartition('/')[2]}:{line.lineno})"
