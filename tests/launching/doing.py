"""Runs done by a crew of their own, and the processes that do them."""

import os
from collections.abc import Generator, Iterable
from pathlib import Path

from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.workers import hire, run_all
from fpt_bench.results.events import Event, Finished
from fpt_bench.results.workspace import Workspace


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
