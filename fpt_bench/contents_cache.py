"""Many small files, read once: their contents are kept in one Parquet file, and only what changed is read again.

Opening a file costs a shared file system more than looking at its name, size and time. The cache is no truth: it may
be deleted at any time, and one that cannot be read is made anew.
"""

import contextlib
import os
import socket
from pathlib import Path

CACHE_FILE = "results.parquet"
CACHED_FROM = 1000
"""Files below which nothing is kept: reading them all takes a moment."""

Stamp = tuple[int, int, int]
"""Time of change in nanoseconds, size in bytes, and inode. A file that was replaced has another inode."""


def read_contents(folder: Path, name: str) -> list[tuple[str, bytes]]:
    """Give (subfolder, content) of the file `name` in each subfolder that has one, in the order of subfolders."""
    stamps = _stamps(folder, name)
    kept = _load(folder / CACHE_FILE) if len(stamps) >= CACHED_FROM else {}
    contents: dict[str, tuple[Stamp, bytes]] = {}
    for place, stamp in sorted(stamps.items()):
        known = kept.get(place)
        if known is not None and known[0] == stamp:
            contents[place] = known
            continue
        # Gone between listing and reading: somebody removes runs.
        with contextlib.suppress(FileNotFoundError):
            contents[place] = (stamp, (folder / place / name).read_bytes())
    if len(stamps) >= CACHED_FROM and contents != kept:
        # A folder that may only be read is read without a cache.
        with contextlib.suppress(OSError):
            _store(folder / CACHE_FILE, contents)
    return [(place, content) for place, (_, content) in contents.items()]


def _stamps(folder: Path, name: str) -> dict[str, Stamp]:
    stamps = {}
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return {}
    with entries:
        for entry in entries:
            try:
                found = os.stat(f"{entry.path}/{name}")  # noqa: PTH116  a Path for each of 100,000 costs a second
            except (FileNotFoundError, NotADirectoryError):
                continue
            stamps[entry.name] = (found.st_mtime_ns, found.st_size, found.st_ino)
    return stamps


def _load(path: Path) -> dict[str, tuple[Stamp, bytes]]:
    import pyarrow.parquet

    try:
        columns = pyarrow.parquet.read_table(path).to_pydict()
        stamps = zip(columns["mtime_ns"], columns["size"], columns["inode"], strict=True)
        return dict(zip(columns["folder"], zip(stamps, columns["content"], strict=True), strict=True))
    except (OSError, KeyError, ValueError):  # pyarrow's errors are ValueErrors and OSErrors
        return {}


def _store(path: Path, contents: dict[str, tuple[Stamp, bytes]]) -> None:
    import pyarrow
    import pyarrow.parquet

    mtimes, sizes, inodes = zip(*(stamp for stamp, _ in contents.values()), strict=True)
    columns = {
        "folder": list(contents),
        "mtime_ns": pyarrow.array(mtimes, pyarrow.int64()),
        "size": pyarrow.array(sizes, pyarrow.int64()),
        "inode": pyarrow.array(inodes, pyarrow.uint64()),
        "content": pyarrow.array([content for _, content in contents.values()], pyarrow.large_binary()),
    }
    unfinished = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        pyarrow.parquet.write_table(pyarrow.table(columns), unfinished, compression="zstd")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
