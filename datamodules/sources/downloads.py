"""Where a data set comes from: a local folder, a download from hashed mirrors, or the embedded stand-in."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from datamodules.sources.full_disk import explain_full_disk
from datamodules.sources.transfers import FLOOR_SECONDS, download
from datamodules.sources.unfinished import earlier_here, left_behind, own_name

DATA_VARIABLE = "FPT_BENCH_DATA"
"""Environment variable that names the data root."""
WAYS_TO_SET_ROOT = f"--data-root or {DATA_VARIABLE}"
ANOTHER_ROOT = f"or name another folder by {WAYS_TO_SET_ROOT}"
_POLL_SECONDS = 0.1
_failed: dict[tuple[str, ...], list[str]] = {}
"""What went wrong with mirrors that this process has tried in vain."""


class MissingDataError(FileNotFoundError):
    """Real data were asked for and are not there, nor can they be downloaded."""


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
    named = root or os.environ.get(DATA_VARIABLE)
    if not named:
        return users_root()
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise _no_home() from error


def users_root() -> Path:
    """Return `fpt_bench` in the user's cache.

    Raises:
        ValueError: there is no home directory to have it in.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fpt_bench"
    except RuntimeError as error:
        raise _no_home() from error


def _no_home() -> ValueError:
    return ValueError(f"expected a home directory for data and caches, got none: set {WAYS_TO_SET_ROOT}, or HOME")


def fetch(file: RemoteFile, folder: Path, offline: bool) -> Path:
    """Return the local copy of `file` in `folder`, downloaded where it is missing.

    Mirrors are tried in order, once a process: where all failed, asking again says so at once. Interrupted downloads
    resume (the part is kept as NAME.part), if there is a checksum to show that the two halves belong together. What was
    downloaded and has a wrong checksum is put aside as NAME.wrong-hash; a file that lay there stays as it is, whatever
    is in it. Two processes of one machine at once download once; each writes under a name of its own, so that no two
    can spoil each other's file.

    Raises:
        FileNotFoundError: offline, no mirror had the file, or another file has its place; says what to put where by
            hand.
        OSError: the disk is full.
    """
    path = folder / file.name
    if path.exists() and file.matches(path):
        return path
    if path.exists():
        assert file.checksum is not None, "a file without a checksum matches whatever it holds"
        got = file_checksum(path, file.checksum.partition(":")[0])
        raise FileNotFoundError(
            f"{path} is another file than was expected, {file.checksum}, got {got}; it stays as it is. Move it away to "
            f"have {file.name} downloaded, or name another folder by {WAYS_TO_SET_ROOT}."
        )
    if offline:
        raise FileNotFoundError(_how_to_get(file, path, ["offline, so nothing was downloaded"]))
    folder.mkdir(parents=True, exist_ok=True)
    troubles = []
    if file.urls not in _failed:
        with _own_part(path) as part:
            _wait_for_earlier(part, path)
            if path.exists() and file.matches(path):
                return path
            _take_over(part, path)
            tried = _try_mirrors(file, path, part)
        if tried is None:
            return path
        troubles += tried
        _failed[file.urls] = [*tried, "tried before by this process, and not again"]
    else:
        troubles += _failed[file.urls]
    raise FileNotFoundError(_how_to_get(file, path, troubles))


def _try_mirrors(file: RemoteFile, path: Path, part: Path) -> list[str] | None:
    """Download `file` to `path`, by way of `part`; return None, or what went wrong with each mirror."""
    troubles = []
    for url in file.urls:
        try:
            trouble = _complete(file, url, part)
        except OSError as error:
            explain_full_disk(error, path, ANOTHER_ROOT)
            raise
        if trouble is None and not file.matches(part):
            trouble = _put_aside(file, part, path)
        if trouble is None:
            part.replace(path)
            return None
        troubles.append(f"{url}: {trouble}")
        Console(stderr=True).print(f"{file.name}: {troubles[-1]}", style="yellow", markup=False, highlight=False)
    return troubles


def _complete(file: RemoteFile, url: str, part: Path) -> str | None:
    if file.checksum is None:
        part.unlink(missing_ok=True)
    elif part.exists() and file.matches(part):
        return None
    return download(file.name, url, part, file.size, resumes=file.checksum is not None)


@contextlib.contextmanager
def _own_part(path: Path) -> Iterator[Path]:
    """Give a name of one's own for a download; what is there under it after the block is left for another time."""
    part = own_name(path, "part")
    part.touch()
    try:
        yield part
    finally:
        if part.exists() and part.stat().st_size:
            part.replace(_kept_part(path))
        part.unlink(missing_ok=True)


def _take_over(part: Path, path: Path) -> None:
    """Go on with what others left unfinished, the longest of it; the rest is removed."""
    found = [_kept_part(path), *left_behind(path.parent, "part", path.name)]
    for old in sorted((old for old in found if old.is_file()), key=lambda old: old.stat().st_size):
        with contextlib.suppress(FileNotFoundError):  # another was faster
            old.replace(part)


def _kept_part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _wait_for_earlier(part: Path, path: Path) -> None:
    """Wait while another process of this machine, which began before, downloads the same, and gets on with it."""
    seen, since = None, time.monotonic()
    while sizes := _sizes(earlier_here(part, "part", path.name)):
        if sizes != seen:
            seen, since = sizes, time.monotonic()
        elif time.monotonic() - since > FLOOR_SECONDS:
            return
        time.sleep(_POLL_SECONDS)


def _sizes(paths: list[Path]) -> dict[Path, int]:
    sizes = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            sizes[path] = path.stat().st_size
    return sizes


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
