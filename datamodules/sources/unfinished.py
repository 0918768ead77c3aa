"""What is being written has a name of its writer's own, beside the one that it will get, so that no lock is needed.

A name says on which machine, by which process and when it was taken. What a killed process left is recognized by that:
at once on its own machine, and after LEFT_SECONDS without a change on any other.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from datamodules.sources.processes import lives, process_space

LEFT_SECONDS = 86_400.0
"""What another machine has not changed for so long is nobody's. A writer that was wrongly taken for dead fails, since
its own is gone; it never takes another's for it."""


def own_name(path: Path, kind: str = "unfinished") -> Path:
    """Return a hidden name beside `path` that no other process or thread takes, on this machine or another."""
    return path.with_name(f".{kind}-{path.name}.{_place()}-{os.getpid()}-{time.monotonic_ns():020}")


def left_behind(folder: Path, kind: str = "unfinished", name: str | None = None) -> list[Path]:
    """Return what dead processes left in a folder under names of their own: of `name`, or of all."""
    return [path for path in _own_names(folder, kind, name) if not _has_living_owner(path)]


def earlier_here(own: Path, kind: str, name: str) -> list[Path]:
    """Return what living processes of this machine have begun of the same thing before `own` was begun."""
    place, _, began = _parts(own)
    others = [(path, _parts(path)) for path in _own_names(own.parent, kind, name)]
    return [path for path, (there, pid, since) in others if there == place and since < began and lives(pid)]


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _own_names(folder: Path, kind: str, name: str | None) -> Iterator[Path]:
    for path in folder.glob(f".{kind}-*.*-*-*"):
        with contextlib.suppress(ValueError):
            _parts(path)
            if name is None or path.name.rpartition(".")[0] == f".{kind}-{name}":
                yield path


def _parts(own: Path) -> tuple[str, int, int]:
    """Return the place, the process id and the nanosecond in a name of one's own."""
    place, pid, began = own.name.rpartition(".")[2].split("-")
    return place, int(pid), int(began)


def _has_living_owner(own: Path) -> bool:
    place, pid, _ = _parts(own)
    if place == _place():
        return lives(pid)
    try:
        changed = max(path.stat().st_mtime for path in (own, *own.rglob("*")))
    except OSError:
        return True  # being written, renamed or removed at this moment
    return time.time() - changed < LEFT_SECONDS


@functools.cache
def _place() -> str:
    """Return this process's space as part of a name, 12 hexadecimal digits."""
    return hashlib.sha256(process_space().encode()).hexdigest()[:12]
