"""The docket as people and programs read it: Markdown, CSV, JSON."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from fpt_bench.analysis.docket import Outcome
from fpt_bench.analysis.export import rows_as_csv
from fpt_bench.analysis.filed_docket import Entry
from fpt_bench.analysis.judge import ONE_SIDED, Verdict
from fpt_bench.report.escapes import for_markdown_cell as for_markdown
from fpt_bench.report.next_step import next_step

REPLICATES = (
    "A replicate is a seed of a run: it draws batches, the new layers and, where a body is random, the body. Each "
    "checkpoint was pretrained once, and no verdict reaches beyond that one, this data and these budgets."
)
DIGITS = 9
"""Of figures in JSON: what rounding on another processor does not reach."""


def docket_records(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the docket as plain values, in the order of its entries: what JSON holds and `--verify` compares."""
    return [_record(entry) for entry in entries]


def _record(entry: Entry) -> dict[str, Any]:
    filed, judged = entry.filed, entry.judged
    registered = None if judged is None or judged.registered is None else judged.registered.isoformat()
    return {
        "name": filed.name,
        "claim": filed.sentence,
        "hash": filed.claim.hash,
        "source": filed.source,
        "checked": filed.checked,
        "refuted_by": filed.refuted_by,
        "bench": entry.bench,
        "verdict": entry.outcome,
        "tasks": [_task_record(verdict) for verdict in ((judged and judged.verdicts) or ())],
        "without_two_seeds": list(judged.missing) if judged else list(filed.tasks),
        "registered": registered,
        "runs": judged.runs if judged else 0,
        "earlier_runs": judged.earlier if judged else 0,
        "reservations": list(judged.reservations) if judged else [],
        "seeds": entry.seeds_now,
        "seeds_to_resolve": None
        if math.isnan(entry.seeds)
        else entry.seeds
        if math.isfinite(entry.seeds)
        else "beyond",
        "held": list(entry.held) if entry.outcome == "open" else [],
        "next": str(next_step(entry)),
    }


def _task_record(verdict: Verdict) -> dict[str, Any]:
    found = verdict.difference
    numbers = {"first": verdict.first, "second": verdict.second, "difference": found.estimate}
    ends = {"low": found.low, "high": found.high}
    rounded = {key: round(float(value), DIGITS) for key, value in {**numbers, **ends}.items()}
    said = {"says_nothing": verdict.says_nothing, "seeds": list(verdict.counts)}
    return {"task": verdict.task, "word": verdict.cautious, **rounded, **said}


def docket_markdown(entries: Sequence[Entry]) -> str:
    """Return the docket as a page: how many of each verdict, then a row a claim, settled ones first."""
    order = {word: number for number, word in enumerate(get_args(Outcome))}
    rows = [
        "| claim | verdict | difference, in points | seeds | what would settle it | source |",
        "|---|---|---|---|---|---|",
    ]
    for entry in sorted(entries, key=lambda entry: (order[entry.outcome], entry.bench is None)):
        cells = (
            f"**{for_markdown(entry.filed.name)}**: {for_markdown(entry.filed.sentence)}",
            for_markdown(", ".join((entry.outcome, *(entry.judged.reservations if entry.judged else ())))),
            _effects(entry),
            _seeds(entry),
            _step(entry),
            for_markdown(entry.filed.said_by),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(["# Docket", "", f"{count_line(entries)} {REPLICATES}", "", *rows, ""])


def count_line(entries: Sequence[Entry]) -> str:
    """Return how many claims there are, and how many of each verdict.

    Example:
        >>> count_line([])
        '0 claims: 0 supported, 0 refuted, 0 equivalent, 0 open.'
    """
    counts = Counter(entry.outcome for entry in entries)
    return f"{len(entries)} claims: {', '.join(f'{counts[word]} {word}' for word in get_args(Outcome))}."


def _effects(entry: Entry) -> str:
    """Write the difference on each task with the interval that holds at every look, and the tasks without one."""
    if entry.judged is None or not entry.judged.verdicts:
        return ""
    said = [f"{for_markdown(each.task)} {difference_words(_task_record(each))}" for each in entry.judged.verdicts]
    if entry.judged.missing:
        said.append(f"without two seeds of both arms: {', '.join(map(for_markdown, entry.judged.missing))}")
    return "; ".join(said)


def difference_words(task: Mapping[str, Any]) -> str:
    """Write the difference on a task of a record, in points, with its interval and the judge's word.

    Example:
        >>> difference_words({"difference": 0.15, "low": 0.031, "high": 0.27, "says_nothing": False, "word": "better"})
        '+15.0 (+3.1 to +27.0), better'
    """
    ends = f"{100 * task['low']:+.1f} to {100 * task['high']:+.1f}"
    if task["says_nothing"]:
        ends = ONE_SIDED[task["word"]]
    return f"{100 * task['difference']:+.1f} ({ends}), {task['word']}"


def _step(entry: Entry) -> str:
    step = next_step(entry)
    return "; ".join(filter(None, (step.command and f"`{step.command}`", for_markdown(step.words))))


def _seeds(entry: Entry) -> str:
    if not entry.seeds_now:
        return "none yet"
    if entry.outcome != "open" or math.isnan(entry.seeds):
        return f"{entry.seeds_now}"
    return (
        f"{entry.seeds_now} of about {entry.seeds:.0f}"
        if math.isfinite(entry.seeds)
        else f"{entry.seeds_now} of over 1,000"
    )


def docket_csv(entries: Sequence[Entry]) -> str:
    """Return a row a claim and task as CSV; a task without two seeds an arm has no figures."""
    rows = []
    for record in docket_records(entries):
        shared = {key: value for key, value in record.items() if not isinstance(value, list)}
        rows += [{**shared, **task, "seeds": min(task["seeds"])} for task in record["tasks"]]
        rows += [{**shared, "task": task} for task in record["without_two_seeds"]]
    return rows_as_csv(rows)


def docket_json(entries: Sequence[Entry]) -> str:
    """Return the docket as JSON, a list of records."""
    return json.dumps(docket_records(entries), indent=1, ensure_ascii=False) + "\n"


def changed_verdicts(kept: Sequence[Mapping[str, Any]], entries: Sequence[Entry]) -> list[str]:
    """Return a sentence for each claim of which the runs say something else than a kept docket."""
    old = {(record["name"], record["bench"]): record for record in kept}
    new = {(record["name"], record["bench"]): record for record in docket_records(entries)}
    found = []
    for key in sorted({*old, *new}, key=str):
        name = f"{key[0]} ({key[1] or 'no runs'})"
        if key not in new or key not in old:
            found.append(f"{name}: expected in both, {'kept' if key in old else 'derived'} only")
            continue
        asked = [field for field in new[key] if field in old[key] or field == "verdict"]  # an earlier form has fewer
        derived = _in_form_of(old[key], json.loads(json.dumps(new[key])))
        differing = [field for field in asked if derived.get(field) != old[key].get(field)]
        found += [f"{name}: {field}: kept {old[key].get(field)}, derived {new[key][field]}" for field in differing]
    return found


def _in_form_of(kept: Any, derived: Any) -> Any:
    """Return what was derived without the fields that the records of an earlier form do not have."""
    if isinstance(kept, Mapping) and isinstance(derived, Mapping):
        return {key: _in_form_of(kept[key], value) for key, value in derived.items() if key in kept}
    if isinstance(kept, list) and isinstance(derived, list) and len(kept) == len(derived):
        return [_in_form_of(old, new) for old, new in zip(kept, derived, strict=True)]
    return derived
