"""Frames, rendered as Markdown, LaTeX, CSV and JSON. Only here fractions become percent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fpt_bench.config_files import read_yaml
from fpt_bench.grid import Grid
from fpt_bench.latex import latex_page
from fpt_bench.notes import known_rows, table_notes
from fpt_bench.results import RunResult, write_atomically
from fpt_bench.tables import build_frame, build_overall, build_rates

GRID_FILE = "grid.json"


@dataclass(frozen=True)
class Shown:
    """A table as people read it: texts only, empty columns left out."""

    title: str
    header: list[str]
    lines: list[list[str]]


def render_markdown(
    frame: pd.DataFrame, grid: Grid, rates: pd.DataFrame | None = None, overall: pd.DataFrame | None = None
) -> str:
    """Render a bench as a Markdown page: claim, tables, notes.

    Args:
        frame: of `build_frame`.
        grid: what the frame was built from.
        rates: of `build_rates`, where learning rates were swept.
        overall: of `build_overall`.
    """
    lines = [f"# {grid.name}", "", grid.experiment.claim.strip(), ""]
    for table in show_tables(frame, grid, rates, overall):
        lines += [f"## {table.title}", "", *_markdown_table(table), ""]
    lines += [f"- {note}" for note in table_notes(frame, grid, rates, overall)]
    return "\n".join(lines).rstrip() + "\n"


def render_latex(
    frame: pd.DataFrame, grid: Grid, rates: pd.DataFrame | None = None, overall: pd.DataFrame | None = None
) -> str:
    """Render a bench for LaTeX with the package booktabs, to be read in by a paper; arguments as `render_markdown`."""
    tables = [(table.title, table.header, table.lines) for table in show_tables(frame, grid, rates, overall)]
    return latex_page(grid.name, tables, table_notes(frame, grid, rates, overall))


def show_tables(
    frame: pd.DataFrame, grid: Grid, rates: pd.DataFrame | None = None, overall: pd.DataFrame | None = None
) -> list[Shown]:
    """Give the tables of a page as texts: accuracy, convergence and cost, learning rates, over tasks."""
    rows = known_rows(frame)
    names = [_names(row) for row in rows]
    accuracy = [name | _accuracy_cells(row, grid.experiment.baseline) for name, row in zip(names, rows, strict=True)]
    cost = [name | _cost_cells(row) for name, row in zip(names, rows, strict=True) if row["n"]]
    tables = [_shown("Accuracy", accuracy), _shown("Convergence and cost", cost)]
    if rates is not None and len(rates):
        tables.append(_shown("Validation accuracy by learning rate, %", _rate_lines(known_rows(rates))))
    if overall is not None and len(overall):
        tables.append(_shown("Over tasks", [_overall_cells(row) for row in known_rows(overall)]))
    return [table for table in tables if table.lines]


def _shown(title: str, cells: Sequence[Mapping[str, str]]) -> Shown:
    names = max(cells, key=len, default={})  # a cell without a score has fewer
    header = [name for name in names if any(line.get(name) for line in cells)]
    return Shown(title, header, [[line.get(name, "") for name in header] for line in cells])


def _names(row: Mapping[str, Any]) -> dict[str, str]:
    return {"task": f"{row['task']}{'†' if row.get('data') == 'embedded' else ''}", "arm": row["arm"]}


def _accuracy_cells(row: Mapping[str, Any], baseline: str) -> dict[str, str]:
    if not row["n"]:
        return {"accuracy %": "FAIL" if row["failed"] else "…"}
    return {
        "accuracy %": _plus_minus(row["accuracy_mean"], row["accuracy_low"], row["accuracy_high"]),
        "n": str(row["n"]) + (f" ({row['diverged']} diverged)" if row["diverged"] else ""),
        "floor %": f"{100 * row['floor']:.1f}",
        f"Δ to {baseline}, pp": _plus_minus(row["delta_mean"], row["delta_low"], row["delta_high"], sign="+")
        if "delta_mean" in row
        else "",
        "train - test, pp": f"{100 * row['train_test_gap']:+.1f}" if "train_test_gap" in row else "",
        "published %": f"{100 * row['published']:.1f}" if "published" in row else "",
    }


def _cost_cells(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "steps to target": _steps_cell(row),
        "speed-up": f"{row['speed_up']:.1f}x" if "speed_up" in row else "",
        "area": f"{row['area']:.2f}",
        "rate": _rate_cell(row),
        "trained": f"{row['trained_parameters']:,.0f}",
        "seconds a run": f"{row['seconds']:,.0f}",
    }


def _rate_cell(row: Mapping[str, Any]) -> str:
    words = [word for word in ("edge", "provisional") if row[f"rate_{word}"]]
    return " ".join([f"{row['learning_rate']:g}", *words])


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


def _rate_lines(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Give a line for each task and arm and a cell for each learning rate of the grid; the chosen one is starred."""
    columns = {f"{rate:g}": "" for rate in sorted({row["rate"] for row in rows})}
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        line = lines.setdefault((row["task"], row["arm"]), {"task": row["task"], "arm": row["arm"], **columns})
        remarks = [f"{row['n']} of {row['expected']}"] if row["n"] < row["expected"] else []
        remarks += [f"{row['diverged']} diverged"] if row["diverged"] else []
        remarks += ["given up"] if row["given_up"] else []
        text = f"{100 * row['mean']:.1f}" if "mean" in row else "…"
        text += "*" if row["chosen"] and "mean" in row else ""
        line[f"{row['rate']:g}"] = f"{text} ({', '.join(remarks)})" if remarks else text
    return list(lines.values())


def _overall_cells(row: Mapping[str, Any]) -> dict[str, str]:
    interval = f"{row['overall_low']:.3f} to {row['overall_high']:.3f}" if math.isfinite(row["overall_low"]) else ""
    return {
        "arm": row["arm"],
        "interquartile mean": f"{row['overall_mean']:.3f}",
        "95 % interval": interval,
        "tasks": str(len(row["tasks"].split())),
        "n at least": str(row["n_at_least"]),
    }


def _markdown_table(table: Shown) -> list[str]:
    texts = [[cell.replace("|", "\\|") for cell in line] for line in (table.header, *table.lines)]
    widths = [max(len(line[i]) for line in texts) for i in range(len(table.header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in texts
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]


def write_tables(grid: Grid, results: Sequence[RunResult], folder: Path, published: Path) -> pd.DataFrame:
    """Write all tables of a bench and its grid into a folder, and give the frame of tasks and arms.

    Files: table.md, table.tex, table.csv and table.json; rates.csv where rates were swept; overall.csv over tasks.
    """
    reference = read_yaml(published) if published.is_file() else {}
    frame, rates, overall = (
        build_frame(grid, results, reference),
        build_rates(grid, results),
        build_overall(grid, results),
    )
    write_atomically(folder / GRID_FILE, grid.model_dump_json(indent=1) + "\n")
    write_atomically(folder / "table.md", render_markdown(frame, grid, rates, overall))
    write_atomically(folder / "table.tex", render_latex(frame, grid, rates, overall))
    write_atomically(folder / "table.json", frame.to_json(orient="records", indent=1) + "\n")
    for name, table in (("table", frame), ("rates", rates), ("overall", overall)):
        if len(table):
            write_atomically(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    return frame
