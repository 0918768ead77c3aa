"""`examples`: what a run's model says to test examples."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fpt_bench.commands.console import out
from fpt_bench.commands.options import DataRoot, FinishedRun, Offline, Trust
from fpt_bench.results.folder import runs_with
from fpt_bench.results.result_files import read_run
from fpt_bench.results.workspace import Workspace

if TYPE_CHECKING:
    from fpt_bench.results.predictions import Prediction

SHOWN_LETTERS = 60
"""Letters of a row of classes that fit a line beside the rest."""


def examples(run: FinishedRun, data_root: DataRoot = None, offline: Offline = False, trust: Trust = False) -> None:
    """Show what a run's model says to the first test examples, and keep it for the report."""
    from fpt_bench.results.predictions import write_predictions
    from fpt_bench.training.predict import predict
    from fpt_bench.training.replay import restore

    module, datamodule = restore(read_run(run), Workspace(runs_with(run), data_root, offline), trust)
    predictions = predict(module, datamodule, datamodule)
    out.print(show_predictions(predictions))
    write_predictions(predictions, run)


def show_predictions(predictions: "Sequence[Prediction]") -> Table:
    """Draw what a model says to test examples: input, labels and what it said, a row each."""
    from fpt_bench.results.predictions import shorten, spell

    table = Table("example", "input", "label", "prediction", "right", box=None, pad_edge=False)
    for p in predictions:
        said = (shorten(spell(classes), SHOWN_LETTERS) for classes in (p.labels, p.predicted))
        table.add_row(str(p.example), Text(p.input), *said, p.outcome)
    return table
