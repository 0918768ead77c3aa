"""The README's answer and pictures, from kept benches: a sentence of the judge's verdicts, a small table, and figures.

    python -m fpt_bench.report.front_page docs/results/headline headline-embedded --page README.md \\
        --figure forest --picture docs/pictures/headline-forest.png
    python -m fpt_bench.report.front_page docs/results ladder-embedded \\
        --figure bytes --picture docs/pictures/ladder-bytes.png
    python -m fpt_bench.report.front_page docs/results lasting-settled \\
        --figure curves --picture docs/pictures/lasting-curves.png

rewrite what stands between the page's marks, and draw a picture.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.docket import judge_claim
from fpt_bench.names import require_known
from fpt_bench.report.escapes import for_markdown_cell
from fpt_bench.report.figures.bytes_of_language import draw_bytes
from fpt_bench.report.figures.draw import house_style
from fpt_bench.report.figures.forest import draw_forest
from fpt_bench.report.figures.panels import draw_curves
from fpt_bench.report.figures.style import Drawing, make_looks, save_png, settle
from fpt_bench.report.words import (
    DAGGER,
    DOUBLE_DAGGER,
    SAID_OF_OPPONENT,
    cell_label,
    cell_score,
    listed,
    points,
    tasks_by_word,
)
from fpt_bench.results.grids import find_grids, read_grid
from fpt_bench.results.result_files import collect_results

BEGIN = "<!-- {} by fpt_bench.report.front_page, from here -->\n"
END = "<!-- to here -->\n"


def finished_tasks(bench: Bench) -> list[str]:
    """Return the tasks of which every run of every arm has a score."""
    return [task for task in bench.tasks if all(cell.scored == cell.expected for cell in bench.of_task(task))]


def answer(bench: Bench) -> str:
    """Return what a bench answers: a sentence an arm of which tasks it is better, worse, as good or open on.

    Tasks that are not finished are named, and nothing is said of them.

    Raises:
        ValueError: none is finished.
    """
    tasks = finished_tasks(bench)
    if not tasks:
        raise ValueError(f"{bench.grid.name}: expected a task of which all runs are over, found none: run the bench")
    cells = [cell for cell in bench.cells if cell.task in tasks]
    sentences = [_of_arm(arm, other, cells) for arm in bench.arms if (other := bench.opponent(arm)) is not None]
    fewest, most = min(cell.n for cell in cells), max(cell.n for cell in cells)
    seeds = f"{fewest} seeds" if fewest == most else f"{fewest} to {most} seeds"
    of = f"{len(tasks)} task{'s' if len(tasks) > 1 else ''}"
    rest = [task for task in bench.tasks if task not in tasks]
    sentences += [f"Not over yet: {listed(rest)}."] if rest else []
    return f"**Judged over {seeds} of {of}:** {' '.join((*sentences, *_of_claims(bench)))}"


def _of_claims(bench: Bench) -> list[str]:
    """Return what has become of the bench's claims: those that are settled in words, the others counted."""
    judged = [judge_claim(claim, bench) for claim in bench.grid.experiment.claims]
    settled = [f"“{each.claim.sentence}” is *{each.outcome}*" for each in judged if each.outcome != "open"]
    if not judged:
        return []
    still = f"{len(judged) - len(settled)} of the {len(judged)} claims about this bench are open"
    return [f"{'; '.join((*settled, still))}."]


def _of_arm(arm: str, other: str, cells: Sequence[Cell]) -> str:
    """Return the sentence of an arm: its tasks by the judge's word."""
    own = [cell for cell in cells if cell.arm == arm]
    said = {**SAID_OF_OPPONENT, "open": "open beside {0}"}
    parts = [
        f"*{said[word].format(f'`{other}`')}* on {f'all {len(own)}' if len(names) == len(own) > 1 else listed(names)}"
        for word, names in tasks_by_word(own).items()
    ]
    return f"`{arm}`{_kept(own)} is {'; '.join(parts)}."


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
    """Return a table in Markdown of the finished tasks: arms across with score and verdict, then what needs no body."""
    lines = [f"| task | {' | '.join(f'`{arm}`' for arm in bench.arms)} | best rule | best simple learner |"]
    lines.append("|---" * (len(bench.arms) + 3) + "|")
    for task in finished_tasks(bench):
        cells, record = bench.of_task(task), bench.simple_of(task)
        first = cells[0]
        learner = None if record is None or record.best_learner is None else record.learners[record.best_learner]
        bodiless = (points(score, "", first.is_fraction) for score in (first.floor, learner))
        fields = [cell_label(first), *map(_score, cells), *bodiless]
        lines.append(f"| {' | '.join(map(for_markdown_cell, fields))} |")
    return "\n".join(lines)


def _score(cell: Cell) -> str:
    return cell_score(cell) + ("" if cell.delta is None else f", {cell.delta.word}")


def blocks(bench: Bench) -> dict[str, str]:
    """Return what stands on the page, by what its first mark calls it, with both marks."""
    legend = (
        "Test accuracy in %, mean over seeds ± half-width of Student's 95 % interval, and the judge's word on the "
        f"difference. {DAGGER}: small embedded data; {DOUBLE_DAGGER}: other sizes than published."
    )
    written = {"answered": answer(bench), "tabulated": f"{scores(bench)}\n\n{legend}"}
    return {name: f"{BEGIN.format(name)}\n{text}\n\n{END}" for name, text in written.items()}


def rewrite(page: Path, bench: Bench) -> None:
    """Write answer and table between a page's marks.

    Raises:
        ValueError: the page has not all marks.
    """
    text = page.read_text(encoding="utf-8")
    for name, block in blocks(bench).items():
        head, begin, rest = text.partition(BEGIN.format(name))
        _, end, tail = rest.partition(END)
        if not begin or not end:
            raise ValueError(
                f"{page}: expected the lines {BEGIN.format(name).strip()!r} and {END.strip()!r}, found not both"
            )
        text = f"{head}{block}{tail}"
    page.write_text(text, encoding="utf-8")


FIGURES = {"forest": draw_forest, "bytes": draw_bytes, "curves": draw_curves}
"""What can be drawn: each arm's difference on each task; share of language's gain by bytes; validation by steps."""


def figure(bench: Bench, name: str) -> Drawing:
    """Return a figure of FIGURES, of the tasks that are finished.

    Raises:
        ValueError: the bench has not the runs that it shows.
    """
    tasks = finished_tasks(bench)
    done = replace(bench, cells=tuple(cell for cell in bench.cells if cell.task in tasks))
    with house_style():
        drawing = FIGURES[name](done, make_looks(bench.arms))
    if drawing is None:
        raise ValueError(f"{bench.grid.name}: expected runs of arms that {name} compares, found none: run the bench")
    return drawing


def draw(bench: Bench, name: str, picture: Path) -> None:
    """Draw a figure, a PNG that holds its description."""
    drawing = figure(bench, name)
    with house_style():
        save_png(drawing, picture, settle(drawing.figure))


def kept_bench(results: Path, name: str) -> Bench:
    """Return a bench that is kept in a folder of results, by its name.

    Raises:
        ValueError: there is none of that name, or a result that cannot be read.
    """
    grids = {grid.name: grid for grid in map(read_grid, find_grids(results))}
    require_known(f"bench in {results}", name, grids)
    found, problems = collect_results(results)
    if problems:
        raise ValueError(" ".join(problems))
    return Bench.of(grids[name], found)


def main() -> None:
    """Rewrite a page, draw a picture, or both."""
    parser = argparse.ArgumentParser(prog="python -m fpt_bench.report.front_page")
    parser.add_argument("results", type=Path, help="folder of kept results")
    parser.add_argument("bench", help="name of a bench there")
    parser.add_argument("--page", type=Path, help="page with marks, for the answer and the table")
    parser.add_argument("--figure", choices=FIGURES, default="forest", help="what is drawn")
    parser.add_argument("--picture", type=Path, help="PNG file of the figure")
    given = parser.parse_args()
    if not (given.page or given.picture):
        parser.error("expected --page or --picture, got neither: there is nothing to write")
    kept = kept_bench(given.results, given.bench)
    if given.page:
        rewrite(given.page, kept)
    if given.picture:
        draw(kept, given.figure, given.picture)


if __name__ == "__main__":
    main()
