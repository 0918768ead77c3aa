"""Archives of what packed runs keep beside their results: read as somebody else may have left them."""

import contextlib
import functools
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from fpt_bench.results.regular_files import LIMIT, open_regular

_WHEN = (1980, 1, 1, 0, 0, 0)
"""The earliest time that an archive can say: equal content makes equal files."""


def members(path: Path) -> frozenset[str]:
    """Return the names in an archive.

    Raises:
        OSError, ValueError: it cannot be read; the message names it.
    """
    found = path.stat()
    return _members_then(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=256)
def _members_then(path: Path, *_changed_and_size: int) -> frozenset[str]:
    """Return the names in an archive as it was then: a report asks for many runs, and reading them takes its time."""
    with _archive(path) as archive:
        return frozenset(archive.namelist())


def read_member(path: Path, name: str, limit: int = LIMIT) -> bytes:
    """Return the content of a file in an archive, of at most `limit` bytes.

    Raises:
        OSError, ValueError: as `members`; or the file is larger.
    """
    with _archive(path) as archive, archive.open(name) as member:
        content = member.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{path}: expected at most {limit / 2**20:g} MB in {name}, got more")
    return content


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, LookupError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected an archive of predictions, got one that is garbled ({error})") from error


def write_members(stream: BinaryIO, files: Iterable[tuple[str, bytes]]) -> None:
    """Write an archive of files, each a name and its content."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, _WHEN), content, zipfile.ZIP_DEFLATED)
