"""Move kept results and grids of an earlier schema to this one; nothing is trained again.

    python -m fpt_bench.results.migration RUNS

What an earlier version did not record is not made up: it stays unknown.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fpt_bench.config.grid import GRID_SCHEMA, Grid
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.grids import find_grids, has_bench
from fpt_bench.results.lines import PACKED, is_packed, line_of, read_lines
from fpt_bench.results.regular_files import read_regular
from fpt_bench.results.result import SCHEMA, RunResult
from fpt_bench.results.result_files import parse_result, read_result, write_result

Fields = dict[str, Any]


def _with_attempts(fields: Fields) -> Fields:
    """From 1 to 2: what the last process was, and seconds by phase, are those of an attempt."""
    made, phases = fields.pop("provenance", None), fields.pop("phases", {})
    return {**fields, "attempts": [] if made is None else [{**made, "phases": phases}]}


def _with_scores(fields: Fields) -> Fields:
    """From 2 to 3: what was called an accuracy is a score, of the metric that the data's record names."""
    names = {"accuracy": "score", "accuracies": "scores"}
    return {re.sub("accurac(y|ies)$", lambda found: names[found[0]], name): value for name, value in fields.items()}


STEPS: dict[int, Callable[[Fields], Fields]] = {
    1: _with_attempts,
    2: _with_scores,
    3: dict,  # a body's shape and what it scored where it was trained: not recorded before
    4: dict,  # `eval_growth` of a spec: validations were evenly spaced
    5: dict,  # `input_scale` of a spec: it was always 1
}
"""By schema, what leads to the next one."""


def moved(fields: Fields) -> Fields:
    """Return the fields of a result of any earlier schema as those of this one.

    Example:
        >>> moved({"status": "failed", "provenance": None})
        {'status': 'failed', 'attempts': [], 'schema': 6}
    """
    for schema in range(fields.get("schema", 1), SCHEMA):
        fields = {**STEPS[schema](dict(fields)), "schema": schema + 1}
    return fields


def moved_grid(fields: Fields) -> Fields:
    """Return the fields of a grid of any earlier schema as those of this one.

    What was under test is a question now. Its effects are gone: they had no margin, and nothing to refute them.

    Example:
        >>> moved_grid({"experiment": {"claim": "It helps.", "effects": []}})
        {'experiment': {'question': 'It helps.'}, 'schema': 4}
    """
    experiment = {name: value for name, value in fields["experiment"].items() if name != "effects"}
    named = {"question" if name == "claim" else name: value for name, value in experiment.items()}
    return {**fields, "experiment": named, "schema": GRID_SCHEMA}


GARBLED = (ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What a file whose fields are of other kinds makes the steps raise."""


def move(runs: Path) -> tuple[int, list[str]]:
    """Rewrite the results and grids of an earlier schema under a folder of runs, or in one packed file.

    Return how many results there were, and a sentence for each file that is none of ours or a later version's: it is
    left.
    """
    count, problems = 0, []
    for path in find_grids(runs) if has_bench(runs) else ():
        try:
            fields = json.loads(read_regular(path))
            if isinstance(fields, dict) and fields.get("schema", 1) < GRID_SCHEMA:
                grid = Grid.model_validate_json(json.dumps(moved_grid(fields)))
                write_atomically(path, grid.model_dump_json(indent=1) + "\n")
        except (OSError, *GARBLED) as error:
            problems.append(f"{path}: {' '.join(str(error).split())[:200]}")
    for path in [runs] if is_packed(runs) else sorted(runs.glob(f"**/*{PACKED}")):
        try:
            count += _move_packed(path, problems)
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {' '.join(str(error).split())[:200]}")
    for path in sorted(runs.glob(f"**/{RESULT_FILE}")):
        try:
            fields = json.loads(read_regular(path))
            if isinstance(fields, dict) and fields.get("schema", 1) in STEPS:
                write_result(RunResult.model_validate_json(json.dumps(moved(fields))), path.parent)
                count += 1
            else:
                read_result(path.parent)
        except (OSError, *GARBLED) as error:
            problems.append(f"{path}: {' '.join(str(error).split())[:200]}")
    return count, problems


def _move_packed(path: Path, problems: list[str]) -> int:
    """Rewrite the lines of an earlier schema in a packed file, add a sentence for each that is none of ours, and count.

    Raises:
        OSError, ValueError: the file cannot be read, or has a line that is too long to be kept as it is.
    """
    count, lines = 0, []
    for number, line in read_lines(path):
        place = f"{path}:{number}"
        if line is None:
            raise ValueError(f"line {number} is longer than a result can be; the file is left as it is")
        try:
            fields = json.loads(line)
            if isinstance(fields, dict) and fields.get("schema", 1) in STEPS:
                line = line_of(RunResult.model_validate_json(json.dumps(moved(fields))))
                count += 1
            else:
                parse_result(line, place, path)
        except GARBLED as error:
            problems.append(f"{place}: {' '.join(str(error).split())[:200]}")
        lines.append(line.rstrip(b"\n") + b"\n")
    if count:
        write_atomically(path, b"".join(lines))
    return count


if __name__ == "__main__":
    wrong: list[str] = []
    for folder in sys.argv[1:]:
        number, found = move(Path(folder))
        wrong += found
        print(f"{folder}: {number} results moved to schema {SCHEMA}")
    print(*wrong, sep="\n", file=sys.stderr, end="")
    sys.exit(1 if wrong else 0)
