"""Files that are whole or not there: a reader finds the old content or the new, never a part."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from datamodules.sources.full_disk import explain_full_disk


@contextlib.contextmanager
def replaced_when_whole(
    path: Path, require_owner: Callable[[], None] = lambda: None, unfinished: Path | None = None
) -> Iterator[BinaryIO]:
    """Return a stream whose content becomes the file at `path` when the block is over; where it fails, nothing is left.

    Args:
        path: a reader finds its old content or the new, never a part.
        require_owner: raises where this process may not write here any more; asked at the last moment.
        unfinished: where the content is until then, in the same folder, and no other writer's; by default a hidden name
            of this process.

    Raises:
        OSError: it could not be written; of a full disk the message says what to do.
    """
    # The host too: process ids of two machines on one file system may be equal.
    unfinished = unfinished or path.with_name(f"{_hidden(path)}{socket.gethostname()}.{os.getpid()}")
    try:
        with unfinished.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        require_owner()
        unfinished.replace(path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        explain_full_disk(error, path, "and the same command resumes here")
        raise


def half_written(path: Path) -> Iterator[Path]:
    """Give what writers of a file that were killed left beside it, and what living ones are at."""
    return path.parent.glob(f"{_hidden(path)}*")


def _hidden(path: Path) -> str:
    """Return how the names of a file's unfinished forms begin."""
    return f".{path.name}."


def write_atomically(path: Path, content: str | bytes, require_owner: Callable[[], None] = lambda: None) -> None:
    """Write a file so that a reader finds the old content or the new, never a part; as `replaced_when_whole`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_when_whole(path, require_owner) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
