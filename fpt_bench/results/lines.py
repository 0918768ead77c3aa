"""Files that hold a result a line: one form of JSON to write, and bounded memory to read what others left there."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from fpt_bench.results.regular_files import LIMIT, open_regular
from fpt_bench.results.result import RunResult

PACKED = ".jsonl"
"""How the names of such files end."""


def is_packed(path: Path) -> bool:
    """Return whether a path is that of a file of results; a folder may have such a name and is none."""
    return path.suffix == PACKED and not path.is_dir()


def line_of(result: RunResult) -> bytes:
    """Return a result as canonical JSON on one line: keys sorted, no spaces, UTF-8, a newline at the end."""
    fields = result.model_dump(mode="json")
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def read_lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines of a file that are not empty, each with its number, from 1; None for one over LIMIT bytes.

    Raises:
        OSError, ValueError: as `open_regular`.
    """
    with open_regular(path) as stream:
        number = 0
        while line := stream.readline(LIMIT + 1):
            number += 1
            whole = len(line) <= LIMIT
            while len(line) > LIMIT and not line.endswith(b"\n"):
                line = stream.readline(LIMIT + 1)
            if not whole or line.strip():
                yield number, line if whole else None


def one_of_each(read: Iterable[tuple[str, RunResult]]) -> dict[str, RunResult]:
    """Return results by run id; equal ones are one, and a failed one gives way to another.

    Args:
        read: results, each with its place, for messages.

    Raises:
        ValueError: two of one run differ; the message names both places.
    """
    found: dict[str, tuple[str, RunResult]] = {}
    for place, result in read:
        run_id = result.spec.run_id
        before, known = found.setdefault(run_id, (place, result))
        if not known.is_over:
            found[run_id] = place, result
        elif known != result and result.is_over:
            fields = [name for name in RunResult.model_fields if getattr(known, name) != getattr(result, name)]
            raise ValueError(
                f"{before} and {place}: expected one result of the run {run_id}, got two that differ in "
                f"{', '.join(fields)}. Take one of them out, or keep them in two folders."
            )
    return {run_id: result for run_id, (_, result) in found.items()}
