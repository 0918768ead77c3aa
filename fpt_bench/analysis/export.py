"""A bench, or results, as frames: for CSV, JSON and notebooks; the only file that knows columns by their names.

Accuracies and areas are fractions, differences are differences of fractions, steps are optimizer steps; what is not
known is NaN.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.codes import CODES
from fpt_bench.analysis.statistics import Estimate
from fpt_bench.results.result import RunResult

Frame = pd.DataFrame
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![\w.+-]*$)")
"""What makes a spreadsheet compute a cell. An arm named `+norm` can call nothing, and stays as it is."""


_COUNTS = {"bytes_kept", "trained_parameters"}
"""Columns of large whole numbers: one cell without makes floats of them, of which six digits would be left."""


def as_csv(frame: pd.DataFrame) -> str:
    """Return a frame's CSV, in which a spreadsheet computes no text: one that begins a formula has a `'` before it.

    Numbers are never touched.
    """
    frame = frame.astype(dict.fromkeys(_COUNTS & set(frame.columns), "Int64"))
    texts = frame.select_dtypes(include=["object", "string"])
    return frame.assign(**texts.map(_guarded)).to_csv(index=False, float_format="%.6g")


def rows_as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV, as `as_csv` does; a column is empty in rows that lack it."""
    return as_csv(pd.DataFrame(rows))


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value.lstrip("'")) else value


def cells_frame(bench: Bench) -> pd.DataFrame:
    """Return one row for each task and arm, in the grid's order, at the chosen learning rate.

    Where not all tasks are scored by accuracy, columns say `score` instead, and one names the metric.
    """
    noun = "score" if bench.is_mixed else "accuracy"
    frame = pd.DataFrame([_cell_row(cell, noun) for cell in bench.cells])
    return _with_opponents(frame, [cell.arm for cell in bench.cells], bench)


def _with_opponents(frame: pd.DataFrame, arms: Sequence[str], bench: Bench) -> pd.DataFrame:
    """Return a frame, a row an arm, with whom each is compared with, where that is not the same for all."""
    if bench.own_opponents:
        frame.insert(2, "against", [bench.opponent(arm) or "" for arm in arms])
    return frame


def as_json(frame: pd.DataFrame) -> str:
    """Return the rows of `cells_frame` as JSON; codes come with what they are of, why they matter and what to do."""
    rows = [{name: _known(value) for name, value in row.items()} for row in frame.to_dict("records")]
    for row in rows:
        row["codes"] = [{"code": code, **asdict(CODES[code])} for code in row["codes"].split()]
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _known(value: Any) -> Any:
    """Return a value as JSON has it, which knows no infinity and nothing that is not known; ten digits of a number."""
    if not isinstance(value, float) or math.isnan(value):
        return value if isinstance(value, str | bool | int) else None
    return float(f"{value:.10g}") if math.isfinite(value) else f"{value}"


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
    frame = pd.DataFrame(
        [
            {
                "arm": o.arm,
                "tasks": " ".join(o.tasks),
                **_named("overall", o.estimate),
                **({} if o.delta is None else _named("delta", o.delta)),
                **({} if o.improvement is None else _named("improvement", o.improvement)),
                "n_at_least": o.estimate.n,
            }
            for o in bench.overall
        ]
    )
    return _with_opponents(frame, [o.arm for o in bench.overall], bench) if len(frame) else frame


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
        "tuning_runs": len(cell.tuning),
        "tuning_seconds": cell.tuning_seconds,
        **{status: cell.count(status) for status in ("ok", "diverged", "failed")},
        "n": cell.n,
    }
    if cell.runs:
        row |= _scored_columns(cell, noun)
    if cell.delta is not None:
        found = cell.delta
        row |= {
            **_named("delta", found.estimate),
            "p": _or_nan(found.p),
            "p_holm": _or_nan(found.holm),
            "verdict": found.word,
        }
        if found.verdict is not None:
            row |= {f"e_{word}": getattr(found.verdict, word) for word in ("better", "worse", "same")}
        if cell.convergence is not None:
            row |= _ratio_columns("speed_up", cell.convergence.speed_up)
    row["published"] = cell.published
    row["codes"] = " ".join(cell.codes)
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
        **({} if cell.bytes_kept is None else {"bytes_kept": cell.bytes_kept}),
        "floor": cell.floor,
        "floor_name": cell.floor_name,
        **_simple_columns(cell),
        **({} if noun == "accuracy" else {"metric": cell.metric}),
        **_named(noun, cell.accuracy),
        f"train_{noun}": _or_nan(cell.train_score),
        "train_test_gap": _or_nan(cell.train_test_gap),
        "max_steps": first.spec.max_steps,
        "examples": cell.examples,
        "core_hours": _or_nan(cell.core_hours),
        "eval_every": first.spec.eval_every,
        "eval_growth": first.spec.eval_growth,
        "test_examples": first.test_examples,
        "item_noise": _or_nan(cell.item_noise),
        "learned": math.nan if cell.learned is None else cell.learned,
        "seconds": cell.seconds,
        "area": cell.area,
    }
    if cell.made_with:
        row["made_with"] = " and ".join(cell.made_with)
    if found is not None:
        row |= {"target": found.target, "steps_to_target": found.steps, "reached_target": found.reached}
    return row


def _simple_columns(cell: Cell) -> dict[str, Any]:
    """Return what a cell is not above, and the best simple learner on its data where there is a record of them."""
    if cell.simple is None:
        return {} if cell.beaten_by is None else {"not_above": cell.beaten_by}
    learner = cell.simple.best_learner
    return {
        "simple_learner": learner,
        "simple_learner_accuracy": math.nan if learner is None else cell.simple.learners[learner],
        "not_above": cell.beaten_by,
    }


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _ratio_columns(name: str, ratio: Estimate | None) -> dict[str, float]:
    known = (math.nan, math.nan, math.nan) if ratio is None else (ratio.mean, ratio.low, ratio.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), known, strict=True))


def _named(prefix: str, estimate: Estimate) -> dict[str, float]:
    return {
        f"{prefix}_mean": estimate.mean,
        f"{prefix}_deviation": estimate.deviation,
        f"{prefix}_low": estimate.low,
        f"{prefix}_high": estimate.high,
    }


def runs_frame(results: Iterable[RunResult]) -> pd.DataFrame:
    """Return one row a run: every field of its spec, then what came out. Scores are as in results, not in percent."""
    rows = []
    for result in results:
        spec = result.spec.model_dump()
        arguments = {f"data_arguments.{name}": value for name, value in spec.pop("data_arguments").items()}
        rows.append(
            {
                "run_id": result.spec.run_id,
                **spec,
                "train": ",".join(result.spec.train),
                **arguments,
                "status": result.status,
                "metric": result.metric,
                "test_score": result.test_score,
                **{f"test_score.{split}": score for split, score in result.other_scores.items()},
                "validation_score": result.validation_score,
                "train_score": result.train_score,
                "floor": result.floor,
                "best_step": result.best_step,
                "steps": result.curve[-1][0] if result.curve else 0,
                "trained_parameters": result.trained_parameters(),
                "seconds": result.seconds,
                "finished_at": result.finished_at,
            }
        )
    return pd.DataFrame(rows)


def scores_frame(results: Iterable[RunResult]) -> pd.DataFrame:
    """Return one row for each score of a run: its validations by step, then training and test at the best step."""
    rows = []
    for result in results:
        scores: list[tuple[str, int | None, float]] = [("validation", *point) for point in result.curve]
        at_best = {"train": result.train_score, "test": result.test_score, **result.other_scores}
        scores += [(split, result.best_step, score) for split, score in at_best.items() if score is not None]
        known = {"run_id": result.spec.run_id, "metric": result.metric, "floor": result.floor}
        spec = result.spec.model_dump(include={"task", "body", "init", "learning_rate", "seed"})
        rows += [{**spec, **known, "split": split, "step": step, "score": score} for split, step, score in scores]
    return pd.DataFrame(rows)
