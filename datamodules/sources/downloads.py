"""Where a data set comes from: a local folder, a download from hashed mirrors, or the embedded stand-in."""

import errno
import hashlib
import os
import shutil
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from datamodules.sources.archives import unpack_into

DATA_VARIABLE = "FPT_BENCH_DATA"
"""Environment variable that names the data root."""
WAYS_TO_SET_ROOT = f"--data-root or {DATA_VARIABLE}"
_TIMEOUT_SECONDS = 20.0
_CHUNK_BYTES = 1 << 16
_COLUMNS = "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
_NETWORK_ERRORS = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    Example:
        >>> RemoteFile("a.txt", ("https://example.org/a.txt",), "sha1:00", 3)
        Traceback (most recent call last):
        ...
        ValueError: a.txt: expected a checksum 'sha256:...' or 'md5:...', got 'sha1:00'
    """

    name: str
    """Name it gets in the local folder."""
    urls: tuple[str, ...]
    """Mirrors, the preferred one first."""
    checksum: str | None
    """`sha256:` or `md5:` and the hexadecimal digits; None where nobody published one."""
    size: int | None
    """Bytes."""

    def __post_init__(self) -> None:
        if self.checksum is not None and self.checksum.partition(":")[0] not in ("sha256", "md5"):
            raise ValueError(f"{self.name}: expected a checksum 'sha256:...' or 'md5:...', got {self.checksum!r}")

    def matches(self, path: Path) -> bool:
        """Return whether the file at `path` has the checksum; always so where none is known."""
        return self.checksum is None or file_checksum(path, self.checksum.partition(":")[0]) == self.checksum


def file_checksum(path: Path, algorithm: str = "sha256") -> str:
    """Return the checksum of a file as `algorithm:digits`."""
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return f"{algorithm}:{digest.hexdigest()}"


def data_root(root: Path | None) -> Path:
    """Return the folder of all data: `root`, else what FPT_BENCH_DATA names, else `fpt_bench` in the user's cache."""
    if root is not None:
        return root.expanduser()
    if named := os.environ.get(DATA_VARIABLE):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fpt_bench"


def made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Return `path`, made by `make` unless it is there; whoever comes at the same time waits and makes nothing.

    `make` writes a file or a folder at the temporary path that it gets (same suffix, same file system). What it wrote
    becomes `path` in one rename, or is removed where it fails.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            return path
        unfinished = path.with_name(f".unfinished-{path.name}")
        _remove(unfinished)
        try:
            make(unfinished)
            unfinished.replace(path)
        except BaseException as error:
            _remove(unfinished)
            _explain_full_disk(error, path)
            raise
    return path


def unpack(archive: Path, folder: Path) -> Path:
    """Return `folder`, holding the plain files of `archive`: all of them, or no folder at all.

    An existing folder stays as it is. For the kinds of archives and the errors see
    :func:`datamodules.sources.archives.unpack_into`.
    """
    return made_once(folder, lambda unfinished: unpack_into(archive, unfinished))


def fetch(file: RemoteFile, folder: Path, offline: bool) -> Path:
    """Return the local copy of `file` in `folder`, downloaded where it is missing.

    Mirrors are tried in order. Interrupted downloads resume (the part is kept as NAME.part), if there is a checksum to
    show that the two halves belong together. A file whose checksum is wrong is put aside as NAME.wrong-hash. Two
    processes at once download once.

    Raises:
        FileNotFoundError: offline, or no mirror had the file; says what to put where by hand.
        OSError: the disk is full.
    """
    path = folder / file.name
    if path.exists() and file.matches(path):
        return path
    if offline and not path.exists():
        raise FileNotFoundError(_how_to_get(file, path, ["offline, so nothing was downloaded"]))
    folder.mkdir(parents=True, exist_ok=True)
    troubles = []
    with FileLock(folder / f".{file.name}.lock"):
        if path.exists():
            if file.matches(path):
                return path
            troubles.append(_put_aside(file, path, path))
        for url in () if offline else file.urls:
            part = folder / f"{file.name}.part"
            try:
                trouble = _download(file, url, part)
            except OSError as error:
                _explain_full_disk(error, part)
                raise
            if trouble is None and not file.matches(part):
                trouble = _put_aside(file, part, path)
            if trouble is None:
                part.replace(path)
                return path
            troubles.append(f"{url}: {trouble}")
            Console(stderr=True).print(f"{file.name}: {troubles[-1]}", style="yellow", markup=False, highlight=False)
    raise FileNotFoundError(_how_to_get(file, path, troubles))


def _download(file: RemoteFile, url: str, part: Path) -> str | None:
    """Complete `part` from one mirror; return None, or what went wrong. A cut connection is taken up again."""
    if file.checksum is None:
        part.unlink(missing_ok=True)
    elif part.exists() and file.matches(part):
        return None
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            missing = _transfer(file, url, part, before)
            if not missing:
                return None
            trouble = f"the connection ended {missing} bytes early"
        except HTTPError as error:
            if error.code == 416 and before:  # the part is longer than the file: it was never a part of it
                part.unlink()
                continue
            return f"HTTP {error.code} {error.reason}"
        except _NETWORK_ERRORS as error:
            trouble = str(error) or type(error).__name__
        if file.checksum is None or not part.exists() or part.stat().st_size <= before:
            return trouble


def _transfer(file: RemoteFile, url: str, part: Path, before: int) -> int:
    """Append what the mirror has beyond the first `before` bytes to `part`; return how many are still missing."""
    request = Request(url, headers={"User-Agent": "fpt_bench"})
    if before:
        request.add_header("Range", f"bytes={before}-")
    response: HTTPResponse
    with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        done = before if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = file.size if length is None else done + int(length)
        progress = Progress(*_COLUMNS, console=Console(stderr=True))
        with open(part, "ab" if done else "wb") as stream, progress:
            bar = progress.add_task(file.name, total=total, completed=done)
            while chunk := response.read(_CHUNK_BYTES):
                stream.write(chunk)
                done += len(chunk)
                progress.update(bar, completed=done)
    return 0 if total is None else max(0, total - done)


def _put_aside(file: RemoteFile, found: Path, path: Path) -> str:
    """Rename a file of the wrong content to NAME.wrong-hash, and return the sentence that says so."""
    aside = path.with_name(f"{path.name}.wrong-hash")
    assert file.checksum is not None, "a file without a checksum matches whatever it holds"
    got = file_checksum(found, file.checksum.partition(":")[0])
    found.replace(aside)
    return f"expected {file.checksum}, got {got}; put aside as {aside}"


def _how_to_get(file: RemoteFile, path: Path, troubles: list[str]) -> str:
    size = "size unknown" if file.size is None else f"{file.size / 1e6:.1f} MB"
    lines = [f"{path} ({size}) is missing.", *troubles]
    sources = " or ".join(file.urls)
    lines.append(f"Get it from {sources} and put it at {path}, or name another folder by {WAYS_TO_SET_ROOT}.")
    return "\n  ".join(lines)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _explain_full_disk(error: BaseException, path: Path) -> None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = f"no space left while writing; free some, or name another folder by {WAYS_TO_SET_ROOT}"
        raise OSError(error.errno, message, str(path)) from error
