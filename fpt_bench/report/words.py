"""How numbers and names are written for people: each way once."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpt_bench.report.metric_words import metric_in_words, significant, with_half_width

if TYPE_CHECKING:
    from fpt_bench.analysis.benches import Bench
    from fpt_bench.analysis.cells import Cell
    from fpt_bench.analysis.judge import Word
    from fpt_bench.analysis.statistics import Estimate
    from fpt_bench.config.spec import RunSpec
    from fpt_bench.results.result import RunResult

DAGGER = "†"
"""Marks embedded data, small stand-ins."""
DOUBLE_DAGGER = "‡"
"""Marks a task's own data in other sizes than the published ones."""
SAID_OF_OPPONENT: dict["Word", str] = {
    "better": "better than {0}",
    "worse": "worse than {0}",
    "same": "as good as {0}",
    "open": "open",
}
"""How the judge's words are said of an arm beside the one that it is compared with."""


def percent(score: float | None, is_fraction: bool = True) -> str:
    """Write a score with its unit: a fraction as percent, another with three digits; a dash where there is none.

    Example:
        >>> percent(0.975), percent(None), percent(0.97512, is_fraction=False)
        ('97.5 %', '-', '0.975')
    """
    if score is None:
        return "-"
    return f"{100 * score:.1f} %" if is_fraction else significant(score)


def points(value: float | None, sign: str = "", is_fraction: bool = True) -> str:
    """Write a fraction in percent or percentage points, without a unit, or another score; nothing where there is none.

    Example:
        >>> points(0.975), points(0.02, "+"), points(None), points(1.2345, is_fraction=False)
        ('97.5', '+2.0', '', '1.23')
    """
    if value is None:
        return ""
    return f"{100 * value:{sign}.1f}" if is_fraction else significant(value, sign)


def spacing(spec: "RunSpec") -> str:
    """Say how many steps lie between validations.

    Example:
        >>> from fpt_bench.config.spec import RunSpec
        >>> spacing(RunSpec(task="mnist")), spacing(RunSpec(task="mnist", eval_growth=0.1))
        ('50', '50, later up to 10 % of the steps so far')
    """
    return f"{spec.eval_every}" + (
        f", later up to {100 * spec.eval_growth:g} % of the steps so far" if spec.eval_growth else ""
    )


def plus_minus(estimate: "Estimate", sign: str = "", is_fraction: bool = True) -> str:
    """Write a fraction in percent, or another score, with the half-width of its interval, where there is one: seeds
    that are all alike, as at a ceiling, have none.

    Example:
        >>> from fpt_bench.analysis.statistics import Estimate
        >>> plus_minus(Estimate(0.971, 0.0, 0.967, 0.975, 3)), plus_minus(Estimate(1.0, 0.0, 1.0, 1.0, 3))
        ('97.1 ± 0.4', '100.0')
    """
    if not is_fraction:
        return with_half_width(estimate, sign)
    width = f" ± {100 * estimate.half_width:.1f}" if math.isfinite(estimate.low) and estimate.has_width else ""
    return f"{points(estimate.mean, sign)}{width}"


def cell_score(cell: "Cell") -> str:
    """Write a cell's score: mean and interval, or, of seeds in two groups, the mean and how many are in the better."""
    assert cell.accuracy is not None
    groups = "" if cell.learned is None else f" ({cell.learned} of {cell.n} learned)"
    return plus_minus(cell.accuracy, is_fraction=cell.is_fraction) + groups


def cell_delta(cell: "Cell") -> str:
    """Write a cell's difference to the baseline arm; of seeds in two groups without an interval."""
    return "" if cell.delta is None else plus_minus(cell.delta.estimate, "+", cell.is_fraction)


def p_value(p: float | None) -> str:
    """Write a p-value.

    Example:
        >>> p_value(0.0312), p_value(0.00004), p_value(None)
        ('.031', '<.001', '')
    """
    if p is None:
        return ""
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0")


def steps(count: float, max_steps: int) -> str:
    """Write optimizer steps to a target, or that it was not reached.

    Example:
        >>> steps(60.0, 400), steps(math.inf, 400)
        ('60', '>400')
    """
    return f"{count:.0f}" if math.isfinite(count) else f">{max_steps}"


def times(estimate: "Estimate") -> str:
    """Write a ratio with its interval, where that is finite.

    Example:
        >>> from fpt_bench.analysis.statistics import Estimate
        >>> times(Estimate(9.25, math.nan, 6.12, 17.0, 3)), times(Estimate(2.0, math.nan, -math.inf, math.inf, 1))
        ('9.2x (6.1 to 17)', '2.0x')
    """
    ends = [f"{end:.0f}" if end >= 9.95 else f"{end:.1f}" for end in (estimate.low, estimate.high)]
    return f"{estimate.mean:.1f}x" + (f" ({' to '.join(ends)})" if math.isfinite(estimate.high) else "")


def cell_label(cell: "Cell") -> str:
    """Write a cell's task, with the mark of its data, and its metric where that is not accuracy."""
    metric = "" if cell.metric == "accuracy" else f" ({metric_in_words(cell)})"
    return f"{cell.task}{mark_of(cell)}{metric}"


def mark_of(cell: "Cell") -> str:
    """Return a dagger for embedded data, a double dagger for other sizes than the published, else nothing."""
    return DAGGER if cell.is_embedded else DOUBLE_DAGGER if cell.is_resized else ""


def other_test_sets(result: "RunResult") -> str:
    """Write the scores on the test sets beside the headline's.

    Example:
        >>> from types import SimpleNamespace
        >>> other_test_sets(SimpleNamespace(other_scores={"test-nested": 0.25}, is_fraction=True))
        '; test-nested 25.0 %'
    """
    others = result.other_scores.items()
    return "".join(f"; {split} {percent(score, result.is_fraction)}" for split, score in others)


def line_label(bench: "Bench", cell: "Cell") -> str:
    """Write a cell's task as a line of a table says it: with its metric where not all tasks have the same."""
    label = cell_label(cell)
    return f"{label} (accuracy)" if bench.is_mixed and cell.runs and cell.metric == "accuracy" else label


def task_label(bench: "Bench", task: str) -> str:
    """Write a task's name, with the mark that any of its cells has, and its metric, as `cell_label` does."""
    return max((cell_label(cell) for cell in bench.of_task(task)), key=len, default=task)


def panel_label(bench: "Bench", task: str) -> str:
    """Write a task's name over a panel of its own: with metric and unit where not all panels have the same."""
    cell = next((cell for cell in bench.of_task(task) if cell.runs), None)
    if cell is None or not bench.is_mixed:
        return task_label(bench, task)
    label = line_label(bench, cell)
    return label.removesuffix(")") + ", %)" if cell.is_fraction else label


def tasks_by_word(cells: "Sequence[Cell]") -> dict["Word", list[str]]:
    """Return the tasks of cells by the judge's word on them: better, worse, same, open."""
    words = {word: [cell.task for cell in cells if cell.delta and cell.delta.word == word] for word in SAID_OF_OPPONENT}
    return {word: tasks for word, tasks in words.items() if tasks}


def opponent_in_words(bench: "Bench") -> str:
    """Write what arms are compared with: the baseline, or that some have their own."""
    return "its own baseline" if bench.own_opponents else bench.baseline


def listed(words: Sequence[str]) -> str:
    """Join words as a sentence does.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))
