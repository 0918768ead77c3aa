"""Move kept results of an earlier schema to this one; nothing is trained again.

    python -m fpt_bench.results.migration RUNS

What an earlier version did not record is not made up: it stays unknown.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fpt_bench.results.folder import RESULT_FILE, read_result, write_result
from fpt_bench.results.result import SCHEMA, RunResult

Fields = dict[str, Any]


def _with_attempts(fields: Fields) -> Fields:
    """From 1 to 2: what the last process was, and seconds by phase, are those of an attempt."""
    made, phases = fields.pop("provenance", None), fields.pop("phases", {})
    return {**fields, "attempts": [] if made is None else [{**made, "phases": phases}]}


STEPS: dict[int, Callable[[Fields], Fields]] = {1: _with_attempts}
"""By schema, what leads to the next one."""


def moved(fields: Fields) -> Fields:
    """Return the fields of a result of any earlier schema as those of this one.

    Example:
        >>> moved({"status": "failed", "provenance": None})
        {'status': 'failed', 'attempts': [], 'schema': 2}
    """
    for schema in range(fields.get("schema", 1), SCHEMA):
        fields = {**STEPS[schema](dict(fields)), "schema": schema + 1}
    return fields


def move(runs: Path) -> int:
    """Rewrite the results of an earlier schema under a folder of runs, and return how many there were.

    Raises:
        ValueError: a file is no result, or a later version's; those before it are moved already.
    """
    count = 0
    for path in sorted(runs.glob(f"**/{RESULT_FILE}")):
        fields = json.loads(path.read_text())
        if fields.get("schema", 1) < SCHEMA:
            write_result(RunResult.model_validate_json(json.dumps(moved(fields))), path.parent)
            count += 1
        else:
            read_result(path.parent)
    return count


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        print(f"{folder}: {move(Path(folder))} results moved to schema {SCHEMA}")
