"""What a bench says in one sentence: the judge's words, counted."""

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from fpt_bench.analysis.cells import Bench, Cell
from fpt_bench.analysis.judge import Word
from fpt_bench.report.words import listed, opponent_in_words

_FEW_ARMS = 3
_SAID = {"better": "better than {0}", "worse": "worse than {0}", "same": "as good as {0}", "open": "open"}


def verdict_line(bench: Bench) -> str:
    """Return the judge's words on each arm against the baseline, by task; counted over all arms where there are many.

    Example: `language against random: better than random on 2 of 7 tasks (bit-xor and mnist); open on 5.`
    """
    judged = [c for c in bench.cells if c.runs and c.delta is not None]
    if not judged:
        return "No arm has a score beside the baseline's yet."
    arms = list(dict.fromkeys(cell.arm for cell in judged))
    if len(arms) <= _FEW_ARMS:
        return " ".join(_of_arm(arm, [c for c in judged if c.arm == arm], bench.opponent(arm) or "") for arm in arms)
    counts = Counter(cell.delta.word for cell in judged if cell.delta)
    words = ", ".join(f"{counts[word]} {_SAID[word].format('it')}" for word in get_args(Word))
    return f"{len(arms)} arms against {opponent_in_words(bench)}, {len(judged)} cells: {words}."


def _of_arm(arm: str, cells: Sequence[Cell], baseline: str) -> str:
    tasks = {word: [c.task for c in cells if c.delta and c.delta.word == word] for word in get_args(Word)}
    parts: list[str] = []
    for word, names in ((word, names) for word, names in tasks.items() if names):
        of = f" of {len(cells)} {'task' if len(cells) == 1 else 'tasks'}" if not parts else ""
        named = "" if word == "open" else f" ({listed(names)})"
        parts.append(f"{_SAID[word].format(baseline)} on {len(names)}{of}{named}")
    return f"{arm} against {baseline}: {'; '.join(parts)}."
