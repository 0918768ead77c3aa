"""What a bench says in one sentence: the judge's words, counted."""

from collections import Counter
from collections.abc import Sequence

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.report.words import SAID_OF_OPPONENT, listed, opponent_in_words, tasks_by_word

_FEW_ARMS = 3


def verdict_line(bench: Bench) -> str:
    """Return the judge's words on each arm against the baseline, by task; counted over all arms where there are many.

    Example: `language against random: better than random on 2 of 7 tasks (bit-xor and mnist); open on 5.`
    """
    judged = [c for c in bench.cells if c.runs and c.delta is not None]
    if not judged:
        return "No arm has a score beside that of the arm that it is compared with."
    arms = list(dict.fromkeys(cell.arm for cell in judged))
    if len(arms) <= _FEW_ARMS:
        return " ".join(_of_arm(arm, [c for c in judged if c.arm == arm], bench.opponent(arm) or "") for arm in arms)
    counts = Counter(cell.delta.word for cell in judged if cell.delta)
    words = ", ".join(f"{counts[word]} {said.format('it')}" for word, said in SAID_OF_OPPONENT.items())
    return f"{len(arms)} arms against {opponent_in_words(bench)}, {len(judged)} cells: {words}."


def _of_arm(arm: str, cells: Sequence[Cell], baseline: str) -> str:
    parts: list[str] = []
    for word, names in tasks_by_word(cells).items():
        of = f" of {len(cells)} {'task' if len(cells) == 1 else 'tasks'}" if not parts else ""
        named = "" if word == "open" else f" ({listed(names)})"
        parts.append(f"{SAID_OF_OPPONENT[word].format(baseline)} on {len(names)}{of}{named}")
    return f"{arm} against {baseline}: {'; '.join(parts)}."
