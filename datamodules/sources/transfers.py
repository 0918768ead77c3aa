"""One file from one mirror, within bounds: no more bytes than the file has, no slower than a floor, not for ever."""

import ssl
import time
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

MOST_BYTES = 4 * 2**30
"""Of a file whose size is not known."""
SILENT_SECONDS = 20.0
"""A server that sends nothing for so long is given up."""
FLOOR_BYTES_A_SECOND, FLOOR_SECONDS = 10_000, 60.0
"""A mirror that sends fewer bytes a second than this, over so many seconds, is given up."""
MOST_SECONDS = 6 * 3600.0
"""Of one mirror, all its connections together."""
_CHUNK_BYTES = 1 << 16
_COLUMNS = "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
_NETWORK_ERRORS = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


class TooLongError(Exception):
    """The mirror has more bytes than the file: what it sends is not the file."""


class TooSlowError(Exception):
    """The mirror takes too long; what came may be gone on with."""


class _Stopwatch:
    """Times one mirror."""

    def __init__(self) -> None:
        self.began = self.since = time.monotonic()
        self.received = 0

    def count(self, received: int) -> None:
        """Count bytes that came.

        Raises:
            TooSlowError: they come too slowly, or have come for too long.
        """
        now = time.monotonic()
        self.received += received
        if now - self.began > MOST_SECONDS:
            raise TooSlowError(f"not whole after {MOST_SECONDS / 3600:g} hours")
        if now - self.since > FLOOR_SECONDS:
            if self.received < FLOOR_BYTES_A_SECOND * (now - self.since):
                raise TooSlowError(f"fewer than {FLOOR_BYTES_A_SECOND / 1000:g} kB/s over {FLOOR_SECONDS:g} s")
            self.since, self.received = now, 0


def download(name: str, url: str, part: Path, size: int | None, resumes: bool) -> str | None:
    """Complete `part` from one mirror; return None, or what went wrong. A cut connection is taken up again.

    Args:
        name: as the progress bar calls it.
        url: the mirror.
        part: the beginning of the file, or nothing.
        size: bytes of the whole file, if they are known.
        resumes: whether two halves may be put together: there is a checksum to tell that they belong together.

    Raises:
        OSError: the disk is full.
    """
    watch = _Stopwatch()
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            missing = _transfer(name, url, part, before, size, watch)
            if not missing:
                return None
            trouble = f"the connection ended {missing} bytes early"
        except TooLongError as error:
            part.unlink(missing_ok=True)
            return str(error)
        except TooSlowError as error:
            return str(error)
        except HTTPError as error:
            if error.code == 416 and before:  # the part is longer than the file: it was never a part of it
                part.unlink()
                continue
            return f"HTTP {error.code} {error.reason}"
        except _NETWORK_ERRORS as error:
            trouble = str(error) or type(error).__name__
        if not resumes or not part.exists() or part.stat().st_size <= before:
            return trouble


def _transfer(name: str, url: str, part: Path, before: int, size: int | None, watch: _Stopwatch) -> int:
    """Append what the mirror has beyond the first `before` bytes to `part`; return how many are still missing."""
    request = Request(url, headers={"User-Agent": "fpt_bench"})
    if before:
        request.add_header("Range", f"bytes={before}-")
    most = MOST_BYTES if size is None else size
    response: HTTPResponse
    with urlopen(request, timeout=SILENT_SECONDS) as response:
        done = before if response.status == 206 else 0
        total = size if response.length is None else done + response.length
        _expect_at_most(most, total or 0)
        progress = Progress(*_COLUMNS, console=Console(stderr=True))
        with open(part, "ab" if done else "wb") as stream, progress:
            bar = progress.add_task(name, total=total, completed=done)
            # Not `read`, which waits until a whole chunk is there, however slowly it comes.
            while chunk := response.read1(_CHUNK_BYTES):
                done += len(chunk)
                _expect_at_most(most, done)
                stream.write(chunk)
                watch.count(len(chunk))
                progress.update(bar, completed=done)
    return 0 if total is None else max(0, total - done)


def _expect_at_most(most: int, got: int) -> None:
    if got > most:
        raise TooLongError(f"expected at most {most:,} bytes, the server has {got:,} or more")
