"""Two folders of results side by side: what changed between them, cell by cell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.statistics import Estimate, estimate_paired_difference, estimate_welch_difference
from fpt_bench.config.layers import ARGUMENTS
from fpt_bench.report.figures.draw import Picture, finish, house_style, reworded
from fpt_bench.report.figures.rows import draw_rows_of
from fpt_bench.report.figures.style import Drawing, Look, make_looks, slug
from fpt_bench.report.metric_words import WAY_TO_PERFECT, head_of, length_of, unit_of
from fpt_bench.report.page.parts import Row, Table
from fpt_bench.report.page.report_page import FIGURES, benches_in, write_page
from fpt_bench.report.tables import Entry, steps_entry
from fpt_bench.report.words import cell_label, cell_score, mark_of, plus_minus, steps, task_label

_SHOWN = 8
"""Letters of a fingerprint that are printed."""


@dataclass(frozen=True)
class Comparison:
    """One bench before and after."""

    anchor: str
    title: str
    summary: Sequence[str]
    table: Table
    pictures: Sequence[Picture]
    notes: Sequence[str]


def compare_reports(before: Path, after: Path, page: Path, console: Console, mix_releases: bool = False) -> None:
    """Write the page that compares two folders of results.

    Raises:
        FileNotFoundError: no bench is in one of them.
        ValueError: they have no bench in common, or the runs of one task of a bench are of several releases of torch.
    """
    first, second = (benches_in(side, console, mix_releases) for side in (before, after))
    pairs = _pair(first, second, before, after)
    looks = make_looks([arm for pair in pairs for bench in pair for arm in bench.arms])
    values = {
        "title": f"{_name(after, before)} compared with {_name(before, after)}",
        "made_of": f"Before: {before}. After: {after}.",
        "sections": [_compare(first, second, looks, page.parent / FIGURES) for first, second in pairs],
        "refresh_seconds": None,
        "up": "",
    }
    write_page("compare.html.jinja", values, looks, page)


def _name(folder: Path, other: Path) -> str:
    """Return a folder's last name, or the whole of it where the other has the same."""
    return folder.resolve().name if folder.resolve().name != other.resolve().name else str(folder)


def _pair(before: list[Bench], after: list[Bench], *folders: Path) -> list[tuple[Bench, Bench]]:
    """Pair benches by name; where each side has a single one, these two."""
    named = {bench.grid.name: bench for bench in before}
    pairs = [(named[bench.grid.name], bench) for bench in after if bench.grid.name in named]
    if not pairs and len(before) == len(after) == 1:
        pairs = [(before[0], after[0])]
    if not pairs:
        names = [", ".join(bench.grid.name for bench in side) for side in (before, after)]
        raise ValueError(
            f"expected a bench that both folders have, got {names[0]} in {folders[0]} and {names[1]} in {folders[1]}: "
            "name the folders of two benches' tables (RUNS/tables/NAME)"
        )
    return pairs


def _compare(before: Bench, after: Bench, looks: Mapping[str, Look], figures: Path) -> Comparison:
    keys = list(dict.fromkeys((cell.task, cell.arm) for bench in (before, after) for cell in bench.cells))
    first, second = ({(c.task, c.arm): c for c in bench.cells} for bench in (before, after))
    changes = {key: difference(first.get(key), second.get(key)) for key in keys}
    mixed = before.is_mixed or after.is_mixed
    rows = [_row(first.get(key), second.get(key), changes[key], looks[key[1]], mixed) for key in keys]
    columns = ("task", "arm", "before %", "after %", "difference, pp", "steps before", "steps after", "what changed")
    title = after.grid.name if before.grid.name == after.grid.name else f"{after.grid.name} after {before.grid.name}"
    return Comparison(
        anchor=slug(title),
        title=title,
        summary=[*_describe(changes, after), *_environment_changes(before, after)],
        table=Table(
            f"{title}: each cell before and after", tuple(head_of(column, mixed) for column in columns), tuple(rows)
        ),
        pictures=_picture(after, changes, looks, figures),
        notes=[
            "Accuracy: mean over n seeds ± half-width of Student's 95 % interval. Difference: after minus before; of "
            "cells with the same runs, run by run with Student's 95 % interval, of others with Welch's. Runs with the "
            "same run id are the same run unless code or machine changed.",
            *_daggers(before, after),
        ],
    )


def difference(before: Cell | None, after: Cell | None) -> Estimate | None:
    """Return the change of a cell's accuracy, a fraction; None unless both sides have a score.

    Where both have the same runs, each is compared with itself, whatever groups their scores fall into.
    """
    if not before or not after or not before.runs or not after.runs:
        return None
    new, old = ({r.spec.run_id: r.score for r in cell.runs if r.score is not None} for cell in (after, before))
    if new.keys() == old.keys():
        return estimate_paired_difference(list(new.values()), [old[run] for run in new])
    found = estimate_welch_difference(list(new.values()), list(old.values()))
    return found if after.learned is None and before.learned is None else found.without_interval()


def _row(before: Cell | None, after: Cell | None, change: Estimate | None, look: Look, mixed: bool) -> Row:
    some = after or before
    assert some is not None
    label = max((cell_label(cell) for cell in (before, after) if cell), key=len)
    entries = (
        Entry(label),
        Entry(some.arm),
        _accuracy(before, mixed),
        _accuracy(after, mixed),
        Entry(plus_minus(change, "+", some.is_fraction) + unit_of(", pp", some, mixed), change.mean)
        if change
        else Entry(""),
        _steps(before),
        _steps(after),
        Entry("; ".join(_changed(before, after)), is_long=True),
    )
    return Row(look.css_class, entries)


def _accuracy(cell: Cell | None, mixed: bool) -> Entry:
    if cell is None:
        return Entry("not asked for")
    if cell.accuracy is None:
        return Entry("FAIL" if cell.count("failed") else "…")
    return Entry(cell_score(cell) + unit_of(" %", cell, mixed), cell.accuracy.mean)


def _steps(cell: Cell | None) -> Entry:
    if cell is None or cell.convergence is None:
        return Entry("")
    entry = steps_entry(cell)
    return Entry(steps(cell.convergence.steps, cell.first.spec.max_steps), entry.order)


def _changed(before: Cell | None, after: Cell | None) -> list[str]:
    """Name what differs besides the scores, fingerprints and versions first."""
    if before is None or after is None or not before.runs or not after.runs:
        return []
    old, new = _facts(before), _facts(after)
    changed = [f"{name} {old[name]} → {new[name]}" for name in old if old[name] != new[name]]
    specs = [cell.first.spec.model_dump(exclude={"seed", "learning_rate", "max_steps"}) for cell in (before, after)]
    return [*changed, *(f"{name} {a} → {b}" for name, a, b in differing(*specs))]


def _facts(cell: Cell) -> dict[str, str]:
    """Return what is compared besides the scores and the rest of the spec, as it is written."""
    return {
        "data fingerprint": cell.data.fingerprint[:_SHOWN],
        "body fingerprint": cell.first.body.fingerprint[:_SHOWN] if cell.first.body else "",
        "learning rate": f"{cell.choice.rate:g}",
        "n": str(cell.n),
        "max_steps": str(cell.first.spec.max_steps),
        "floor": f"{cell.data.floor:g}",
        "target": "none" if cell.convergence is None else f"{cell.convergence.target:g}",
    }


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return the fields of two specs that differ, arguments of the data one by one."""
    own = [{name: value for name, value in spec.items() if name != ARGUMENTS} for spec in (before, after)]
    old, new = ({**fields, **spec[ARGUMENTS]} for fields, spec in zip(own, (before, after), strict=True))
    names = dict.fromkeys([*old, *new])
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _describe(changes: Mapping[tuple[str, str], Estimate | None], after: Bench) -> list[str]:
    known = {key: change for key, change in changes.items() if change is not None}
    told = {p: c for p, c in known.items() if math.isfinite(c.low) and not c.low <= 0 <= c.high}
    same = sum(change.mean == 0 for change in known.values())
    sentences = [
        f"{len(known)} of {len(changes)} cells have a score on both sides; {same} of them are equal, and in "
        f"{len(told)} the 95 % interval of the difference excludes zero."
    ]
    for (task, arm), change in sorted(told.items(), key=lambda item: item[1].mean):
        cell = after.cell(task, arm)
        unit = unit_of(", pp", cell, mixed=True) if cell else ""
        text = plus_minus(change, "+", cell is None or cell.is_fraction)
        sentences.append(f"{task_label(after, task)}, {arm}: {text}{unit}.")
    return sentences


def _environment_changes(before: Bench, after: Bench) -> list[str]:
    """Say which versions, commits and devices differ."""
    old, new = (_environments(bench) for bench in (before, after))
    names = dict.fromkeys([*old, *new])
    changed = [
        f"{name}: {' and '.join(sorted(old.get(name, {'none'})))} → {' and '.join(sorted(new.get(name, {'none'})))}"
        for name in names
        if old.get(name) != new.get(name)
    ]
    return [f"Changed in the environment: {'; '.join(changed)}."] if changed else ["The environment has not changed."]


def _environments(bench: Bench) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for made in (attempt for r in bench.results for attempt in r.attempts):
        facts = {"fpt_bench": made.version, "commit": made.commit or "unknown", **made.versions}
        for name, value in {**facts, "device": made.device, "threads": str(made.threads)}.items():
            found.setdefault(name, set()).add(value)
    return found


def _picture(
    bench: Bench, changes: Mapping[tuple[str, str], Estimate | None], looks: Mapping[str, Look], figures: Path
) -> list[Picture]:
    cells = [cell for cell in bench.cells if changes.get((cell.task, cell.arm)) is not None]
    if not cells:
        return []
    mixed, known = bench.is_mixed, {}
    for cell in cells:
        change = changes[cell.task, cell.arm]
        assert change is not None
        mean, low, high = (length_of(cell, each, mixed) for each in (change.mean, change.low, change.high))
        known[cell.task, cell.arm] = mean, min(low, high), max(low, high)
    words = "; ".join(f"{cell_label(c)} {c.arm} {known[c.task, c.arm][0]:+.1f}" for c in cells)
    axis = f"after minus before, {WAY_TO_PERFECT}" if mixed else "accuracy after minus before (pp)"
    with house_style():
        drawing = Drawing(
            "difference",
            draw_rows_of(bench, cells, known, looks, axis),
            "Difference in accuracy",
            "Test accuracy after minus before, with its 95 % interval (cut at the edge).",
            f"Difference in test accuracy in percentage points. {words}.",
            cells,
        )
        drawing = reworded(drawing, mixed)
        return [finish(drawing, slug(bench.grid.name), figures)]


def _daggers(*benches: Bench) -> list[str]:
    """Say what each side's marked data are."""
    marked = [cell for bench in benches for cell in bench.cells if mark_of(cell)]
    return sorted({f"{mark_of(cell)} Data of {cell.task}: {cell.data_source}." for cell in marked})
