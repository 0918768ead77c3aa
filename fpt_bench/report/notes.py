"""What is said below a table: what its columns mean, what the data are and what to be careful with."""

from collections.abc import Iterable, Sequence

from fpt_bench.analysis.cells import Bench, Cell
from fpt_bench.analysis.sweep import HOPELESS, RISING
from fpt_bench.report.metric_words import worded
from fpt_bench.report.words import DAGGER, percent

LOW_N = 6
"""Below this many seeds a cell is marked: its interval rests on very few runs."""


def bench_notes(bench: Bench) -> list[str]:
    """Return the notes of a bench's page of tables, a sentence or a few each."""
    cells = [cell for cell in bench.cells if cell.runs]
    notes = [
        "Accuracy: on the whole test set, read once, at the first best validation; mean over n seeds ± half-width of "
        "Student's 95 % interval.",
        f"Δ: difference to the arm `{bench.baseline}` in percentage points, paired by seed where both arms "
        "share examples, order and input layer, else Welch.",
    ]
    if any(cell.train_test_gap is not None for cell in cells):
        notes.append("train - test: accuracy on training examples, without dropout, minus test accuracy, in pp.")
    if any(cell.published is not None for cell in cells):
        notes.append("Published figures are the papers', for information: they are no part of any comparison or check.")
    notes += _convergence_notes(cells)
    notes += _rate_notes(cells, bench)
    notes += _overall_notes(bench)
    notes = [worded(note, bench.is_mixed) for note in notes]
    notes += _data_notes(cells)
    notes += _version_notes(cells)
    notes += _completeness_notes(cells, bench)
    return notes


def _convergence_notes(cells: Sequence[Cell]) -> list[str]:
    known = {cell.task: (cell, cell.convergence) for cell in cells if cell.convergence is not None}
    if not known:
        return []
    where = ", ".join(f"{task} {percent(found.converged, cell.is_fraction)}" for task, (cell, found) in known.items())
    resolution = ", ".join(f"{task} {cell.first.spec.eval_every}" for task, (cell, _) in known.items())
    return [
        "Steps to target: median over seeds of the first validated optimizer step at nine tenths of the way from "
        f"floor to target ({where}); `>` means not reached. Resolution in steps: {resolution}. "
        "Speed-up only where both medians exist. "
        "Area: mean over training of (validation accuracy - floor) / (1 - floor).",
    ]


def _rate_notes(cells: Sequence[Cell], bench: Bench) -> list[str]:
    """Say how the learning rate was chosen, and which rates were given up on what evidence."""
    if not cells:
        return []
    if not bench.was_swept:
        return ["Learning rates: one for each cell, fixed beforehand; nothing was swept."]
    notes = [
        "Learning rates: swept; chosen by mean validation accuracy over seeds, ties to the smaller; a diverged run "
        "counts as its floor. `*`: the chosen rate. `edge`: the chosen rate is at an end of the grid, a better one may "
        "lie outside, and the comparison is not settled. `provisional`: some rate still lacks seeds."
    ]
    given_up = [score for cell in bench.cells for score in cell.choice.scores if score.given_up]
    if given_up:
        spared = sum(score.expected - score.n for score in given_up)
        notes.append(
            f"Given up after their first seed, sparing {spared} runs: rates whose validation accuracy was more than "
            f"{100 * HOPELESS:.0f} pp and more than half of the best rate's rise above the floor below the best, not "
            f"beside it in the grid, and did not rise by {100 * RISING:.0f} pp over the last quarter of the run; one "
            "that would not be hopeless beside what was chosen in the end is taken up again."
        )
    return notes


def _overall_notes(bench: Bench) -> list[str]:
    if not bench.overall:
        return []
    return [
        "Over tasks: mean of the middle half of (accuracy - floor) / (1 - floor) over all runs of "
        f"{', '.join(bench.overall[0].tasks)}, with a 95 % interval from a bootstrap that draws seeds within "
        "tasks; it says how far other seeds could move the figure, and nothing about other tasks."
    ]


def _data_notes(cells: Sequence[Cell]) -> list[str]:
    known = {cell.task: cell for cell in cells}
    notes = grouped(("Floor of", task, cell.floor_name) for task, cell in known.items())
    notes += [
        f"{f'{DAGGER} ' if cell.is_embedded else ''}Data of {task}: {cell.data_source} "
        f"({cell.first.test_examples} test examples)."
        for task, cell in known.items()
    ]
    notes += grouped(("Body of arm", f"`{cell.arm}`", cell.body_source) for cell in cells)
    notes += body_notes([(cell.arm, cell.task, cell.body_notes) for cell in cells])
    dropouts = sorted({cell.first.spec.dropout for cell in cells})
    return notes + ([f"Dropout: {', '.join(f'{dropout:g}' for dropout in dropouts)}."] if cells else [])


def body_notes(said: Sequence[tuple[str, str, str]]) -> list[str]:
    """Say what is particular about bodies: of which arm and, where not on all its tasks, on which.

    Args:
        said: arm, task and what is particular there, for each cell.

    Example:
        >>> body_notes([("vision", "mnist", "9 layers"), ("vision", "xor", "9 layers")])
        ['Body of arm `vision`: 9 layers.']
        >>> body_notes([("random", "mnist", "positions are new"), ("random", "xor", "")])
        ['Body of arm `random` on mnist: positions are new.']
    """
    facts = []
    for arm in dict.fromkeys(arm for arm, _, _ in said):
        own = [(task, note) for other, task, note in said if other == arm]
        for note in dict.fromkeys(note for _, note in own if note):
            tasks = [task for task, other in own if other == note]
            where = "" if len(tasks) == len(own) else f" on {', '.join(tasks)}"
            facts.append(("Body of arm", f"`{arm}`{where}", note))
    return grouped(facts)


def _version_notes(cells: Sequence[Cell]) -> list[str]:
    """Say with what runs were made, if it is not the same for all of a table: single runs may differ for that alone."""
    used = sorted({made for cell in cells for made in cell.made_with})
    if len(used) < 2:
        return []
    return [f"Runs were made with {'; '.join(used)}: a release can move a run as another seed does."]


def _completeness_notes(cells: Sequence[Cell], bench: Bench) -> list[str]:
    notes, grid = [], bench.grid
    smallest = min((cell.n for cell in cells), default=0)
    if cells and smallest < LOW_N:
        notes.append(
            f"Low n: as few as {smallest} seeds a cell; an interval from so few runs is wide and rests on normality."
        )
    if bench.scored < bench.expected:
        notes.append(f"Incomplete: {bench.expected - bench.scored} of {bench.expected} runs have no score yet.")
    if grid.left_out:
        notes.append(f"Left out: {', '.join(grid.left_out)}; the profile {grid.profile} has no budget for them.")
    if grid.arms_left_out:
        notes.append(f"Left out: {', '.join(grid.arms_left_out)}; the profile {grid.profile} has no body for them.")
    return notes


def grouped(facts: Iterable[tuple[str, str, str]]) -> list[str]:
    """Write facts (kind, who, what) as sentences, one for all who share a fact.

    Example:
        >>> grouped([("Body of arm", "full", "GPT-2"), ("Body of arm", "random", "GPT-2")])
        ['Body of arm full, random: GPT-2.']
    """
    sharing: dict[tuple[str, str], dict[str, None]] = {}
    for kind, who, what in facts:
        sharing.setdefault((kind, what), {})[who] = None
    return [f"{kind} {', '.join(who)}: {what}." for (kind, what), who in sharing.items()]
