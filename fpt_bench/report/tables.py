"""A bench as tables of texts, and as files. Only in this room fractions become percent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from fpt_bench.analysis.across_tasks import Overall
from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.codes import short
from fpt_bench.analysis.docket import JudgedClaim, judge_claim
from fpt_bench.analysis.export import as_csv, as_json, cells_frame, overall_frame, rates_frame
from fpt_bench.analysis.statistics import Estimate
from fpt_bench.analysis.sweep import RateScore
from fpt_bench.report.escapes import for_markdown, for_markdown_cell
from fpt_bench.report.latex import latex_page
from fpt_bench.report.metric_words import head_of, unit_of
from fpt_bench.report.notes import bench_notes
from fpt_bench.report.words import cell_delta, cell_score, line_label, opponent_in_words, p_value, points, steps, times
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import GRID_FILE, table_file
from fpt_bench.results.grids import require_own_grid

NOT_REACHED = 1e15
"""Added, in sorting, to what a text is only a lower bound of."""


@dataclass(frozen=True)
class Entry:
    """One field of a table."""

    text: str
    order: float | None = None
    """What the column is sorted by, where it is a number."""
    link: str | None = None
    """On the page."""
    search: str | None = None
    """What the page searches its runs for where the link is followed."""
    is_long: bool = False
    """Whether the text may run over several lines, on the page."""
    picture: str | None = None
    """A PNG in base64 that the page shows instead of the text."""


@dataclass(frozen=True)
class TextTable:
    """A table as people read it: empty columns are left out."""

    title: str
    header: list[str]
    lines: list[list[Entry]]

    @property
    def texts(self) -> list[list[str]]:
        return [[entry.text for entry in line] for line in self.lines]


def markdown(bench: Bench) -> str:
    """Render a bench as a Markdown page: its question, tables, notes."""
    lines = [f"# {for_markdown(bench.grid.name)}", "", for_markdown(bench.grid.experiment.question.strip()), ""]
    for table in text_tables(bench):
        lines += [f"## {table.title}", "", *_markdown_table(table), ""]
    lines += [f"- {for_markdown(note)}" for note in bench_notes(bench)]
    return "\n".join(lines).rstrip() + "\n"


def latex(bench: Bench) -> str:
    """Render a bench for LaTeX with the package booktabs, to be read in by a paper."""
    tables = [(table.title, table.header, table.texts) for table in text_tables(bench)]
    return latex_page(bench.grid.name, tables, bench_notes(bench))


def text_tables(bench: Bench) -> list[TextTable]:
    """Return the tables of a page: accuracy, claims, convergence and cost, learning rates, over tasks."""
    mixed = bench.is_mixed
    tables = [
        _text_table(
            "Scores" if mixed else "Accuracy", [line for task in bench.tasks for line in _accuracy_lines(bench, task)]
        ),
        _text_table("Claims", [_claim_entries(judge_claim(claim, bench)) for claim in bench.grid.experiment.claims]),
        _text_table("Convergence and cost", [_names(c, bench) | _cost_entries(c) for c in bench.cells if c.runs]),
        _text_table(head_of("Validation accuracy by learning rate, %", mixed), _rate_lines(bench)),
        _text_table("Over tasks", _overall_lines(bench)),
    ]
    return [table for table in tables if table.lines]


def _text_table(title: str, lines: Sequence[Mapping[str, Entry]]) -> TextTable:
    names = max(lines, key=len, default={})  # a cell without a score has fewer
    empty = Entry("")
    header = [name for name in names if any(line.get(name, empty).text for line in lines)]
    return TextTable(title, header, [[line.get(name, empty) for name in header] for line in lines])


def _names(cell: Cell, bench: Bench) -> dict[str, Entry]:
    return {"task": Entry(line_label(bench, cell)), "arm": Entry(cell.arm)}


def _with_units(line: Mapping[str, Entry], cell: Cell, mixed: bool) -> dict[str, Entry]:
    """Return the entries of a cell under heads without units, and with their own, where a table has several metrics."""
    return {
        head_of(column, mixed): replace(entry, text=entry.text + unit_of(column, cell, mixed))
        if entry.order is not None
        else entry
        for column, entry in line.items()
    }


def _number(value: float | None, text: str) -> Entry:
    """Return an entry that is sorted by a number, or an empty one where there is none."""
    return Entry("") if value is None else Entry(text, value)


def _accuracy_lines(bench: Bench, task: str) -> list[dict[str, Entry]]:
    """Return a line for each arm of a task, then one for each simple learner on its data."""
    cells, record, mixed = _ranked(bench.of_task(task), bench), bench.simple_of(task), bench.is_mixed
    lines = [_names(c, bench) | _with_units(_accuracy_entries(c, bench), c, mixed) for c in cells]
    scored = next((cell for cell in cells if cell.runs), None)
    if record is None or scored is None:
        return lines
    for name, score in record.learners.items():
        names = {"task": Entry(line_label(bench, scored)), "arm": Entry(f"{name} (simple learner)")}
        entry = {"accuracy %": Entry(points(score, "", scored.is_fraction), score)}
        lines.append(names | _with_units(entry, scored, mixed))
    return lines


Compared = TypeVar("Compared", Cell, Overall)


def _ranked(lines: Sequence[Compared], bench: Bench) -> list[Compared]:
    """Put what has opponents of its own in the order of its differences, largest first: scores of several bodies do not
    rank them. Other benches stay in the order of their arms."""
    if not bench.own_opponents:
        return list(lines)
    return sorted(lines, key=lambda line: -math.inf if (found := _difference(line)) is None else found, reverse=True)


def _difference(line: Cell | Overall) -> float | None:
    if line.delta is None:
        return None
    return (
        line.delta.mean
        if isinstance(line, Overall)
        else line.delta.estimate.mean * (1 if line.higher_is_better else -1)
    )


def _accuracy_entries(cell: Cell, bench: Bench) -> dict[str, Entry]:
    if cell.accuracy is None:
        return {"accuracy %": Entry("FAIL" if cell.count("failed") else "…")}
    delta, diverged, fraction = cell.delta, cell.count("diverged"), cell.is_fraction
    return {
        "accuracy %": Entry(cell_score(cell), cell.accuracy.mean),
        "n": Entry(str(cell.n) + (f" ({diverged} diverged)" if diverged else ""), cell.n),
        "floor %": _number(cell.floor, points(cell.floor, "", fraction)),
        **_compared_with(cell.arm, bench),
        f"Δ to {opponent_in_words(bench)}, pp": Entry(cell_delta(cell), delta.estimate.mean) if delta else Entry(""),
        "p (Holm)": _number(delta.holm, p_value(delta.holm)) if delta else Entry(""),
        "verdict": Entry(delta.word) if delta else Entry(""),
        "items ±": _number(cell.item_noise, points(cell.item_noise)),
        "train - test, pp": _number(cell.train_test_gap, points(cell.train_test_gap, "+", fraction)),
        "published %": _number(cell.published, points(cell.published, "", fraction)),
        "codes": Entry(short(cell.codes)),
    }


def _cost_entries(cell: Cell) -> dict[str, Entry]:
    trained, faster = cell.first.trained_parameters(), cell.convergence.speed_up if cell.convergence else None
    return {
        "steps to target": steps_entry(cell),
        "speed-up": Entry("") if faster is None else Entry(times(faster), faster.mean),
        "area": Entry(f"{cell.area:.2f}", cell.area),
        "rate": Entry(_rate(cell), cell.choice.rate),
        "trained": Entry(f"{trained:,}", trained),
        "bytes kept": _number(cell.bytes_kept, f"{cell.bytes_kept or 0:,}"),
        "seconds a run": Entry(f"{cell.seconds:,.0f}", cell.seconds),
        "examples a run": Entry(f"{cell.examples:,.0f}", cell.examples),
        "core hours": _number(cell.core_hours, f"{cell.core_hours or 0:.3f}"),
        "tuning runs": Entry(f"{len(cell.tuning):,}" if cell.tuning else "", len(cell.tuning)),
        "tuning s": Entry(f"{cell.tuning_seconds:,.0f}" if cell.tuning else "", cell.tuning_seconds),
    }


def _rate(cell: Cell) -> str:
    edge, provisional = ("edge" if cell.choice.edge else ""), ("provisional" if cell.choice.provisional else "")
    return " ".join(word for word in (f"{cell.choice.rate:g}", edge, provisional) if word)


def steps_entry(cell: Cell) -> Entry:
    """Return the steps to target of a cell, with the seeds that got there where not all or none did."""
    found = cell.convergence
    if found is None:
        return Entry("")
    max_steps = cell.first.spec.max_steps
    text = steps(found.steps, max_steps)
    some = "" if found.reached in (0, cell.n) else f" ({found.reached} of {cell.n})"
    return Entry(text + some, found.steps if math.isfinite(found.steps) else NOT_REACHED + max_steps)


def _rate_lines(bench: Bench) -> list[dict[str, Entry]]:
    """Return a line for each cell and an entry for each learning rate of the grid; the chosen one is starred."""
    swept = [cell for cell in bench.cells if len(cell.choice.scores) > 1]
    columns = {
        f"{rate:g}": Entry("") for rate in sorted({score.rate for cell in swept for score in cell.choice.scores})
    }
    return [
        {"task": Entry(cell.task), "arm": Entry(cell.arm), **columns}
        | {f"{score.rate:g}": _rate_entry(score, cell, bench.is_mixed) for score in cell.choice.scores}
        for cell in swept
    ]


def _rate_entry(score: RateScore, cell: Cell, mixed: bool) -> Entry:
    remarks = [] if score.complete else [f"{score.n} of {score.expected}"]
    remarks += [f"{score.diverged} diverged"] if score.diverged else []
    remarks += ["given up"] if score.given_up else []
    known = score.n > 0
    number = points(score.mean, "", cell.is_fraction) + unit_of(", %", cell, mixed)
    text = number + ("*" if score.rate == cell.choice.rate else "") if known else "…"
    return Entry(f"{text} ({', '.join(remarks)})" if remarks else text, score.mean if known else None)


def _claim_entries(judged: JudgedClaim) -> dict[str, Entry]:
    claim = judged.claim
    not_judged = f"; without two seeds of both arms: {', '.join(judged.missing)}" if judged.missing else ""
    return {
        "claim": Entry(claim.sentence, is_long=True),
        "verdict": Entry(judged.outcome),
        "on tasks": Entry(f"{judged.settled} of {len(claim.tasks)}{not_judged}", is_long=True),
        "refuted by": Entry(claim.refuted_by, is_long=True),
        "source": Entry(claim.said_by),
        "hash": Entry(claim.hash[:12]),
        "registered": Entry(_registered(judged), is_long=True),
    }


def _registered(judged: JudgedClaim) -> str:
    if judged.registered is None:
        return judged.late
    when = f"{judged.registered:%Y-%m-%d %H:%M}"
    return f"{when}, {'before' if not judged.earlier else f'after {judged.earlier} of'} its {judged.runs} runs"


def _interval(found: Estimate | None, sign: str = "") -> Entry:
    if found is None or not math.isfinite(found.low):
        return Entry("")
    return Entry(f"{found.low:{sign}.3f} to {found.high:{sign}.3f}", found.low)


def _chance(found: Estimate | None) -> Entry:
    """Write a chance in percent, with the ends of its interval where they are apart."""
    if found is None:
        return Entry("")
    ends = f" ({100 * found.low:.0f} to {100 * found.high:.0f})" if math.isfinite(found.low) and found.has_width else ""
    return Entry(f"{100 * found.mean:.0f} %{ends}", found.mean)


def _compared_with(arm: str, bench: Bench) -> dict[str, Entry]:
    """Return whom an arm is compared with, where that is not the same for all."""
    return {"compared with": Entry(bench.opponent(arm) or "")} if bench.own_opponents else {}


def _overall_lines(bench: Bench) -> list[dict[str, Entry]]:
    return [_overall_entries(overall, bench) for overall in _ranked(bench.overall, bench)]


def _overall_entries(overall: Overall, bench: Bench) -> dict[str, Entry]:
    found, delta = overall.estimate, overall.delta
    return {
        "arm": Entry(overall.arm),
        **_compared_with(overall.arm, bench),
        f"Δ to {opponent_in_words(bench)}": Entry("") if delta is None else Entry(f"{delta.mean:+.3f}", delta.mean),
        "95 % interval of Δ": _interval(delta, "+"),
        "beats it": _chance(overall.improvement),
        "mean": Entry(f"{found.mean:.3f}", found.mean),
        "95 % interval": _interval(found),
        "tasks": Entry(str(len(overall.tasks)), len(overall.tasks)),
        "n at least": Entry(str(found.n), found.n),
    }


def _markdown_table(table: TextTable) -> list[str]:
    texts = [[for_markdown_cell(cell) for cell in line] for line in (table.header, *table.texts)]
    widths = [max(len(line[i]) for line in texts) for i in range(len(table.header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in texts
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]


def write_tables(bench: Bench, folder: Path) -> None:
    """Write all tables of a bench and its grid into a folder.

    Files: table.md, table.tex, table.csv and table.json; rates.csv where rates were swept; overall.csv over tasks.

    Raises:
        RefusedError: a later version's tables are there.
        OSError: the folder cannot be written.
    """
    require_own_grid(folder, bench.grid)
    frame = cells_frame(bench)
    write_atomically(folder / GRID_FILE, bench.grid.model_dump_json(indent=1) + "\n")
    write_atomically(table_file(folder, "md"), markdown(bench))
    write_atomically(table_file(folder, "tex"), latex(bench))
    write_atomically(table_file(folder, "json"), as_json(frame))
    for name, table in (("table", frame), ("rates", rates_frame(bench)), ("overall", overall_frame(bench))):
        path = table_file(folder, "csv", name)
        if len(table):
            write_atomically(path, as_csv(table))
        else:
            path.unlink(missing_ok=True)  # of before
