"""Tar archives unpacked without trust: no links, nothing outside the folder, all of it or nothing."""

import gzip
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

_CORRUPT = (tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)


def unpack_into(archive: Path, folder: Path) -> None:
    """Fill an empty folder with the plain files of a tar, compressed or not.

    What a failure leaves is the caller's to remove.

    Raises:
        ValueError: the archive is broken or empty, goes on behind its end, or holds a link, a device, or a path that
            leaves the folder.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or "\\" in member.name:
                    message = f"{archive}: expected paths inside the folder, got {member.name!r}; nothing was unpacked"
                    raise ValueError(message)
                if member.isdir():
                    continue
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is None:
                    raise ValueError(f"{archive}: expected plain files, got a link or device {member.name!r}")
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                with stream, open(folder / path, "wb") as out:
                    shutil.copyfileobj(stream, out)
            _require_end(tar, archive)
    except _CORRUPT as error:
        reason = str(error) or type(error).__name__
        message = f"{archive}: expected a whole archive, got a broken one ({reason}). Fetch it again."
        raise ValueError(message) from error
    if not any(folder.iterdir()):
        raise ValueError(f"{archive}: expected an archive with files, got an empty one. Fetch it again.")


def _require_end(tar: tarfile.TarFile, archive: Path) -> None:
    """Raise a ValueError where something follows the last file: a second archive, or what is no archive."""
    stream = tar.fileobj
    assert stream is not None, "it has been read from"
    stream.seek(tar.offset)
    while chunk := stream.read(1 << 20):
        if bytes(chunk).strip(b"\0"):
            raise ValueError(
                f"{archive}: expected the end of the archive behind its last file, got more. Fetch it again."
            )
