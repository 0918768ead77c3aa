"""Files that are whole or not there: a reader finds the old content or the new, never a part."""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


def explain_full_disk(error: BaseException, path: Path) -> None:
    """Raise an OSError that says what to do, if `error`, or its cause, is a full disk."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            message = "no space left while writing; free some, and the same command resumes here"
            raise OSError(cause.errno, message, str(path)) from error
        cause = cause.__cause__ or cause.__context__


@contextlib.contextmanager
def replaced_when_whole(
    path: Path, unfinished: Path, require_owner: Callable[[], None] = lambda: None
) -> Iterator[BinaryIO]:
    """Return a stream whose content becomes the file at `path` when the block is over; where it fails, nothing is left.

    Args:
        path: a reader finds its old content or the new, never a part.
        unfinished: where the content is until then; in the same folder, and no other writer's.
        require_owner: raises where this process may not write here any more; asked at the last moment.

    Raises:
        OSError: it could not be written; of a full disk the message says what to do.
    """
    try:
        with unfinished.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        require_owner()
        unfinished.replace(path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        explain_full_disk(error, path)
        raise


def write_atomically(path: Path, content: str | bytes, require_owner: Callable[[], None] = lambda: None) -> None:
    """Write a file so that a reader finds the old content or the new, never a part; as `replaced_when_whole`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The host too: process ids of two machines on one file system may be equal.
    unfinished = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    with replaced_when_whole(path, unfinished, require_owner) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
