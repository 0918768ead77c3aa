"""What commands print of a finished run."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fpt_bench.display import percent
from fpt_bench.predictions import Prediction, shorten, spell
from fpt_bench.results import RunResult

SHOWN_LETTERS = 60
"""Letters of a row of classes that fit a line beside the rest."""


def show_result(result: RunResult, folder: Path) -> RenderableType:
    """Say what a run used, how well it did and where it lies, a line each."""
    lines = []
    if result.data is not None:
        lines.append(f"data: {result.data.kind}: {result.data.source}")
    if result.body is not None:
        lines.append(f"body: {'; '.join([result.body.source, *result.body.notes])}")
    trained = ", ".join(f"{group} {count.trained:,}" for group, count in result.parameters.items() if count.trained)
    lines.append(f"trained parameters: {result.trained_parameters():,}: {trained}")
    if result.status == "ok":
        outcome = Text(
            f"test accuracy {percent(result.test_accuracy)} on {result.test_examples} examples "
            f"(floor {percent(result.floor)}), best validation {percent(result.validation_accuracy)} "
            f"at step {result.best_step}, {result.seconds:.0f} s"
        )
    else:
        outcome = Text(result.error or result.status, style="red")
    return Group(*map(Text, lines), outcome, Text(f"folder: {folder}"))


def show_predictions(predictions: Sequence[Prediction]) -> Table:
    """Draw what a model says to test examples: input, labels and what it said, a row each."""
    table = Table("example", "input", "label", "prediction", "right", box=None, pad_edge=False)
    for p in predictions:
        said = (shorten(spell(classes), SHOWN_LETTERS) for classes in (p.labels, p.predicted))
        table.add_row(str(p.example), Text(p.input), *said, f"{p.right} of {len(p.labels)}")
    return table
