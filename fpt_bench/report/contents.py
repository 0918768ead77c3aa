"""What the page says, as plain values: its templates only place them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fpt_bench.notes import table_notes
from fpt_bench.render import Shown, show_tables
from fpt_bench.report.commands import make_command
from fpt_bench.report.examples import EmbeddedPicture, attention_pictures, example_tables
from fpt_bench.report.figures import Picture, draw_bench
from fpt_bench.report.parts import Entry, Row, Table, order_of
from fpt_bench.report.reading import Bench
from fpt_bench.report.style import Look, slug
from fpt_bench.report.summary import Finding, summarize
from fpt_bench.results import RunResult


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


@dataclass(frozen=True)
class Section:
    """One bench on the page."""

    anchor: str
    title: str
    claim: str
    summary: Sequence[Finding]
    tables: Sequence[Table]
    notes: Sequence[str]
    pictures: Sequence[Picture]
    run_table: Table
    runs: Sequence[Run]
    environments: Sequence[tuple[str, int]]
    examples: Sequence[Table]


def make_section(bench: Bench, looks: Mapping[str, Look], figures: Path) -> Section:
    """Give what the page says about one bench, and write its figures."""
    anchor = slug(bench.grid.name)
    runs = [(cell.arm, cell.label, result) for cell in bench.cells for result in cell.tried]
    once = {result.spec.run_id: (arm, label, result) for arm, label, result in runs}
    return Section(
        anchor=anchor,
        title=bench.grid.name,
        claim=bench.grid.experiment.claim.strip(),
        summary=summarize(bench),
        tables=[
            _cell_table(shown, bench, looks, anchor)
            for shown in show_tables(bench.frame, bench.grid, bench.rates, bench.overall)
        ],
        notes=table_notes(bench.frame, bench.grid, bench.rates, bench.overall),
        pictures=draw_bench(bench, looks, figures),
        run_table=_run_table(runs, looks, anchor),
        runs=[_run(arm, r, looks[arm], bench, anchor) for arm, _, r in once.values()],
        environments=_environments(bench.results),
        examples=example_tables(bench, looks),
    )


def _cell_table(shown: Shown, bench: Bench, looks: Mapping[str, Look], anchor: str) -> Table:
    """Give a table as `table` prints it; a cell's n leads to the first of its runs."""
    first = {(cell.label, cell.arm): cell.runs[0].spec.run_id for cell in bench.cells if cell.runs}
    rows = []
    for line in shown.lines:
        texts = dict(zip(shown.header, line, strict=True))
        if texts.get("task") in bench.tasks:  # a table that names its tasks without their daggers
            texts["task"] = bench.label(texts["task"])
        run_id = first.get((texts.get("task", ""), texts["arm"]))
        links = {"n": f"#{anchor}-{slug(run_id)}"} if run_id else {}
        entries = tuple(Entry(text, order_of(text), links.get(name)) for name, text in texts.items())
        rows.append(Row(looks[texts["arm"]].css_class, entries))
    return Table(shown.title, tuple(shown.header), tuple(rows))


def _run_table(runs: Sequence[tuple[str, str, RunResult]], looks: Mapping[str, Look], anchor: str) -> Table:
    columns = ("run", "task", "arm", "seed", "rate", "status", "test %", "validation %", "best step", "seconds")
    rows = []
    for arm, label, r in runs:
        texts = (
            label, arm, str(r.spec.seed), f"{r.spec.learning_rate:g}", r.status, _percent(r.test_accuracy),
            _percent(r.validation_accuracy), "" if r.best_step is None else str(r.best_step), f"{r.seconds:.0f}",
        )  # fmt: skip
        link = Entry(r.spec.run_id.rpartition("_")[2], None, f"#{anchor}-{slug(r.spec.run_id)}")
        rows.append(Row(looks[arm].css_class, (link, *(Entry(text, order_of(text)) for text in texts))))
    return Table("Every run that is over", columns, tuple(rows))


def _run(arm: str, result: RunResult, look: Look, bench: Bench, anchor: str) -> Run:
    facts = {
        "arm": arm,
        "status": result.status,
        "error": result.error,
        "test accuracy": _by_split(result),
        "best validation accuracy": f"{_percent(result.validation_accuracy)} % at step {result.best_step}"
        if result.best_step is not None
        else None,
        "training accuracy": _percent(result.train_accuracy, " %"),
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
        css_class=look.css_class,
        command=make_command(result.spec, bench.grid.profile),
        facts=tuple((name, value) for name, value in facts.items() if value),
        spec=tuple((name, _spec_text(value)) for name, value in result.spec.model_dump(mode="json").items()),
        maps=attention_pictures(bench, result),
    )


def _by_split(result: RunResult) -> str:
    if result.test_accuracy is None:
        return ""
    rest = {split: value for split, value in result.test_accuracies.items() if value != result.test_accuracy}
    others = "".join(f"; {split} {_percent(value)} %" for split, value in rest.items())
    return f"{_percent(result.test_accuracy)} % on {result.test_examples} examples{others}"


def _sources(result: RunResult) -> dict[str, str]:
    """Give where data and weights came from, embedded data under their dagger."""
    facts = {}
    if result.data:
        dagger = "† " if result.data.kind == "embedded" else ""
        facts["data"] = f"{dagger}{result.data.kind}: {result.data.source} (SHA-256 {result.data.fingerprint[:16]}…)"
        facts["floor"] = "; ".join(f"{name} {_percent(value)} %" for name, value in result.data.trivial.items())
    if result.body:
        words = "; ".join([result.body.source, *result.body.notes, f"executed by {result.body.execution}"])
        facts["body"] = f"{words} (SHA-256 {result.body.fingerprint[:16]}…)"
    return facts


def _environment(result: RunResult) -> str:
    made = result.provenance
    if made is None:
        return "unknown"
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    return (
        f"fpt_bench {made.version}, commit {made.commit or 'unknown'}; {versions}; {made.device}, "
        f"threads: {made.threads}; {made.platform}"
    )


def _environments(results: Sequence[RunResult]) -> list[tuple[str, int]]:
    """Give each environment with the number of runs made in it."""
    counts: dict[str, int] = {}
    for result in results:
        counts[_environment(result)] = counts.get(_environment(result), 0) + 1
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _percent(value: float | None, unit: str = "") -> str:
    return "" if value is None else f"{100 * value:.1f}{unit}"


def _spec_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items()) or "none"
    return "none" if value is None else str(value)
