"""The README's answer, from a kept bench: a sentence of the judge's verdicts, and one small table.

    python -m fpt_bench.report.front_page docs/results headline-embedded README.md

rewrites what stands between the README's two marks.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from fpt_bench.analysis.cells import Bench, Cell
from fpt_bench.analysis.judge import Word
from fpt_bench.report.escapes import for_markdown_cell
from fpt_bench.report.words import cell_label, cell_score, listed, points
from fpt_bench.results.folder import collect_results, find_grids, read_grid

BEGIN = "<!-- written by fpt_bench.report.front_page from here on -->\n"
END = "<!-- to here -->\n"


def answer(bench: Bench) -> str:
    """Return what a bench answers: a sentence an arm of which tasks it is better, worse, the same or open on.

    Raises:
        ValueError: an arm lacks runs on a task, so that the sentence would be of another bench.
    """
    missing = [f"{cell.task} {cell.arm}" for cell in bench.cells if not cell.runs]
    if missing:
        raise ValueError(f"expected a score in every cell, found none in {listed(missing)}: run the bench to its end")
    sentences = [_of_arm(bench, arm, other) for arm in bench.arms if (other := bench.opponent(arm)) is not None]
    fewest, most = min(cell.n for cell in bench.cells), max(cell.n for cell in bench.cells)
    seeds = f"{fewest} seeds" if fewest == most else f"{fewest} to {most} seeds"
    tasks = f"{len(bench.tasks)} task{'s' if len(bench.tasks) > 1 else ''}"
    return f"**Judged over {seeds} of {tasks}:** {' '.join(sentences)}"


def _of_arm(bench: Bench, arm: str, other: str) -> str:
    """Return the sentence of an arm: its tasks by the judge's word."""
    cells = [cell for cell in bench.cells if cell.arm == arm and cell.delta is not None]
    by_word = {word: [c.task for c in cells if c.delta and c.delta.word == word] for word in get_args(Word)}
    than = {"same": "the same as", "open": "not told apart from (*open*)"}
    parts = [
        f"{than.get(word, f'*{word}* than')} `{other}` on {listed(tasks)}" for word, tasks in by_word.items() if tasks
    ]
    return f"`{arm}`{_kept(cells)} is {'; '.join(parts)}."


def _kept(cells: Sequence[Cell]) -> str:
    """Write how much of the pretrained weights an arm holds; nothing where its runs do not say.

    Example:
        >>> from types import SimpleNamespace
        >>> _kept([SimpleNamespace(bytes_kept=43_379_712)]), _kept([SimpleNamespace(bytes_kept=0)])
        (' (43.4 MB of pretrained numbers)', ' (no pretrained number)')
    """
    known = [cell.bytes_kept for cell in cells if cell.bytes_kept is not None]
    if not known:
        return ""
    return f" ({max(known) / 1e6:.1f} MB of pretrained numbers)" if max(known) else " (no pretrained number)"


def scores(bench: Bench) -> str:
    """Return a table in Markdown: tasks down, arms across with score and verdict, then what needs no body."""
    lines = [f"| task | {' | '.join(f'`{arm}`' for arm in bench.arms)} | best rule | best simple learner |"]
    lines.append("|---" * (len(bench.arms) + 3) + "|")
    for task in bench.tasks:
        cells = bench.of_task(task)
        first = cells[0]
        rules = [points(first.floor, "", first.is_fraction), _learner(first)]
        fields = [cell_label(first), *(_score(cell) for cell in cells), *rules]
        lines.append(f"| {' | '.join(map(for_markdown_cell, fields))} |")
    return "\n".join(lines)


def _score(cell: Cell) -> str:
    return cell_score(cell) + ("" if cell.delta is None else f", {cell.delta.word}")


def _learner(cell: Cell) -> str:
    """Write the best simple learner's score on a cell's data, from as many examples."""
    reached = list(cell.simple.learners.values()) if cell.simple else []
    best = (max if cell.higher_is_better else min)(reached, default=None)
    return points(best, "", cell.is_fraction)


def rewrite(page: Path, bench: Bench) -> None:
    """Write answer and table between a page's two marks.

    Raises:
        ValueError: the page has not both marks.
    """
    head, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: expected the lines {BEGIN.strip()!r} and {END.strip()!r}, found not both")
    page.write_text(f"{head}{BEGIN}\n{block(bench)}\n{END}{tail}", encoding="utf-8")


def block(bench: Bench) -> str:
    """Return what stands between the marks."""
    return f"{answer(bench)}\n\n{scores(bench)}\n"


def kept_bench(results: Path, name: str) -> Bench:
    """Return a bench that is kept in a folder of results, by its name."""
    found, _ = collect_results(results)
    return Bench.of(next(grid for grid in map(read_grid, find_grids(results)) if grid.name == name), found)


if __name__ == "__main__":
    rewrite(Path(sys.argv[3]), kept_bench(Path(sys.argv[1]), sys.argv[2]))
