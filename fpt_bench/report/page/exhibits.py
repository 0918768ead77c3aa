"""What is kept in the folders of runs beside their numbers: predictions on a few examples, and attention maps."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from fpt_bench.analysis.cells import Bench, Cell
from fpt_bench.report.figures.style import Look
from fpt_bench.report.page.parts import Row, Table
from fpt_bench.report.tables import Entry
from fpt_bench.report.words import task_label
from fpt_bench.results.folder import attention_pictures
from fpt_bench.results.predictions import Prediction, read_predictions, shorten, spell
from fpt_bench.results.result import RunResult

_MAX_CLASSES = 60
_COLUMNS = ("example", "what goes in", "label", "arm", "what it says", "right")


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture that the page carries along."""

    name: str
    alt: str
    png: str
    """In base64."""


def example_tables(bench: Bench, looks: Mapping[str, Look]) -> list[Table]:
    """Return a table for each task: its first test examples, and what the best run of each arm says to them.

    Best is by validation. A run without kept predictions is left out, and so is a task where no run has any.

    Raises:
        ValueError: a file of predictions that is none.
    """
    tables = []
    for task in bench.tasks:
        said = [(p, cell) for cell in bench.of_task(task) for p in _of_best_run(bench, cell)]
        if said:
            by_example = sorted(said, key=lambda pair: pair[0].example)
            rows = tuple(_row(cell, p, looks) for p, cell in by_example)
            tables.append(
                Table(f"{task_label(bench, task)}: test examples, and the best run of each arm", _COLUMNS, rows)
            )
    return tables


def _of_best_run(bench: Bench, cell: Cell) -> tuple[Prediction, ...]:
    runs = [r for r in cell.runs if r.validation_accuracy is not None and r.status == "ok"]
    if bench.folder is None or not runs:
        return ()
    best = max(runs, key=lambda r: r.validation_accuracy or 0.0)
    return read_predictions(bench.folder / best.spec.run_id)


def _row(cell: Cell, p: Prediction, looks: Mapping[str, Look]) -> Row:
    label, said = (shorten(spell(classes), _MAX_CLASSES) for classes in (p.labels, p.predicted))
    entries = (
        Entry(str(p.example), p.example),
        Entry(p.input, None, is_long=True, picture=p.picture),
        Entry(label, None, is_long=True),
        Entry(cell.arm, None),
        Entry(said, None, is_long=True),
        Entry(f"{p.right} of {len(p.labels)}", p.right),
    )
    return Row(looks[cell.arm].css_class, entries)


def embedded_attention(bench: Bench, result: RunResult) -> tuple[EmbeddedPicture, ...]:
    """Return the attention maps that were drawn into a run's folder."""
    if bench.folder is None:
        return ()
    paths = attention_pictures(bench.folder / result.spec.run_id)
    alt = "Attention weights, a panel for each layer and head, of test example"
    return tuple(
        EmbeddedPicture(path.name, f"{alt} {example}", base64.b64encode(path.read_bytes()).decode())
        for example, path in paths.items()
    )
