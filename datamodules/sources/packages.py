"""Files that installed pip packages carry: data and weights, read without importing the package."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from datamodules.sources.downloads import file_checksum


class MissingPackageError(FileNotFoundError):
    """A package that carries data or weights is not installed."""


def packaged_file(package: str, path: str, checksum: str, remedy: str = "`make bodies` tries to have it") -> Path:
    """Return a file of an installed package, found without importing it.

    `path` is inside the folder of installed packages; `checksum` is `sha256:` and the hexadecimal digits to have;
    `remedy` says what installs the package.

    Raises:
        MissingPackageError: the package is not installed.
        FileNotFoundError: its file is missing.
        ValueError: the file is not the pinned one, so what is made from it would not be the same.
    """
    advice = "`make clean setup` installs the version that belongs here."
    try:
        found = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        raise MissingPackageError(
            f"pip package {package!r}, which carries {path}, is not installed. {remedy}"
        ) from None
    if not found.is_file():
        raise FileNotFoundError(f"{found}: expected a data file of package {package!r}, got nothing. {advice}")
    if (got := remembered_checksum(found)) != checksum:
        raise ValueError(f"{found}: expected {checksum}, got {got}: damaged, or another version's. {advice}")
    return found


def remembered_checksum(path: Path, algorithm: str = "sha256") -> str:
    """Return the checksum of a file as `algorithm:digits`, read again whenever the file may be another one.

    A copy can keep name, size and time of change (`cp -p`, `rsync -t`); never the time at which the system itself saw
    the file change, which is asked for, too.
    """
    state = path.stat()
    return _checksum_of((path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns), algorithm)


@lru_cache(maxsize=128)
def _checksum_of(state: tuple[Path, int, int, int, int], algorithm: str) -> str:
    return file_checksum(state[0], algorithm)
