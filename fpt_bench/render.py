"""One frame, rendered as Markdown, CSV and JSON. Only here fractions become percent."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fpt_bench.results import RunResult, write_atomically
from fpt_bench.spec import Grid, read_yaml
from fpt_bench.statistics import converged_accuracy
from fpt_bench.tables import build_frame

LOW_N = 6
"""Below this many seeds a cell is marked: its interval rests on very few runs."""
GRID_FILE = "grid.json"


def render_markdown(frame: pd.DataFrame, grid: Grid) -> str:
    """Render the frame as a Markdown page: claim, table, notes."""
    notes = [f"- {note}" for note in make_notes(frame, grid)]
    lines = [f"# {grid.name}", "", grid.experiment.claim.strip(), "", *_markdown_table(shown_cells(frame, grid)), ""]
    lines += notes
    return "\n".join(lines).rstrip() + "\n"


def shown_cells(frame: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Give the table as people read it: texts, in percent and percentage points, by the columns' titles."""
    return pd.DataFrame([_shown(row, grid.experiment.baseline) for row in known_rows(frame)]).fillna("")


def known_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows as dicts in which what is not known is absent."""
    return [{str(k): v for k, v in row.items() if not _unknown(v)} for row in frame.to_dict("records")]


def _unknown(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _shown(row: Mapping[str, Any], baseline: str) -> dict[str, str]:
    """Give the cells of one row as people read them."""
    dagger = "†" if row.get("data") == "embedded" else ""
    cells = {"task": f"{row['task']}{dagger}", "arm": row["arm"]}
    if not row["n"]:
        return cells | {"accuracy %": "FAIL" if row["failed"] else "…"}
    return cells | {
        "accuracy %": _plus_minus(row["accuracy_mean"], row["accuracy_low"], row["accuracy_high"]),
        "n": str(row["n"]) + (f" ({row['diverged']} diverged)" if row["diverged"] else ""),
        "floor %": f"{100 * row['floor']:.1f}",
        f"Δ to {baseline}, pp": _plus_minus(row["delta_mean"], row["delta_low"], row["delta_high"], sign="+")
        if "delta_mean" in row
        else "",
        "steps to target": _steps_cell(row),
        "speed-up": f"{row['speed_up']:.1f}x" if "speed_up" in row else "",
        "area": f"{row['area']:.2f}",
        "train %": f"{100 * row['train_accuracy']:.1f}" if "train_accuracy" in row else "",
        "rate": f"{row['learning_rate']:g}",
        "trained": f"{row['trained_parameters']:,.0f}",
        "published %": f"{100 * row['published']:.1f}" if "published" in row else "",
    }


def _plus_minus(mean: float, low: float, high: float, sign: str = "") -> str:
    """Write a fraction as percent with the half-width of its interval: `97.1 ± 0.4`."""
    if not math.isfinite(low):
        return f"{100 * mean:{sign}.1f}"
    return f"{100 * mean:{sign}.1f} ± {100 * (high - low) / 2:.1f}"


def _steps_cell(row: Mapping[str, Any]) -> str:
    if "steps_to_target" not in row:
        return ""
    steps = row["steps_to_target"]
    text = f"{steps:.0f}" if math.isfinite(steps) else f">{row['max_steps']:.0f}"
    return text if row["reached_target"] in (0, row["n"]) else f"{text} ({row['reached_target']:.0f} of {row['n']})"


def _markdown_table(frame: pd.DataFrame) -> list[str]:
    columns = [name for name in frame.columns if frame[name].astype(bool).any()]
    texts = [columns, *frame[columns].astype(str).to_numpy().tolist()]
    widths = [max(len(line[i]) for line in texts) for i in range(len(columns))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in texts
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]


def make_notes(frame: pd.DataFrame, grid: Grid) -> list[str]:
    """Say what the columns mean, what the data are and what to be careful with."""
    notes = [
        "Accuracy: on the whole test set, read once, at the first best validation; mean over n seeds ± half-width of "
        "Student's 95 % interval.",
        f"Δ: difference to the arm `{grid.experiment.baseline}` in percentage points, paired by seed where both arms "
        "share examples, order and input layer, else Welch.",
    ]
    rows = [row for row in known_rows(frame) if row["n"]]
    known = {row["task"]: row for row in rows}
    if any("target" in row for row in rows):
        where = ", ".join(
            f"{task} {100 * converged_accuracy(row['floor'], row['target']):.1f} %"
            for task, row in known.items()
            if "target" in row
        )
        resolution = ", ".join(f"{task} {row['eval_every']:.0f}" for task, row in known.items())
        notes.append(
            "Steps to target: median over seeds of the first validated optimizer step at nine tenths of the way from "
            f"floor to target ({where}); `>` means not reached. Resolution in steps: {resolution}. "
            "Speed-up only where both medians exist. "
            "Area: mean over training of (validation accuracy - floor) / (1 - floor)."
        )
    notes += [f"Floor of {task}: {row['floor_name']}." for task, row in known.items()]
    notes += [
        f"{'† ' if row['data'] == 'embedded' else ''}Data of {task}: {row['data_source']} "
        f"({row['test_examples']:.0f} test examples)."
        for task, row in known.items()
    ]
    notes += _grouped(("Body of arm", f"`{row['arm']}`", row["body_source"]) for row in rows)
    notes += _grouped(("Body of task", row["task"], row["body_notes"]) for row in rows if row.get("body_notes"))
    dropouts = sorted({row["dropout"] for row in rows})
    notes += [f"Dropout: {', '.join(f'{dropout:g}' for dropout in dropouts)}."] if rows else []
    smallest = min((row["n"] for row in rows), default=0)
    if rows and smallest < LOW_N:
        notes.append(
            f"Low n: as few as {smallest} seeds a cell; an interval from so few runs is wide and rests on normality."
        )
    missing = int((frame["expected"] - frame["ok"] - frame["diverged"]).sum())
    if missing:
        notes.append(f"Incomplete: {missing} of {int(frame['expected'].sum())} runs have no score yet.")
    return notes


def _grouped(facts: Iterable[tuple[str, str, str]]) -> list[str]:
    """Write facts (kind, who, what) as sentences, one for all who share a fact.

    Example:
        >>> _grouped([("Body of arm", "full", "GPT-2"), ("Body of arm", "random", "GPT-2")])
        ['Body of arm full, random: GPT-2.']
    """
    sharing: dict[tuple[str, str], dict[str, None]] = {}
    for kind, who, what in facts:
        sharing.setdefault((kind, what), {})[who] = None
    return [f"{kind} {', '.join(who)}: {what}." for (kind, what), who in sharing.items()]


def write_tables(grid: Grid, results: Sequence[RunResult], folder: Path, published: Path) -> pd.DataFrame:
    """Write table.md, table.csv, table.json and the grid into a folder, and give the frame."""
    reference = read_yaml(published) if published.is_file() else {}
    frame = build_frame(grid, results, reference)
    write_atomically(folder / GRID_FILE, grid.model_dump_json(indent=1) + "\n")
    write_atomically(folder / "table.md", render_markdown(frame, grid))
    write_atomically(folder / "table.csv", frame.to_csv(index=False, float_format="%.6g"))
    write_atomically(folder / "table.json", frame.to_json(orient="records", indent=1) + "\n")
    return frame
