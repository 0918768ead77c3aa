"""A bench as frames for CSV and JSON: the only file, with the gate's, that knows columns by their names.

Accuracies and areas are fractions, differences are differences of fractions, steps are optimizer steps; what is not
known is NaN.
"""

import math
import re
from dataclasses import asdict
from typing import Any

import pandas as pd

from fpt_bench.analysis.cells import Bench, Cell
from fpt_bench.analysis.statistics import Estimate

_FORMULA = re.compile(r"[=@\t\r]|[+-](?![\w.+-]*$)")
"""What makes a spreadsheet compute a cell. An arm named `+norm` can call nothing, and stays as it is."""


def as_csv(frame: pd.DataFrame) -> str:
    """Return a frame's CSV, in which a spreadsheet computes no text: one that begins a formula has a `'` before it.

    Numbers are never touched, and `without_guard` gives the text again.
    """
    texts = frame.select_dtypes(include=["object", "string"])
    return frame.assign(**texts.map(_guarded)).to_csv(index=False, float_format="%.6g")


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value.lstrip("'")) else value


def without_guard(text: str) -> str:
    """Return a text as it was before `as_csv` wrote it.

    Example:
        >>> without_guard("'=1+1"), without_guard("'tis"), without_guard("+norm")
        ('=1+1', "'tis", '+norm')
    """
    return text[1:] if text[:1] == "'" and _FORMULA.match(text.lstrip("'")) else text


def cells_frame(bench: Bench) -> pd.DataFrame:
    """Return one row for each task and arm, in the grid's order, at the chosen learning rate.

    Where not all tasks are scored by accuracy, columns say `score` instead, and one names the metric.
    """
    noun = "score" if bench.is_mixed else "accuracy"
    return pd.DataFrame([_cell_row(cell, noun) for cell in bench.cells])


def rates_frame(bench: Bench) -> pd.DataFrame:
    """Return one row for each task, arm and learning rate of the arms that were swept; empty where none was."""
    return pd.DataFrame(
        [
            {"task": cell.task, "arm": cell.arm, **asdict(score), "chosen": score.rate == cell.choice.rate}
            for cell in bench.cells
            for score in cell.choice.scores
            if len(cell.choice.scores) > 1
        ]
    )


def overall_frame(bench: Bench) -> pd.DataFrame:
    """Return one row for each arm, over tasks; empty where `bench.overall` is."""
    return pd.DataFrame(
        [
            {"arm": o.arm, "tasks": " ".join(o.tasks), **_named("overall", o.estimate), "n_at_least": o.estimate.n}
            for o in bench.overall
        ]
    )


def _cell_row(cell: Cell, noun: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "task": cell.task,
        "arm": cell.arm,
        "expected": cell.expected,
        "scored": cell.scored,
        "learning_rate": cell.choice.rate,
        "learning_rates": " ".join(f"{score.rate:g}" for score in cell.choice.scores),
        "rate_edge": cell.choice.edge,
        "rate_provisional": cell.choice.provisional,
        **{status: cell.count(status) for status in ("ok", "diverged", "failed")},
        "n": cell.n,
    }
    if cell.runs:
        row |= _scored_columns(cell, noun)
    if cell.delta is not None:
        row |= {**_named("delta", cell.delta.estimate), "delta_method": "paired" if cell.delta.paired else "Welch"}
        if cell.convergence is not None:
            row["speed_up"] = cell.convergence.speed_up
    row["published"] = cell.published
    return row


def _scored_columns(cell: Cell, noun: str) -> dict[str, Any]:
    """Return the columns of a cell that has a score, which is called `noun`."""
    first, found = cell.first, cell.convergence
    assert cell.accuracy is not None
    row = {
        "data": cell.data.kind,
        "data_source": cell.data_source,
        "dropout": first.spec.dropout,
        "data_fingerprint": cell.data.fingerprint[:16],
        "body": first.spec.body,
        "body_source": cell.body_source,
        "body_fingerprint": first.body.fingerprint[:16] if first.body else "",
        "body_notes": cell.body_notes,
        "trained_parameters": first.trained_parameters(),
        "floor": cell.floor,
        "floor_name": cell.floor_name,
        **({} if noun == "accuracy" else {"metric": cell.metric}),
        **_named(noun, cell.accuracy),
        f"train_{noun}": _or_nan(cell.train_score),
        "train_test_gap": _or_nan(cell.train_test_gap),
        "max_steps": first.spec.max_steps,
        "eval_every": first.spec.eval_every,
        "test_examples": first.test_examples,
        "seconds": cell.seconds,
        "area": cell.area,
    }
    if cell.made_with:
        row["made_with"] = " and ".join(cell.made_with)
    if found is not None:
        row |= {"target": found.target, "steps_to_target": found.steps, "reached_target": found.reached}
    return row


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _named(prefix: str, estimate: Estimate) -> dict[str, float]:
    return {
        f"{prefix}_mean": estimate.mean,
        f"{prefix}_deviation": estimate.deviation,
        f"{prefix}_low": estimate.low,
        f"{prefix}_high": estimate.high,
    }
