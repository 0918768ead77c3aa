"""Files as somebody else may have left them: only regular ones are read, without waiting, and no more than a bound."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

LIMIT = 16 * 2**20
"""Bytes at most of a file that is read whole. A result takes about 40 for each validation."""


@contextmanager
def open_regular(path: Path, follow: bool = True) -> Iterator[BinaryIO]:
    """Return a stream of the bytes of a regular file; a pipe is not waited for, a device not read.

    Args:
        path: the file.
        follow: whether it may be a link to one.

    Raises:
        OSError: there is none, or it cannot be read; as Python says it.
        ValueError: it is something else than a regular file.
    """
    if not follow and path.is_symlink():
        raise ValueError(f"{path}: expected a regular file, got a link. Move it away.")
    links = 0 if follow else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | links)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise ValueError(f"{path}: expected a regular file, got {what}. Move it away.")
        with open(descriptor, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(descriptor)


def read_regular(path: Path, limit: int = LIMIT, follow: bool = True) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises:
        OSError, ValueError: as `open_regular`; or the file is larger.
    """
    with open_regular(path, follow) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{path}: expected at most {limit / 2**20:g} MB, got a larger file. Move it away.")
    return content


def why_unread(path: Path, error: OSError | ValueError) -> str:
    """Say in a sentence that names the file why it could not be read."""
    if isinstance(error, OSError):
        return f"{path}: expected a file that can be read, got: {error.strerror or error}."
    return str(error)
