"""Two folders of results side by side: what changed between them, cell by cell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from fpt_bench.report.build import FIGURES, write_page
from fpt_bench.report.figures import Picture, finish, house_style
from fpt_bench.report.parts import Entry, Row, Table, order_of
from fpt_bench.report.reading import Bench, Cell, read_benches
from fpt_bench.report.rows import draw_rows_of
from fpt_bench.report.style import Drawing, Look, make_looks, slug
from fpt_bench.statistics import Estimate, estimate_welch_difference

_FACTS = {
    "data_fingerprint": "data fingerprint",
    "body_fingerprint": "body fingerprint",
    "learning_rate": "learning rate",
    "n": "n",
    "max_steps": "max_steps",
    "floor": "floor",
    "target": "target",
}
"""What is compared besides the scores and the spec: columns of the frame, by their words in the table."""


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


def compare_reports(before: Path, after: Path, page: Path, console: Console) -> None:
    """Write the page that compares two folders of results.

    Raises:
        FileNotFoundError: no bench is in one of them.
        ValueError: they have no bench in common.
    """
    pairs = _pair(read_benches(before, console), read_benches(after, console), before, after)
    looks = make_looks([arm for pair in pairs for bench in pair for arm in bench.arms])
    values = {
        "title": f"{_name(after, before)} compared with {_name(before, after)}",
        "made_of": f"Before: {before}. After: {after}.",
        "sections": [_compare(first, second, looks, page.parent / FIGURES) for first, second in pairs],
        "refresh_seconds": None,
    }
    write_page("compare.html.jinja", values, looks, page)


def _name(folder: Path, other: Path) -> str:
    """Give a folder's last name, or the whole of it where the other has the same."""
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
    places = list(dict.fromkeys((cell.task, cell.arm) for bench in (before, after) for cell in bench.cells))
    first, second = ({(c.task, c.arm): c for c in bench.cells} for bench in (before, after))
    changes = {place: difference(first.get(place), second.get(place)) for place in places}
    rows = [_row(first.get(place), second.get(place), changes[place], looks[place[1]]) for place in places]
    columns = ("task", "arm", "before %", "after %", "difference, pp", "steps before", "steps after", "what changed")
    title = after.grid.name if before.grid.name == after.grid.name else f"{after.grid.name} after {before.grid.name}"
    return Comparison(
        anchor=slug(title),
        title=title,
        summary=[*_describe(changes, after), *_environment_changes(before, after)],
        table=Table(f"{title}: each cell before and after", columns, tuple(rows)),
        pictures=_picture(after, changes, looks, figures),
        notes=[
            "Accuracy: mean over n seeds ± half-width of Student's 95 % interval. Difference: after minus before, with "
            "Welch's 95 % interval; runs with the same run id are the same run unless code or machine changed.",
            *_daggers(before, after),
        ],
    )


def difference(before: Cell | None, after: Cell | None) -> Estimate | None:
    """Give the change of a cell's accuracy, a fraction; None unless both sides have a score."""
    if not before or not after or not before.runs or not after.runs:
        return None
    scores = [[r.score for r in cell.runs if r.score is not None] for cell in (after, before)]
    return estimate_welch_difference(*scores)


def _row(before: Cell | None, after: Cell | None, change: Estimate | None, look: Look) -> Row:
    some = after or before
    assert some is not None
    daggers = [cell.label for cell in (before, after) if cell]
    texts = (
        max(daggers, key=len), some.arm, _accuracy(before), _accuracy(after), _change(change), _steps(before),
        _steps(after), "; ".join(_changed(before, after)),
    )  # fmt: skip
    return Row(
        look.css_class, (*(Entry(text, order_of(text)) for text in texts[:-1]), Entry(texts[-1], None, is_long=True))
    )


def _accuracy(cell: Cell | None) -> str:
    if cell is None:
        return "not asked for"
    if not cell.runs:
        return "FAIL" if cell.row["failed"] else "…"
    mean, low, high = (100 * cell.row[f"accuracy_{name}"] for name in ("mean", "low", "high"))
    return f"{mean:.1f} ± {(high - low) / 2:.1f}" if math.isfinite(low) else f"{mean:.1f}"


def _change(change: Estimate | None) -> str:
    if change is None:
        return ""
    width = f" ± {100 * change.half_width:.1f}" if math.isfinite(change.low) else ""
    return f"{100 * change.mean:+.1f}{width}"


def _steps(cell: Cell | None) -> str:
    steps = cell.row.get("steps_to_target") if cell else None
    if cell is None or steps is None:
        return ""
    return f"{steps:.0f}" if math.isfinite(steps) else f">{cell.row['max_steps']:.0f}"


def _changed(before: Cell | None, after: Cell | None) -> list[str]:
    """Name what differs besides the scores, fingerprints and versions first."""
    if before is None or after is None or not before.runs or not after.runs:
        return []
    old, new = ([_written(cell.row.get(name)) for name in _FACTS] for cell in (before, after))
    changed = [f"{name} {a} → {b}" for name, a, b in zip(_FACTS.values(), old, new, strict=True) if a != b]
    specs = [cell.runs[0].spec.model_dump(exclude={"seed", *_FACTS}) for cell in (before, after)]
    return [*changed, *(f"{name} {a} → {b}" for name, a, b in _differing(*specs))]


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Give the fields of two specs that differ, arguments of the data one by one."""
    old, new = ({**spec, **spec.pop("data_arguments")} for spec in (before, after))
    names = dict.fromkeys([*old, *new])
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:_SHOWN]


def _describe(changes: Mapping[tuple[str, str], Estimate | None], after: Bench) -> list[str]:
    known = {place: change for place, change in changes.items() if change is not None}
    told = {p: c for p, c in known.items() if math.isfinite(c.low) and not c.low <= 0 <= c.high}
    same = sum(change.mean == 0 for change in known.values())
    sentences = [
        f"{len(known)} of {len(changes)} cells have a score on both sides; {same} of them are equal, and in "
        f"{len(told)} the 95 % interval of the difference excludes zero."
    ]
    for (task, arm), change in sorted(told.items(), key=lambda item: item[1].mean):
        sentences.append(f"{after.label(task)}, {arm}: {_change(change)} pp.")
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
    for made in (r.provenance for r in bench.results if r.provenance):
        facts = {"fpt_bench": made.version, "commit": made.commit or "unknown", **made.versions}
        for name, value in {**facts, "device": made.device, "threads": str(made.threads)}.items():
            found.setdefault(name, set()).add(value)
    return found


def _picture(
    bench: Bench, changes: Mapping[tuple[str, str], Estimate | None], looks: Mapping[str, Look], figures: Path
) -> list[Picture]:
    places = {(cell.task, cell.arm) for cell in bench.cells}
    known = {p: (100 * c.mean, 100 * c.low, 100 * c.high) for p, c in changes.items() if c is not None and p in places}
    if not known:
        return []
    words = "; ".join(f"{bench.label(task)} {arm} {mean:+.1f}" for (task, arm), (mean, _, _) in known.items())
    with house_style():
        drawing = Drawing(
            "difference",
            draw_rows_of(bench, known, looks, "accuracy after minus before (pp)"),
            "Difference in accuracy",
            "Test accuracy after minus before, with Welch's 95 % interval (cut at the edge).",
            f"Difference in test accuracy in percentage points. {words}.",
        )
        return [finish(drawing, slug(bench.grid.name), bench, figures)]


def _daggers(*benches: Bench) -> list[str]:
    """Say what each side's embedded data are."""
    embedded = [cell for bench in benches for cell in bench.cells if cell.row.get("data") == "embedded"]
    return sorted({f"† Data of {cell.task}: {cell.row['data_source']}." for cell in embedded})
