"""Scores as a long table in CSV, one a row (task, arm, seed, score): read, checked whole, picked out for two arms."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpt_bench.names import require_known

COLUMNS = ("task", "arm", "seed", "score")

Pairs = dict[str, tuple[list[float], list[float]]]


class Score(NamedTuple):
    """One row of a long table."""

    task: str
    arm: str
    seed: int
    score: float


def read_scores(path: Path, columns: Sequence[str] = COLUMNS) -> list[Score]:
    """Return every score in a CSV file; other columns than the four may be there.

    Args:
        columns: what the columns of task, arm, seed and score are called, in this order.

    Raises:
        ValueError: not such a table: a column is missing, a row is torn or doubled, a score is no number.
    """
    if len(columns) != 4 or len(set(columns)) != 4:
        raise ValueError(f"expected the names of four columns (task, arm, seed, score), got {', '.join(columns)}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            header = list(rows.fieldnames or [])
            for name in columns:
                require_known("column", name, header)
                if header.count(name) > 1:
                    raise ValueError(f"expected one column '{name}', got {header.count(name)}")
            scores = [_read_row(row, columns, rows.line_num) for row in rows]
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}: {error}") from error
    _require_once(path, scores)
    return scores


def _read_row(row: Mapping[str | None, str | None], columns: Sequence[str], line: int) -> Score:
    task, arm, seed, score = ((row[name] or "").strip() for name in columns)
    if None in row or None in row.values():
        raise ValueError(f"line {line}: expected as many fields as there are columns")
    if not task or not arm:
        raise ValueError(f"line {line}: expected a task and an arm, got nothing")
    try:
        found = Score(task, arm, int(seed), float(score))
    except ValueError as error:
        raise ValueError(f"line {line}: expected a seed and a score as numbers, got '{seed}' and '{score}'") from error
    if not math.isfinite(found.score):
        raise ValueError(
            f"line {line}: expected a score, got {score}; leave the row out, or give it what failing is worth"
        )
    return found


def _require_once(path: Path, scores: Iterable[Score]) -> None:
    seen: set[tuple[str, str, int]] = set()
    for score in scores:
        if score[:3] in seen:
            raise ValueError(
                f"{path}: expected one score a seed, got another of task '{score.task}', arm '{score.arm}', "
                f"seed {score.seed}: a run counted twice is no second run"
            )
        seen.add(score[:3])


def pick_pairs(scores: Sequence[Score], first: str, second: str, tasks: Sequence[str] = ()) -> Pairs:
    """Return the scores of two arms by task, of all tasks where none is named.

    Seeds that both arms have come first, in their order, so that what is paired by place is paired by seed.

    Raises:
        ValueError: an arm or a task that is not there, one arm twice, or a task that lacks an arm.
    """
    for arm in (first, second):
        require_known("arm", arm, {score.arm for score in scores})
    for task in tasks:
        require_known("task", task, {score.task for score in scores})
    if first == second:
        raise ValueError(f"expected two arms to judge, got '{first}' twice")
    pairs: Pairs = {}
    for task in dict.fromkeys(tasks or sorted({score.task for score in scores})):
        found = [{s.seed: s.score for s in scores if (s.task, s.arm) == (task, arm)} for arm in (first, second)]
        orders = [sorted(arm, key=lambda seed: (not all(seed in own for own in found), seed)) for arm in found]
        pairs[task] = ([found[0][seed] for seed in orders[0]], [found[1][seed] for seed in orders[1]])
        for arm, values in zip((first, second), pairs[task], strict=True):
            if not values:
                raise ValueError(
                    f"task '{task}': expected scores of arm '{arm}', got none; name the tasks with `--task`"
                )
    return pairs
