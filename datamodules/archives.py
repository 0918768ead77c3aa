"""Archives unpacked without trust: no links, nothing outside the folder, all of it or nothing."""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

Readable = IO[bytes] | gzip.GzipFile
_CORRUPT = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)


def unpack_into(archive: Path, folder: Path) -> None:
    """Make `folder` and fill it with the plain files of `archive`; what a failure leaves is the caller's to remove.

    Args:
        archive: a tar (compressed or not), a zip, or one gzipped file `NAME.gz`, which becomes `folder/NAME`.
        folder: where the members go; must not exist.

    Raises:
        ValueError: the archive is broken or empty, or holds a link, a device, or a path that leaves the folder.
    """
    folder.mkdir()
    # To gzip an empty file is a whole one that holds nothing.
    if not archive.stat().st_size:
        raise ValueError(f"{archive}: expected an archive, got an empty file. Fetch it again.")
    try:
        for name, stream in _members(archive):
            target = folder / _safe(name, archive)
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "wb") as out:
                shutil.copyfileobj(stream, out)
    except _CORRUPT as error:
        reason = str(error) or type(error).__name__
        message = f"{archive}: expected a whole archive, got a broken one ({reason}). Fetch it again."
        raise ValueError(message) from error
    if not any(folder.iterdir()):
        raise ValueError(f"{archive}: expected an archive with files, got an empty one. Fetch it again.")


def _members(archive: Path) -> Iterator[tuple[str, Readable]]:
    """Give name and content of each plain file, in archive order."""
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
    elif archive.name.endswith(".gz") and not archive.name.endswith(".tar.gz"):
        with _opened(gzip.open(archive)) as stream:
            yield archive.name.removesuffix(".gz"), stream
    else:
        yield from _tar_members(archive)


def _tar_members(archive: Path) -> Iterator[tuple[str, Readable]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isdir():
                _safe(member.name, archive)
                continue
            if not member.isreg():
                raise ValueError(f"{archive}: expected plain files and folders, got a link or device {member.name!r}")
            with _opened(tar.extractfile(member)) as stream:
                yield member.name, stream


def _zip_members(archive: Path) -> Iterator[tuple[str, Readable]]:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            if member.is_dir():
                _safe(member.filename, archive)
                continue
            if stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"{archive}: expected plain files and folders, got a link {member.filename!r}")
            with packed.open(member) as stream:
                yield member.filename, stream


@contextmanager
def _opened(stream: Readable | None) -> Iterator[Readable]:
    assert stream is not None, "a plain file in a tar always has content"
    with stream:
        yield stream


def _safe(name: str, archive: Path) -> PurePosixPath:
    """Give the member's relative path.

    Raises:
        ValueError: it leaves the folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"{archive}: expected paths inside the folder, got {name!r}; nothing was unpacked")
    return path
