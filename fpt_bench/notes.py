"""What is said below a table: what its columns mean, what the data are and what to be careful with."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from fpt_bench.grid import Grid
from fpt_bench.statistics import converged_accuracy
from fpt_bench.sweep import HOPELESS, RISING

LOW_N = 6
"""Below this many seeds a cell is marked: its interval rests on very few runs."""

Row = Mapping[str, Any]


def known_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of a frame as dicts in which what is not known is absent."""
    return [{str(k): v for k, v in row.items() if not _unknown(v)} for row in frame.to_dict("records")]


def _unknown(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def table_notes(
    frame: pd.DataFrame, grid: Grid, rates: pd.DataFrame | None = None, overall: pd.DataFrame | None = None
) -> list[str]:
    """Give the notes of a page of tables, a sentence or a few each.

    Args:
        frame: of `build_frame`.
        grid: what the frame was built from.
        rates: of `build_rates`, where learning rates were swept.
        overall: of `build_overall`.
    """
    rows = [row for row in known_rows(frame) if row["n"]]
    notes = [
        "Accuracy: on the whole test set, read once, at the first best validation; mean over n seeds ± half-width of "
        "Student's 95 % interval.",
        f"Δ: difference to the arm `{grid.experiment.baseline}` in percentage points, paired by seed where both arms "
        "share examples, order and input layer, else Welch.",
    ]
    if any("train_test_gap" in row for row in rows):
        notes.append("train - test: accuracy on training examples, without dropout, minus test accuracy, in pp.")
    if any("published" in row for row in rows):
        notes.append("Published figures are the papers', for information: they are no part of any comparison or check.")
    notes += _convergence_notes(rows)
    notes += _rate_notes(rows, rates)
    notes += _overall_notes(overall)
    notes += _data_notes(rows)
    notes += _version_notes(rows)
    notes += _completeness_notes(rows, frame, grid)
    return notes


def _convergence_notes(rows: Sequence[Row]) -> list[str]:
    known = {row["task"]: row for row in rows if "target" in row}
    if not known:
        return []
    where = ", ".join(
        f"{task} {100 * converged_accuracy(row['floor'], row['target']):.1f} %" for task, row in known.items()
    )
    resolution = ", ".join(f"{task} {row['eval_every']:.0f}" for task, row in known.items())
    return [
        "Steps to target: median over seeds of the first validated optimizer step at nine tenths of the way from "
        f"floor to target ({where}); `>` means not reached. Resolution in steps: {resolution}. "
        "Speed-up only where both medians exist. "
        "Area: mean over training of (validation accuracy - floor) / (1 - floor).",
    ]


def _rate_notes(rows: Sequence[Row], rates: pd.DataFrame | None) -> list[str]:
    """Say how learning rates were come by, and which rates were given up on what evidence."""
    if not rows:
        return []
    if rates is None or rates.empty:
        return ["Learning rates: one for each cell, fixed beforehand; nothing was swept."]
    notes = [
        "Learning rates: swept; chosen by mean validation accuracy over seeds, ties to the smaller; a diverged run "
        "counts as its floor. `*`: the chosen rate. `edge`: the chosen rate is at an end of the grid, a better one may "
        "lie outside, and the comparison is not settled. `provisional`: some rate still lacks seeds."
    ]
    given_up = rates[rates["given_up"]]
    if len(given_up):
        spared = int((given_up["expected"] - given_up["n"]).sum())
        notes.append(
            f"Given up after their first seed, sparing {spared} runs: rates whose validation accuracy was more than "
            f"{100 * HOPELESS:.0f} pp and more than half of the best rate's rise above the floor below the best, not "
            f"beside it in the grid, and did not rise by {100 * RISING:.0f} pp over the last quarter of the run; one "
            "that would not be hopeless beside what was chosen in the end is taken up again."
        )
    return notes


def _overall_notes(overall: pd.DataFrame | None) -> list[str]:
    if overall is None or overall.empty:
        return []
    return [
        "Over tasks: mean of the middle half of (accuracy - floor) / (1 - floor) over all runs of "
        f"{overall['tasks'].iloc[0].replace(' ', ', ')}, with a 95 % interval from a bootstrap that draws seeds within "
        "tasks; it says how far other seeds could move the figure, and nothing about other tasks."
    ]


def _data_notes(rows: Sequence[Row]) -> list[str]:
    known = {row["task"]: row for row in rows}
    notes = grouped(("Floor of", task, row["floor_name"]) for task, row in known.items())
    notes += [
        f"{'† ' if row['data'] == 'embedded' else ''}Data of {task}: {row['data_source']} "
        f"({row['test_examples']:.0f} test examples)."
        for task, row in known.items()
    ]
    notes += grouped(("Body of arm", f"`{row['arm']}`", row["body_source"]) for row in rows)
    notes += _body_notes(rows)
    dropouts = sorted({row["dropout"] for row in rows})
    return notes + ([f"Dropout: {', '.join(f'{dropout:g}' for dropout in dropouts)}."] if rows else [])


def _body_notes(rows: Sequence[Row]) -> list[str]:
    """Say what is particular about bodies: of which arm and, where not on all its tasks, on which.

    Example:
        >>> cut = {"arm": "vision", "body_notes": "the first 9 layers"}
        >>> short = {"arm": "random", "task": "mnist", "body_notes": "positions from 30 on are new"}
        >>> plain = {"arm": "random", "task": "xor", "body_notes": ""}
        >>> _body_notes([{**cut, "task": "mnist"}, {**cut, "task": "xor"}, short, plain])
        ['Body of arm `vision`: the first 9 layers.', 'Body of arm `random` on mnist: positions from 30 on are new.']
    """
    facts = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = [row for row in rows if row["arm"] == arm]
        for note in dict.fromkeys(row["body_notes"] for row in own if row.get("body_notes")):
            tasks = [row["task"] for row in own if row["body_notes"] == note]
            where = "" if len(tasks) == len(own) else f" on {', '.join(tasks)}"
            facts.append(("Body of arm", f"`{arm}`{where}", note))
    return grouped(facts)


def _version_notes(rows: Sequence[Row]) -> list[str]:
    """Say with what runs were made, where it is not the same for all of a table: single runs may differ for that alone.

    Example:
        >>> old, new = {"made_with": "torch 2.1 on a CPU"}, {"made_with": "torch 2.2 on a CPU"}
        >>> _version_notes([old, new])[0]
        'Runs were made with torch 2.1 on a CPU; torch 2.2 on a CPU: a release can move a run as another seed does.'
        >>> _version_notes([new, new])
        []
    """
    used = dict.fromkeys(one for row in rows for one in row.get("made_with", "").split(" and ") if one)
    if len(used) < 2:
        return []
    return [f"Runs were made with {'; '.join(sorted(used))}: a release can move a run as another seed does."]


def _completeness_notes(rows: Sequence[Row], frame: pd.DataFrame, grid: Grid) -> list[str]:
    notes = []
    smallest = min((row["n"] for row in rows), default=0)
    if rows and smallest < LOW_N:
        notes.append(
            f"Low n: as few as {smallest} seeds a cell; an interval from so few runs is wide and rests on normality."
        )
    missing = int((frame["expected"] - frame["scored"]).sum())
    if missing:
        notes.append(f"Incomplete: {missing} of {int(frame['expected'].sum())} runs have no score yet.")
    if grid.left_out:
        notes.append(f"Left out: {', '.join(grid.left_out)}; the profile {grid.profile} has no budget for them.")
    if grid.arms_left_out:
        notes.append(f"Left out: {', '.join(grid.arms_left_out)}; the profile {grid.profile} has no body for them.")
    return notes


def grouped(facts: Iterable[tuple[str, str, str]]) -> list[str]:
    """Write facts (kind, who, what) as sentences, one for all who share a fact.

    Example:
        >>> grouped([("Body of arm", "full", "GPT-2"), ("Body of arm", "random", "GPT-2")])
        ['Body of arm full, random: GPT-2.']
    """
    sharing: dict[tuple[str, str], dict[str, None]] = {}
    for kind, who, what in facts:
        sharing.setdefault((kind, what), {})[who] = None
    return [f"{kind} {', '.join(who)}: {what}." for (kind, what), who in sharing.items()]
