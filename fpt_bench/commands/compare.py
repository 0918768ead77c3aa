"""`compare`: do two runs answer the same test examples differently?"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fpt_bench.commands.console import out
from fpt_bench.commands.options import FinishedRun
from fpt_bench.results.result_files import read_run

if TYPE_CHECKING:
    from fpt_bench.results.predictions import Answers


def compare(first: FinishedRun, second: FinishedRun) -> None:
    """Compare what two runs say to one test set, example by example: McNemar's exact test.

    It is about these two models on this test set. What other seeds would do it does not say: `judge` does.
    """
    from fpt_bench.analysis.paired_answers import compare_answers

    runs = [(folder, read_run(folder)) for folder in (first, second)]
    kept = [_answers(folder) for folder, _ in runs]
    a, b = (result.data for _, result in runs)
    mine, other = (answers.labels for answers in kept)
    same_labels = mine.shape == other.shape and np.array_equal(mine, other, equal_nan=True)
    if (a and a.fingerprint) != (b and b.fingerprint) or not same_labels:
        raise ValueError(
            f"expected two runs of one test set, got {runs[0][1].spec.run_id} and {runs[1][1].spec.run_id}"
        )
    found = compare_answers(*(_merits(answers) for answers in kept))
    for name, (_, result), better in zip("AB", runs, (found.first_better, found.second_better), strict=True):
        out.print(
            f"{name}  {result.spec.run_id}: {result.metric} {result.test_score:.4g}, better on {better} examples",
            soft_wrap=True,
        )
    out.print(
        f"alike on {found.alike} of {found.examples} examples; p {found.p:.3g} (McNemar, exact, two-sided)",
        soft_wrap=True,
    )


def _answers(folder: Path) -> "Answers":
    from fpt_bench.results.predictions import read_answers

    answers = read_answers(folder)
    if answers is None:
        raise FileNotFoundError(f"{folder}: expected what the run says to its test set, found none; run it again")
    return answers


def _merits(answers: "Answers") -> NDArray[np.float64]:
    """Return how many labels of each example are said, or how near its numbers are, (N,)."""
    if answers.confidence is None:
        return np.asarray(-np.nansum(np.abs(answers.labels - answers.said), axis=1), dtype=np.float64)
    from datamodules.metrics import IGNORED

    there = answers.labels != IGNORED
    return np.asarray(((answers.labels == answers.said) & there).sum(axis=1), dtype=np.float64)
