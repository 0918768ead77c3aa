"""Which process is which, and does it still live? For what they leave in folders that several machines may share."""

import functools
import os
import socket
from pathlib import Path


@functools.cache
def process_space() -> str:
    """Name the set of processes that a process id of ours means something in: one boot of one machine or container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def started(pid: int) -> str | None:
    """Return what tells a process from a later one with its id; None if there is no such process, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "alive"
    return "alive"


def lives(pid: int) -> bool:
    """Return whether a process of this space lives."""
    return started(pid) is not None


def cores() -> list[int]:
    """Return the cores that this process may use; where the system does not say, all of them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
