"""What is said below a table: what its columns mean, what the data are and what to be careful with."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.codes import CODES
from fpt_bench.analysis.statistics import estimate_mean
from fpt_bench.analysis.sweep import HOPELESS, RISING
from fpt_bench.config.command_line import written_seeds
from fpt_bench.report.metric_words import worded
from fpt_bench.report.words import mark_of, opponent_in_words, percent, plus_minus, points, spacing

Fact = TypeVar("Fact", bound=Hashable)

LOW_N = 6
"""Below this many seeds a cell is marked: its interval rests on very few runs."""


def bench_notes(bench: Bench) -> list[str]:
    """Return the notes of a bench's page of tables, a sentence or a few each."""
    cells = [cell for cell in bench.cells if cell.runs]
    notes = [
        "Accuracy: on the whole test set, read once, at the first best validation; mean over n seeds ± half-width of "
        "Student's 95 % interval; none where all seeds are alike.",
    ]
    if any(cell.delta is not None for cell in cells):
        notes.append(_difference_note(bench))
    if any(cell.item_noise is not None for cell in cells):
        notes.append(
            "Items ±: half of the 95 % interval that comes of which examples are in the test set, which all seeds "
            "share; in no interval of seeds, and mostly cancelled in differences."
        )
    if any(cell.train_test_gap is not None for cell in cells):
        notes.append("train - test: accuracy on training examples, without dropout, minus test accuracy, in pp.")
    if any(cell.published is not None for cell in cells):
        notes.append(
            "Published figures are the papers', as transcribed from notes, for information: no part of any comparison "
            "or check. Those of listops and homology are, by the published code, of validation splits."
        )
    notes += _convergence_notes(cells)
    notes += _rate_notes(cells, bench)
    notes += _overall_notes(bench)
    notes += below_simple(bench)
    notes = [worded(note, bench.is_mixed) for note in notes]
    notes += _data_notes(cells)
    notes += _test_set_notes(cells)
    notes += _version_notes(cells)
    notes += _code_notes(cells)
    notes += _completeness_notes(cells, bench)
    return notes


def _opponent(bench: Bench) -> str:
    return opponent_in_words(bench) if bench.own_opponents else f"`{bench.baseline}`"


def _difference_note(bench: Bench) -> str:
    margin = points(bench.grid.experiment.margin)
    but = " Beside code 008 they may not help." if any("FPT008" in cell.codes for cell in bench.cells) else ""
    other = "the arm named beside it" if bench.own_opponents else f"the arm `{bench.baseline}`"
    return (
        f"Δ: difference to {other} in percentage points ± half-width of Welch's 95 % interval, for "
        "a number of seeds fixed beforehand; p (Holm): of no difference, adjusted for all of this table. Verdict, the "
        f"only word of which arm is better: the judge's, at a margin of {margin} pp; of each word at most 5 % are "
        f"wrong on average, however often one looks. *Open* is no *no*: run more seeds.{but} A replicate is a seed "
        "of a run: one pretrained checkpoint, one test set."
    )


def _code_notes(cells: Sequence[Cell]) -> list[str]:
    """Say what each code of the table is, why it matters, what to do, and of which cells it is."""
    notes = []
    for code, about in CODES.items():
        held = [cell for cell in cells if code in cell.codes]
        if held:
            where = "all cells" if len(held) == len(cells) else ", ".join(f"{cell.task} `{cell.arm}`" for cell in held)
            notes.append(f"{code}, {about.name} ({where}): {about.why}. To do: {about.to_do}.")
    return notes


def _convergence_notes(cells: Sequence[Cell]) -> list[str]:
    known = [(cell, cell.convergence) for cell in cells if cell.convergence is not None]
    if not known:
        return []
    targets = [(c.task, c.arm, f"{percent(found.target, c.is_fraction)}, {found.what}") for c, found in known]
    where = "; ".join(f"{task} {target}" for task, target in by_task(targets))
    resolutions = [(cell.task, cell.arm, spacing(cell.first.spec)) for cell, _ in known]
    resolution = "; ".join(f"{task} {spaced}" for task, spaced in by_task(resolutions))
    return [
        "Steps to target: median over seeds of the first validation that reaches the target "
        f"({where}); `>` means not reached. Resolution in steps: {resolution}. "
        "Speed-up: ratio of medians, where both exist, with Welch's 95 % interval of log steps where all seeds arrive, "
        "as wide as the resolution allows. "
        "Area: mean over training of (validation accuracy - floor) / (1 - floor).",
    ]


def _rate_notes(cells: Sequence[Cell], bench: Bench) -> list[str]:
    """Say how the learning rate was chosen, and which rates were given up on what evidence."""
    if not cells:
        return []
    if not bench.was_swept:
        return ["Learning rates: one for each cell, fixed before these runs; nothing was swept in this bench."]
    notes = [
        f"Learning rates: swept; chosen by mean validation accuracy on {_choosing_seeds(bench)}; ties to the larger "
        "mean area under the validation curve, then to the smaller rate; a diverged run counts as the worst rule "
        "that needs no learning. `*`: the chosen rate. `edge`: the chosen rate is at an end of the grid, a better one "
        "may lie outside, and the comparison is not settled. `provisional`: some rate still lacks seeds."
    ]
    notes.append("Tuning runs, tuning s: how many runs chose the rate of an arm, and how many seconds of one worker.")
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


def _choosing_seeds(bench: Bench) -> str:
    if seeds := bench.grid.tuning_seeds:
        return f"the seeds {written_seeds(seeds)}, which are not reported"
    return "the seeds that are reported, which is optimistic"


def _overall_notes(bench: Bench) -> list[str]:
    if not bench.overall:
        return []
    return [
        "Over tasks: mean of (accuracy - floor) / (1 - floor), every task alike, over "
        f"{', '.join(bench.overall[0].tasks)}, with Satterthwaite's 95 % interval (none where a task's seeds fall into "
        "two groups): how far other seeds could move the figure, and nothing about other tasks. What counts is the "
        "difference of arms. Beats it: how often a run's score is better than that of a run of "
        f"{_opponent(bench)}, every task alike, with the percentile bootstrap's "
        "95 % interval over seeds (Agarwal et al. 2021), too narrow where seeds are few; no verdict rests on it."
    ]


def below_simple(bench: Bench) -> list[str]:
    """Say on which tasks the best arm's mean is not above a rule or a simple learner, which need no body."""
    beaten = []
    for cell in filter(None, map(bench.best_of_task, bench.tasks)):
        rule = cell.beaten_by
        if rule is not None and cell.accuracy is not None:
            its, mine = (percent(score, cell.is_fraction) for score in (cell.rules[rule], cell.accuracy.mean))
            beaten.append(f"on {cell.task} {rule} has {its}, the best arm, `{cell.arm}`, {mine}")
    return [f"Below a simple rule or learner: {'; '.join(beaten)}."] if beaten else []


def _data_notes(cells: Sequence[Cell]) -> list[str]:
    floors = by_task((cell.task, cell.arm, cell.floor_name) for cell in cells)
    notes = grouped(("Floor of", task, floor) for task, floor in floors)
    sources = [(c.task, c.arm, (mark_of(c), f"{c.data_source} ({c.first.test_examples} test examples)")) for c in cells]
    notes += [f"{mark} Data of {task}: {source}.".lstrip() for task, (mark, source) in by_task(sources)]
    notes += grouped(("Body of arm", f"`{cell.arm}`", cell.body_source) for cell in cells)
    shared = ((c.task, c.arm, (c.data.test_in_training or 0, c.first.test_examples)) for c in cells)
    notes += [
        f"Of the test examples of {task}, {count} of {whole} also stand in training: their score is not all of it "
        "generalization."
        for task, (count, whole) in by_task(shared)
        if count
    ]
    notes += body_notes([(cell.arm, cell.task, cell.body_notes) for cell in cells])
    dropouts = sorted({cell.first.spec.dropout for cell in cells})
    return notes + ([f"Dropout: {', '.join(f'{dropout:g}' for dropout in dropouts)}."] if cells else [])


def _test_set_notes(cells: Sequence[Cell]) -> list[str]:
    """Give the scores on the test sets beside the headline's, a sentence for each of a task."""
    names = dict.fromkeys((cell.task, name) for cell in cells for r in cell.runs for name in r.other_scores)
    notes = []
    for task, name in names:
        of_task = [c for c in cells if c.task == task]
        metric, is_fraction = of_task[0].metric, of_task[0].is_fraction
        scores = {c.arm: [r.test_scores[name] for r in c.runs if name in r.test_scores] for c in of_task}
        seeds = {c.arm: c.n for c in of_task}
        arms = ", ".join(
            f"{arm} {plus_minus(estimate_mean(found), is_fraction=is_fraction)}"
            + (f" ({len(found)} of {seeds[arm]} seeds)" if len(found) < seeds[arm] else "")
            for arm, found in scores.items()
            if found
        )
        notes.append(f"{metric.capitalize()} on {name} of {task}{', %' if is_fraction else ''}: {arms}.")
    return notes


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
    """Say with what runs were made, and on what: they may be others', and single runs may differ for that alone."""
    of_task: dict[str, tuple[str, ...]] = {}
    for cell in cells:
        if cell.made_with:
            of_task[cell.task] = tuple(sorted({*of_task.get(cell.task, ()), *cell.made_with}))
    notes = []
    for used in dict.fromkeys(of_task.values()):
        tasks = [task for task, made in of_task.items() if made == used]
        where = "" if len(tasks) == len(of_task) else f" of {', '.join(tasks)}"
        more = ": a release or a machine can move a run as another seed does" if len(used) > 1 else ""
        notes.append(f"Runs{where} were made with {'; '.join(used)}{more}.")
    return notes


def _completeness_notes(cells: Sequence[Cell], bench: Bench) -> list[str]:
    notes, grid = [], bench.grid
    if grid.picked:
        notes.append(f"Picked by `{grid.picked}`: a bench of its own, beside the whole one.")
    smallest = min((cell.n for cell in cells), default=0)
    if cells and smallest < LOW_N:
        notes.append(
            f"Low n: as few as {smallest} seeds a cell; an interval from so few runs is wide and rests on normality."
        )
    if bench.scored < bench.expected:
        notes.append(f"Incomplete: {bench.expected - bench.scored} of {bench.expected} runs have no score.")
    if grid.left_out:
        notes.append(f"Left out: {', '.join(grid.left_out)}; the profile {grid.profile} has no budget for them.")
    if grid.arms_left_out:
        notes.append(f"Left out: {', '.join(grid.arms_left_out)}; the profile {grid.profile} has no body for them.")
    notes += [f"Left out: {who}; {why}." for who, why in grid.missing.items()]
    alone = {arm: own for arm, own in bench.own_opponents.items() if own not in bench.arms}
    return notes + [f"`{arm}` is compared with none: `{own}` is not in this bench." for arm, own in alone.items()]


def by_task(facts: Iterable[tuple[str, str, Fact]]) -> list[tuple[str, Fact]]:
    """Return facts (task, arm, what) as pairs of who and what: a task, with its arms where they do not share it.

    Example:
        >>> by_task([("xor", "language", "50"), ("xor", "random", "50")])
        [('xor', '50')]
        >>> by_task([("xor", "language", "50"), ("xor", "random", "50"), ("xor", "shuffled", "75")])
        [('xor (`language`, `random`)', '50'), ('xor (`shuffled`)', '75')]
    """
    arms: dict[str, dict[Fact, list[str]]] = {}
    for task, arm, what in facts:
        arms.setdefault(task, {}).setdefault(what, []).append(f"`{arm}`")
    return [
        (task if len(found) == 1 else f"{task} ({', '.join(who)})", what)
        for task, found in arms.items()
        for what, who in found.items()
    ]


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
