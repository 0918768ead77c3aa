"""One process at a time does a thing, also between machines, by exclusive create and atomic rename alone.

A lease is a small file that names its owner. Whoever creates it owns the thing; others wait. An owner that was killed
is recognized at once on its own machine, by its process id; on another machine by a lease that is not renewed. Time
is measured by the waiting process alone: clocks of two machines are never compared, so one may be wrong or set back.

What is assumed of a shared file system: that of two exclusive creates one fails, that a rename replaces a file whole,
and that an opened file shows its last change within LEASE_SECONDS. Locks are not used: many clusters have none.
"""

import contextlib
import errno
import json
import os
import shutil
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from datamodules.sources.processes import process_space, started
from fpt_bench.results.regular_files import open_regular

LEASE_SECONDS = 120.0
"""A lease of another machine that was not renewed for so long is taken over."""
BEAT_SECONDS = 10.0
"""A lease is renewed so often."""
_POLL_SECONDS = 0.2
_LONGEST = 4096
"""Bytes that are read of a lease: it is a tenth as long."""
_NO_LEASE = {errno.ENOENT, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENXIO}
"""Nothing there, a link to nothing or in a circle, another user's, a socket."""


class LeaseLostError(OSError):
    """Another process has what this one had leased, because this one was stopped for longer than the lease."""


class Lease:
    """Hold `path` while the block runs; wait for it where another process has it.

    Two owners at once are possible where one was stopped for longer than the lease and then goes on. What is done
    under a lease must bear that: write under a name of your own, ask `require`, then rename.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = json.dumps({**_this_process(), "token": uuid.uuid4().hex})
        self._over = threading.Event()

    def __enter__(self) -> "Lease":
        seen, since = None, time.monotonic()
        while not self._create():
            found = _read(self.path)
            if found is not None and found != seen:
                seen, since = found, time.monotonic()
            if found is not None and (_has_died(found[0]) or time.monotonic() - since > LEASE_SECONDS):
                self._evict(found[0])
            else:
                time.sleep(_POLL_SECONDS)
        self._beat = threading.Thread(target=self._renew, daemon=True)
        self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._beat.join()
        # What is done is done: a file system that does not answer now leaves a lease that runs out.
        with contextlib.suppress(OSError):
            if self._is_ours():
                self.path.unlink(missing_ok=True)

    def require(self) -> None:
        """Raise a LeaseLostError unless the lease is still ours."""
        if not self._is_ours():
            raise LeaseLostError(f"{self.path}: another process took it over while this one was stopped")

    def _create(self) -> bool:
        try:
            stream = self.path.open("x")
        except FileExistsError:
            return False
        try:
            with stream:
                stream.write(self._text)
        except OSError:
            # A full disk: an empty lease would make others wait for nobody.
            self.path.unlink(missing_ok=True)
            raise
        return True

    def _is_ours(self) -> bool:
        found = _read(self.path)
        return found is not None and found[0] == self._text

    def _renew(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            # What a network file system answers for a while is no reason to let go: the next beat asks again.
            with contextlib.suppress(OSError):
                # Nor is a look that finds another's: one who took it for dead may be about to put it back.
                if self._is_ours():
                    os.utime(self.path)

    def _evict(self, text: str) -> None:
        """Remove a dead owner's lease; one that somebody else made in between is put back."""
        aside = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(aside)
            found = _read(aside)
            if found is not None and found[0] != text:
                with contextlib.suppress(FileExistsError):
                    os.link(aside, self.path)
            shutil.rmtree(aside) if aside.is_dir() and not aside.is_symlink() else aside.unlink()


@dataclass(frozen=True)
class Holding:
    """A lease as somebody sees it who does not want it."""

    silent_seconds: float
    """Since it was renewed, by this machine's clock: of another machine's lease only about right."""
    is_garbled: bool
    """Whether it names no owner: garbled, being written, or something else in a lease's place."""


def holding(path: Path) -> Holding | None:
    """Return how `path` is leased; None where it is not, or its owner is known to be dead.

    Raises:
        OSError: its folder cannot be read.
    """
    found = _read(path)
    if found is None or _has_died(found[0]):
        return None
    return Holding(time.time() - found[1] / 1e9, _owner(found[0]) is None)


def _read(path: Path) -> tuple[str, int] | None:
    """Return a lease's text and time of change; None where there is none.

    Where something else is in its place, or what this user may not read, the text is empty: its time alone decides.
    """
    try:
        # Opening makes a network file system ask its server; a plain stat may be answered from a cache.
        with open_regular(path) as stream:
            return stream.read(_LONGEST).decode(errors="replace"), os.fstat(stream.fileno()).st_mtime_ns
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LEASE:
            raise
        with contextlib.suppress(FileNotFoundError):
            return "", path.lstat().st_mtime_ns
        return None


def _has_died(text: str) -> bool:
    """Return whether a lease's owner lived where this process lives, and does so no more."""
    owner = _owner(text)
    return owner is not None and owner[0] == process_space() and owner[1] != started(owner[2])


def _owner(text: str) -> tuple[object, object, int] | None:
    """Return the space, start and process id of a lease's owner; None where it is being written, or garbled."""
    try:
        owner = json.loads(text)
        return owner["space"], owner["started"], int(owner["pid"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _this_process() -> dict[str, str | int | None]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "space": process_space(), "pid": pid, "started": started(pid)}
