"""A full disk, said in a sentence."""

import errno
from pathlib import Path


def explain_full_disk(error: BaseException, path: Path, advice: str) -> None:
    """Raise an OSError that says what to do, if `error`, or its cause, is a full disk.

    Args:
        error: what was raised.
        path: what could not be written.
        advice: what to do besides, as in "free some, ...".
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(cause.errno, f"no space left while writing; free some, {advice}", str(path)) from error
        cause = cause.__cause__ or cause.__context__
