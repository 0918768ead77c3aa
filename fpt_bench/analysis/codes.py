"""What to be careful with in a cell, under codes that stay: FPT001 means the same in every table and version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fpt_bench.analysis.judge import ENOUGH_TO_TELL
from fpt_bench.analysis.sweep import is_still_rising, merit
from fpt_bench.config.known import TASKS
from fpt_bench.results.result import RunResult

if TYPE_CHECKING:
    from fpt_bench.analysis.cells import Cell

DEAF = 0.1
"""Share of its norm by which a state must move, when the other tokens are replaced, to be called hearing."""


@dataclass(frozen=True)
class Code:
    """One thing to be careful with."""

    name: str
    why: str
    to_do: str


CODES = {
    "FPT001": Code(
        "still rising at the end",
        "at least half of the runs found a new best, by two points or more, in the last quarter of their steps: "
        "the score is one of a budget, not of what the arm can learn",
        "more steps",
    ),
    "FPT002": Code(
        "below a simple learner",
        "a rule without learning, a linear model, a neighbour or counts score as high here: that anything was "
        "learned is not shown by the score",
        "look at the simple learner's row, and at differences of arms",
    ),
    "FPT003": Code(
        "rate at the edge",
        "the chosen learning rate is at an end of the grid: a better one may lie outside",
        "a wider grid",
    ),
    "FPT004": Code(
        "two groups",
        "seeds fall into two groups far apart, as those that learn and those that do not: mean and interval describe "
        "neither, so that none is given, and the judge gives no word",
        "count who learns (`judge --reached`), and more seeds or steps",
    ),
    "FPT005": Code(
        "mixed releases",
        "this arm's runs and those that it is compared with come of more than one release of torch: a release moves a "
        "run as another seed does",
        "run them again in one environment",
    ),
    "FPT006": Code(
        "body not pinned",
        "the body came from a repository whose commit is not known: another day may bring other weights",
        "name a revision, or a local folder",
    ),
    "FPT007": Code(
        "deaf body",
        f"before the first step the state that is read out moves by less than {DEAF:g} of its norm when all other "
        "tokens are replaced: it hardly hears them, and what it lacks may be scale, not knowledge",
        "compare with an init of another scale or, where norms stand first, with a smaller `input_scale`",
    ),
    "FPT008": Code(
        "one arm flat",
        "beside the other arm's seeds one arm's hardly vary, a fifth of their range or less, as at a floor or a "
        "ceiling, or neither arm's do: what has not happened yet is no part of them, and the judge gives no word "
        "as long as that is so",
        "count who learns (`judge --reached`), or a budget at which both arms vary",
    ),
    "FPT009": Code(
        "other data or weights",
        "not all of this arm's runs have one body, or runs of this arm and of the one that it is compared with, "
        "though asked for alike, read other data",
        "run them again in one place; `fingerprint` of `data` and `body` in their results says which differ",
    ),
}
"""By code, in the order in which they are listed."""


OF_THE_MACHINE = frozenset({"FPT001", "FPT002", "FPT004", "FPT005", "FPT007", "FPT008"})
"""Codes that come and go with seed, processor and release, though nobody changed anything."""


def codes_of(cell: "Cell", baseline: "Cell | None" = None) -> tuple[str, ...]:
    """Return the codes that hold for a cell, in their order; none where it has no score.

    Args:
        cell: of a bench, with its difference.
        baseline: the cell that it is compared with.
    """
    if not cell.runs:
        return ()
    body, moves = cell.first.body, [r.readout_moves for r in cell.runs if r.readout_moves is not None]
    releases = {release for c in (cell, baseline) if c for release in c.releases}
    verdict = None if cell.delta is None else cell.delta.verdict
    holds = {
        "FPT001": 2 * sum(_rises(r) for r in cell.runs) >= cell.n,
        "FPT002": cell.beaten_by is not None,
        "FPT003": cell.choice.edge,
        "FPT004": cell.learned is not None,
        "FPT005": len(releases) > 1,
        "FPT006": body is not None and body.pinned is False,
        "FPT007": bool(moves) and float(np.median(moves)) < DEAF,
        "FPT008": verdict is not None and verdict.flat and min(verdict.counts) >= ENOUGH_TO_TELL,
        "FPT009": _differ(cell, baseline),
    }
    return tuple(code for code in CODES if holds[code])


def _differ(cell: "Cell", baseline: "Cell | None") -> bool:
    """Return whether runs that were asked for alike read other data, or the cell's were made of other bodies."""
    read: dict[str, dict[int, set[str]]] = {}
    for result in (*cell.runs, *(baseline.runs if baseline else ())):
        if result.data is not None:
            spec = result.spec
            asked = repr((spec.task, sorted(spec.data_arguments.items())))
            read.setdefault(asked, {}).setdefault(spec.seed, set()).add(result.data.fingerprint)
    bodies = {result.body.fingerprint for result in cell.runs if result.body is not None}
    may_be_drawn = cell.first.spec.task not in TASKS
    return len(bodies) > 1 or any(_are_of_several(by_seed, may_be_drawn) for by_seed in read.values())


def _are_of_several(by_seed: Mapping[int, set[str]], may_be_drawn: bool) -> bool:
    """Return whether these fingerprints are of more than one data set: not where each seed has drawn one of its own.

    Training examples of somebody's own task may be drawn by the seed; then all fingerprints differ.
    """
    prints = set[str]().union(*by_seed.values())
    one_each = may_be_drawn and len(prints) == len(by_seed) and all(len(each) == 1 for each in by_seed.values())
    return len(prints) > 1 and not one_each


def _rises(result: RunResult) -> bool:
    """Return whether more steps might bring more: not where nothing is left to learn."""
    return not result.is_perfect and is_still_rising(result, merit(result.floor or 0.0, result))


def short(codes: Sequence[str]) -> str:
    """Write codes as a table does.

    Example:
        >>> short(["FPT001", "FPT007"])
        '001 007'
    """
    return " ".join(code.removeprefix("FPT") for code in codes)
