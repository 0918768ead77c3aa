"""What is kept in the folders of runs beside their numbers: predictions on a few examples, and attention maps."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from datamodules.metrics import best_of
from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.report.figures.style import Look
from fpt_bench.report.page.parts import Row, Table
from fpt_bench.report.tables import Entry
from fpt_bench.report.words import task_label
from fpt_bench.results.folder import PREDICTIONS_FILE, attention_pictures
from fpt_bench.results.predictions import Prediction, read_predictions, shorten, spell
from fpt_bench.results.regular_files import read_regular, why_unread
from fpt_bench.results.result import RunResult
from fpt_bench.results.result_files import warn_of

_MAX_CLASSES = 60
_PNG = b"\x89PNG\r\n\x1a\n"
_COLUMNS = ("example", "what goes in", "label", "arm", "what it says", "right")


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture that the page carries along."""

    name: str
    alt: str
    png: str
    """In base64."""


def example_tables(bench: Bench, looks: Mapping[str, Look], console: Console) -> list[Table]:
    """Return a table for each task: its first test examples, and what the best run of each arm says to them.

    Best is by validation. A run without kept predictions is left out, as is one whose file is none, which the console
    is told, and a task where no run has any.
    """
    tables = []
    for task in bench.tasks:
        said = [(p, cell) for cell in bench.of_task(task) for p in _of_best_run(bench, cell, console)]
        if said:
            by_example = sorted(said, key=lambda pair: pair[0].example)
            rows = tuple(_row(cell, p, looks) for p, cell in by_example)
            tables.append(
                Table(f"{task_label(bench, task)}: test examples, and the best run of each arm", _COLUMNS, rows)
            )
    return tables


def _of_best_run(bench: Bench, cell: Cell, console: Console) -> tuple[Prediction, ...]:
    runs = [r for r in cell.runs if r.validation_score is not None and r.status == "ok"]
    if bench.folder is None or not runs:
        return ()
    found = best_of({r.spec.run_id: r.validation_score or 0.0 for r in runs}, cell.data.higher_is_better)
    folder = bench.folder / found
    try:
        return read_predictions(folder)
    except (OSError, ValueError) as error:
        warn_of([why_unread(folder / PREDICTIONS_FILE, error)], console)
        return ()


def _row(cell: Cell, p: Prediction, looks: Mapping[str, Look]) -> Row:
    label, said = (shorten(spell(classes), _MAX_CLASSES) for classes in (p.labels, p.predicted))
    entries = (
        Entry(str(p.example), p.example),
        Entry(p.input, None, is_long=True, picture=p.picture),
        Entry(label, None, is_long=True),
        Entry(cell.arm, None),
        Entry(said, None, is_long=True),
        Entry(p.outcome, p.right),
    )
    return Row(looks[cell.arm].css_class, entries)


def embedded_attention(bench: Bench, result: RunResult, console: Console) -> tuple[EmbeddedPicture, ...]:
    """Return the attention maps that were drawn into a run's folder; the console is told which files are none."""
    if bench.folder is None:
        return ()
    alt, pictures = "Attention weights, a panel for each layer and head, of test example", []
    for example, path in attention_pictures(bench.folder / result.spec.run_id).items():
        try:
            png = base64.b64encode(_read_png(path)).decode()
        except (OSError, ValueError) as error:
            warn_of([why_unread(path, error)], console)
            continue
        pictures.append(EmbeddedPicture(path.name, f"{alt} {example}", png))
    return tuple(pictures)


def _read_png(path: Path) -> bytes:
    """Return a picture that lies there itself: a link could lead to any file, and the page carries what it finds."""
    content = read_regular(path, follow=False)
    if not content.startswith(_PNG):
        raise ValueError(f"{path}: expected a PNG, got another file. Remove it, or draw it again.")
    return content
