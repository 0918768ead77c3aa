"""What the page says, as plain values: its templates only place them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.config.command_line import make_command
from fpt_bench.config.published import is_resized
from fpt_bench.report.figures.draw import Picture, draw_bench
from fpt_bench.report.figures.style import Look, slug, task_class
from fpt_bench.report.metric_words import head_of, unit_of
from fpt_bench.report.notes import bench_notes
from fpt_bench.report.page.exhibits import EmbeddedPicture, embedded_attention, example_tables
from fpt_bench.report.page.parts import Row, Table
from fpt_bench.report.page.verdict_line import verdict_line
from fpt_bench.report.summary import Paragraph, summarize
from fpt_bench.report.tables import Entry, TextTable, text_tables
from fpt_bench.report.words import (
    DAGGER,
    DOUBLE_DAGGER,
    cell_label,
    line_label,
    other_test_sets,
    percent,
    points,
    task_label,
)
from fpt_bench.results.result import RunResult


@dataclass(frozen=True)
class Run:
    """Everything that is known of one run."""

    anchor: str
    title: str
    css_class: str
    command: str | None
    facts: tuple[tuple[str, str], ...]
    spec: tuple[tuple[str, str], ...]
    maps: tuple[EmbeddedPicture, ...] = ()
    find: str = ""
    """`name:value` words by which the search finds it."""


@dataclass(frozen=True)
class Section:
    """One bench on the page."""

    anchor: str
    title: str
    question: str
    verdict: str
    summary: Sequence[Paragraph]
    tables: Sequence[Table]
    notes: Sequence[str]
    forest: Picture | None
    pictures: Sequence[Picture]
    run_table: Table
    runs: Sequence[Run]
    environments: Sequence[tuple[str, int]]
    examples: Sequence[Table]


def make_section(bench: Bench, looks: Mapping[str, Look], figures: Path, console: Console) -> Section:
    """Return what the page says about one bench, and write its figures; the console is told what is left out."""
    anchor = slug(bench.grid.name)
    runs = [(cell, result) for cell in bench.cells for result in cell.tried]
    once = {result.spec.run_id: (cell, result) for cell, result in runs}
    pictures = draw_bench(bench, looks, figures)
    forest = next((picture for picture in pictures if picture.name.endswith("-forest")), None)
    return Section(
        anchor=anchor,
        title=bench.grid.name,
        question=bench.grid.experiment.question.strip(),
        verdict=verdict_line(bench),
        summary=summarize(bench),
        tables=[_cell_table(table, bench, looks, anchor) for table in text_tables(bench)],
        notes=bench_notes(bench),
        forest=forest,
        pictures=[picture for picture in pictures if picture is not forest],
        run_table=_run_table(bench, runs, looks, anchor),
        runs=[_run(cell, result, looks[cell.arm], bench, anchor, console) for cell, result in once.values()],
        environments=_environments(bench.results),
        examples=example_tables(bench, looks, console),
    )


def _cell_table(table: TextTable, bench: Bench, looks: Mapping[str, Look], anchor: str) -> Table:
    """Return a table as `table` prints it; a cell's score and n lead to its runs."""
    known = {(line_label(bench, cell), cell.arm): cell for cell in bench.cells if cell.runs}
    rows = []
    for line in table.lines:
        found = dict(zip(table.header, line, strict=True))
        if "arm" not in found:
            rows.append(Row("", tuple(found.values())))
            continue
        arm, task = found["arm"].text, found["task"].text if "task" in found else ""
        if task in bench.tasks:  # a table that names its tasks without their daggers
            task = next((line_label(bench, cell) for cell in bench.of_task(task) if cell.runs), task_label(bench, task))
            found["task"] = Entry(task)
        cell = known.get((task, arm))
        if cell is not None:
            for name in {"accuracy %", "score", "n"} & found.keys():
                found[name] = replace(found[name], link=f"#{anchor}-runs", search=_find(cell.task, cell.arm))
        css_class = _classes(bench, cell, looks) if cell else looks[arm].css_class if arm in looks else ""
        rows.append(Row(css_class, tuple(found.values())))
    return Table(table.title, tuple(table.header), tuple(rows))


def _classes(bench: Bench, cell: Cell, looks: Mapping[str, Look]) -> str:
    """Return the classes by which the page hides what belongs to a cell."""
    return f"{looks[cell.arm].css_class} {task_class(bench.tasks.index(cell.task))}"


def _find(task: str, arm: str, result: RunResult | None = None) -> str:
    """Return the words by which the search finds a cell's runs, or those of one run."""
    words = {"task": task, "arm": arm}
    if result is not None:
        words |= {"seed": f"{result.spec.seed}", "rate": f"{result.spec.learning_rate:g}", "status": result.status}
        words |= {"run": result.spec.run_id}
    return " ".join(f"{name}:{'_'.join(value.split())}" for name, value in words.items())


def _run_table(bench: Bench, runs: Sequence[tuple[Cell, RunResult]], looks: Mapping[str, Look], anchor: str) -> Table:
    mixed = any(cell.metric != "accuracy" for cell, _ in runs)
    columns = ("run", "task", "arm", "seed", "rate", "status", "test %", "validation %", "best step", "seconds")
    rows = []
    for cell, r in runs:
        link = Entry(r.spec.run_id.rpartition("_")[2], link=f"#{anchor}-{slug(r.spec.run_id)}")
        entries = (
            link,
            Entry(cell_label(cell)),
            Entry(cell.arm),
            Entry(str(r.spec.seed), r.spec.seed),
            Entry(f"{r.spec.learning_rate:g}", r.spec.learning_rate),
            Entry(r.status),
            Entry(_score(cell, r.test_score, mixed), r.test_score),
            Entry(_score(cell, r.validation_score, mixed), r.validation_score),
            Entry("" if r.best_step is None else str(r.best_step), r.best_step),
            Entry(f"{r.seconds:.0f}", r.seconds),
        )
        rows.append(Row(_classes(bench, cell, looks), entries, _find(cell.task, cell.arm, r)))
    return Table("Every run that is over", tuple(head_of(column, mixed) for column in columns), tuple(rows))


def _score(cell: Cell, score: float | None, mixed: bool) -> str:
    return "" if score is None else points(score, "", cell.is_fraction) + unit_of(" %", cell, mixed)


def _run(cell: Cell, result: RunResult, look: Look, bench: Bench, anchor: str, console: Console) -> Run:
    facts = {
        "arm": cell.arm,
        "status": result.status,
        "error": result.error,
        f"test {result.metric}": _by_split(result),
        f"best validation {result.metric}": f"{percent(result.validation_score, result.is_fraction)} "
        f"at step {result.best_step}"
        if result.best_step is not None
        else None,
        f"training {result.metric}": None
        if result.train_score is None
        else percent(result.train_score, result.is_fraction),
        "trained parameters": ", ".join(f"{g} {c.trained:,}" for g, c in result.parameters.items() if c.trained),
        "training time": f"{result.seconds:.1f} s",
        "throughput": f"{result.tokens_per_second:,.0f} tokens a second" if result.tokens_per_second else None,
        "peak memory": f"{result.peak_memory_mb:,.0f} MiB" if result.peak_memory_mb else None,
        **_sources(result),
        "environment": _environment(result),
    }
    return Run(
        anchor=f"{anchor}-{slug(result.spec.run_id)}",
        title=result.spec.run_id,
        css_class=f"{look.css_class} {task_class(bench.tasks.index(cell.task))}",
        command=make_command(result.spec, bench.grid.profile),
        facts=tuple((name, value) for name, value in facts.items() if value),
        spec=tuple((name, _spec_text(value)) for name, value in result.spec.model_dump(mode="json").items()),
        maps=embedded_attention(bench, result, console),
        find=_find(cell.task, cell.arm, result),
    )


def _by_split(result: RunResult) -> str:
    if result.test_score is None:
        return ""
    score = percent(result.test_score, result.is_fraction)
    return f"{score} on {result.test_examples} examples{other_test_sets(result)}"


def _sources(result: RunResult) -> dict[str, str]:
    """Return where data and weights came from, data that are not the published ones under their mark."""
    facts = {}
    if result.data:
        is_other = is_resized(result.spec.task, result.data.kind, result.spec.data_arguments)
        mark = f"{DAGGER} " if result.data.kind == "embedded" else f"{DOUBLE_DAGGER} " if is_other else ""
        facts["data"] = f"{mark}{result.data.kind}: {result.data.source} (SHA-256 {result.data.fingerprint[:16]}…)"
        facts["floor"] = "; ".join(
            f"{name} {percent(value, result.is_fraction)}" for name, value in result.data.trivial.items()
        )
    if result.body:
        words = "; ".join([result.body.source, *result.body.notes, f"executed by {result.body.execution}"])
        facts["body"] = f"{words} (SHA-256 {result.body.fingerprint[:16]}…)"
    return facts


def _environment(result: RunResult) -> str:
    if not result.attempts:
        return "unknown"
    made, mixed = result.attempts[-1], result.mixed()
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    return (
        f"fpt_bench {made.version}, commit {made.commit or 'unknown'}; {versions}; {made.device}, "
        f"threads: {made.threads}; {made.platform}" + (f"; attempts differ in {'; '.join(mixed)}" if mixed else "")
    )


def _environments(results: Sequence[RunResult]) -> list[tuple[str, int]]:
    """Return each environment with the number of runs made in it."""
    counts: dict[str, int] = {}
    for result in results:
        counts[_environment(result)] = counts.get(_environment(result), 0) + 1
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _spec_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items()) or "none"
    return "none" if value is None else str(value)
