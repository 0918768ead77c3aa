"""Folders that are made once and shared, by processes of several machines too, without a lock.

Each is written under a name of its writer's own, with a checksum of every file, and becomes what others see by one
rename, which fails where another was first: two that ask at once make it twice, and both take the first one.
"""

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from datamodules.sources.archives import unpack_into
from datamodules.sources.downloads import ANOTHER_ROOT, RemoteFile, data_root, file_checksum, users_root
from datamodules.sources.full_disk import explain_full_disk
from datamodules.sources.packages import remembered_checksum
from datamodules.sources.unfinished import left_behind, own_name, remove

CHECKSUMS_FILE = "checksums.json"
"""In every such folder: for each other file, by its path in the folder, the size in bytes and `sha256:digits`."""
_NOT_THERE = "not there"


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `make` unless it is there and whole; a damaged one is made again, and a log says so.

    `make` gets an empty folder beside it. Where it fails nothing is left of it, and a damaged folder stays: there may
    be no other. Sizes and checksums are compared at the first call of a process, sizes and times of change at later
    ones; SHA-256 reads 0.5 to 1 GB a second.

    Raises:
        OSError: the disk is full, the folder cannot be written, or it is damaged and `make` raised an OSError or a
            ValueError.
    """
    _remove_left_behind(folder.parent)
    while (damage := _damage(folder)) is not None:
        if damage != _NOT_THERE:
            logging.getLogger(__name__).warning("%s is damaged (%s): it is made again.", folder, damage)
        try:
            if _publish(folder, lambda unfinished: _make_with_checksums(unfinished, make), _replace_damaged):
                break
        except (OSError, ValueError) as error:
            if damage == _NOT_THERE:
                raise
            message = f"{folder} is damaged ({damage}) and stays as it is, since making it again failed: {error}"
            raise OSError(message) from error
    return folder


def cache_root(root: Path | None) -> Path:
    """Return the folder to keep caches in: the data root, or where it cannot be written the user's, or a temporary one.

    What is kept is named by its content, so that it may be anywhere.
    """
    base = data_root(root)
    if _can_be_written(base):
        return base
    with contextlib.suppress(RuntimeError):  # no home
        if _can_be_written(users_root()):
            return users_root()
    return Path(tempfile.gettempdir()) / f"fpt_bench-{os.getuid()}"


def _can_be_written(folder: Path) -> bool:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def is_whole(folder: Path) -> bool:
    """Return whether `made_once` has made the folder, and nothing in it has changed since."""
    return _damage(folder) is None


def is_made(folder: Path) -> bool:
    """Return whether `made_once` has made the folder; whether it is whole is another question."""
    return (folder / CHECKSUMS_FILE).is_file()


def unpack(archive: Path, folder: Path) -> Path:
    """Return `folder`, holding the plain files of `archive`: all of them, or no folder at all.

    An existing folder stays as it is: people put data there by hand. For the kinds of archives and the errors see
    :func:`datamodules.sources.archives.unpack_into`.
    """
    _remove_left_behind(folder.parent)
    if not folder.exists():
        _publish(folder, lambda unfinished: unpack_into(archive, unfinished), _rename)
    return folder


def unpack_foreign(file: RemoteFile, archive: Path, root: Path) -> Path | None:
    """Return the folder with the plain files of an archive that someone put where a download goes, and that is another.

    Each content has a folder of its own under `root`. None where there is no archive, or it is the download.
    """
    if file.checksum is None or not archive.is_file():
        return None
    if remembered_checksum(archive, file.checksum.partition(":")[0]) == file.checksum:
        return None
    name = f"{archive.name.partition('.')[0]}-{remembered_checksum(archive).removeprefix('sha256:')[:16]}"
    return made_once(root / "unpacked" / name, lambda unfinished: unpack_into(archive, unfinished))


def _publish(folder: Path, make: Callable[[Path], None], put: Callable[[Path, Path], bool]) -> bool:
    """Make a folder and let it appear at once, whole and on the disk; return False where another was first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = own_name(folder)
    try:
        unfinished.mkdir()
        make(unfinished)
        for path in _files(unfinished):
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())
        return put(unfinished, folder)
    except OSError as error:
        explain_full_disk(error, folder, ANOTHER_ROOT)
        raise
    finally:
        remove(unfinished)


def _rename(unfinished: Path, folder: Path) -> bool:
    try:
        unfinished.rename(folder)
    except OSError:
        # A folder with anything in it is never replaced. A network's may also say that it failed where it did it.
        if not folder.is_dir():
            raise
        return False
    return True


def _replace_damaged(unfinished: Path, folder: Path) -> bool:
    """Rename a folder as `_rename` does, but let a damaged one give way, which is removed once the new one is there."""
    aside = own_name(folder)
    try:
        found = folder.lstat()
        if _damage(folder) is None:
            return False
        folder.rename(aside)
    except FileNotFoundError:
        return _rename(unfinished, folder)
    try:
        taken = aside.lstat()
        # If it is no longer the damaged one, another process has made it again in the meantime.
        is_other = (taken.st_ino, taken.st_mtime_ns) != (found.st_ino, found.st_mtime_ns)
        return not is_other and _rename(unfinished, folder)
    finally:
        _rename(aside, folder)  # back to where it was, unless a new one is there
        remove(aside)


def _make_with_checksums(unfinished: Path, make: Callable[[Path], None]) -> None:
    make(unfinished)
    listed = {
        path.relative_to(unfinished).as_posix(): [path.stat().st_size, file_checksum(path)]
        for path in _files(unfinished)
    }
    (unfinished / CHECKSUMS_FILE).write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _damage(folder: Path) -> str | None:
    """Say what is wrong with a folder, or return None."""
    if not os.path.lexists(folder):
        return _NOT_THERE
    try:
        listed = json.loads((folder / CHECKSUMS_FILE).read_bytes())
        for name, (size, checksum) in listed.items():
            path = folder / name
            if (got := path.stat().st_size) != size:
                return f"{name}: expected {size} bytes, got {got}"
            if (digest := remembered_checksum(path)) != checksum:
                return f"{name}: expected {checksum}, got {digest}"
    except (FileNotFoundError, NotADirectoryError) as error:
        return f"no {Path(str(error.filename)).name}"
    except (ValueError, TypeError, AttributeError):
        return f"{CHECKSUMS_FILE} is garbled"
    return None


def _remove_left_behind(folder: Path) -> None:
    """Remove what killed processes left in a folder, where it can be written."""
    for path in left_behind(folder):
        with contextlib.suppress(OSError):
            remove(path)
