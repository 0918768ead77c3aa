"""Scores as a long table in CSV, one a row (task, arm, seed, score): read, checked whole, picked out for two arms."""

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datamodules.sources.csv_headers import require_commas
from fpt_bench.analysis.intervals import reaches
from fpt_bench.analysis.judge import Rule
from fpt_bench.names import require_known

COLUMNS = ("task", "arm", "seed", "score")
_WHOLE = re.compile(r"[+-]?[0-9]+$")

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
            require_commas(header)
            for name in columns:
                require_known("column", name, header)
                if header.count(name) > 1:
                    raise ValueError(f"expected one column '{name}', got {header.count(name)}")
            scores = [_read_row(row, columns, rows.line_num) for row in rows]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, got another encoding ({error.reason})") from error
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
        if "_" in seed + score:  # Python's own notation: of a table it is a slip
            raise ValueError("underscore")
        whole = int(seed) if _WHOLE.match(seed) else int(float(seed))  # pandas writes 3 as 3.0 beside a missing one
        found = Score(task, arm, whole, float(score))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"line {line}: expected a seed and a score as numbers, got '{seed}' and '{score}'") from error
    if not _WHOLE.match(seed) and float(seed) != whole:
        raise ValueError(f"line {line}: expected a whole number as seed, got '{seed}'")
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


def odd_names(scores: Iterable[Score], arms: Sequence[str], tasks: Iterable[str]) -> list[str]:
    """Say which arms and tasks of a table differ from those that are judged by capitals and spaces alone.

    Example:
        >>> table = [Score("mnist", "a", 0, 0.9), Score("mnist", "A", 1, 0.8), Score("mnist", "b", 0, 0.7)]
        >>> odd_names(table, ("a", "b"), ["mnist"])
        ["arm 'A' (1 score) is another than 'a', and not judged: one arm that is spelt in two ways?"]
    """
    whole = list(scores)
    found = []
    for kind, judged in (("arm", arms), ("task", tuple(tasks))):
        spelt = {_alike(name): name for name in judged}
        counts = Counter(getattr(score, kind) for score in whole)
        found += [
            f"{kind} '{name}' ({count:,} score{'s' * (count != 1)}) is another than '{spelt[_alike(name)]}', and not "
            f"judged: one {kind} that is spelt in two ways?"
            for name, count in counts.items()
            if name not in judged and _alike(name) in spelt
        ]
    return found


def _alike(name: str) -> str:
    return "".join(name.split()).casefold()


WIDE = 20.0
"""Upper end of a range from which on it is remarked upon where no score is above 1."""


def odd_scores(pairs: Pairs, arms: tuple[str, str], rule: Rule) -> list[str]:
    """Say on which tasks scores and the rule look as if they were of two units: fractions beside percent."""
    found = []
    for task, pair in pairs.items():
        values = [value for arm in pair for value in arm]
        inside = [all(0 <= value <= 1 for value in arm) for arm in pair]
        if rule.high > 1 and any(inside) and not all(inside):
            other, within = (arms[place] for place in (inside.index(False), inside.index(True)))
            found.append(
                f"{task}: all scores of {within} are from 0 to 1, those of {other} are not: fractions beside percent?"
            )
        elif rule.high >= WIDE and all(inside):
            found.append(
                f"{task}: all scores are from 0 to 1 in a range to {rule.high:g}, by which intervals and the gap "
                "between two groups are measured"
            )
        if rule.reached is not None:
            reached = [reaches(value, rule.reached, rule.higher) for value in values]
            if all(reached) or not any(reached):
                found.append(
                    f"{task}: {'all seeds' if all(reached) else 'no seed'} of both arms reached {rule.reached:g}"
                )
    return found
