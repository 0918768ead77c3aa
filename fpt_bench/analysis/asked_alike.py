"""Whether a bench of now was asked for what a baseline keeps: the same runs, of the same data, body and size."""

from collections.abc import Mapping
from typing import Any

from fpt_bench.analysis.baseline import KeptCell
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.codes import OF_THE_MACHINE
from fpt_bench.config.spec import RunSpec

SETTLED_BY_THE_PROCESSOR = frozenset({"precision", "body_execution"})
"""Fields of a spec that `auto` fills in by what the processor can do."""


def asked_alike(kept: KeptCell, now: KeptCell, cell: Cell) -> dict[str, str | None]:
    """Return a sentence for each check of what was asked for, by its name; None where it is the same.

    Args:
        kept: of the baseline.
        now: what would be kept of the cell.
        cell: of now, with its runs.
    """
    trained = sorted({result.trained_parameters() for result in cell.runs} - {kept.trained_parameters})
    excused = OF_THE_MACHINE if _made_otherwise(kept, now) else frozenset()
    more = [code for code in now.codes.split() if code not in {*kept.codes.split(), *excused}]
    return {
        "result": _check_runs(kept, now, cell),
        "spec": _check_spec(kept, now),
        "parameters": _expected("trained parameters", kept.trained_parameters, trained[0]) if trained else None,
        "data": _check_data(kept, now, cell),
        "body": None if kept.body == now.body else f"{_expected('the body', kept.body, now.body)}: not comparable",
        "notes": f"{', '.join(more)}: the baseline has no such note" if more else None,
    }


def _made_otherwise(kept: KeptCell, now: KeptCell) -> bool:
    """Return whether numbers may have moved though nobody changed anything: another processor, another torch."""
    return {run.made for run in kept.runs} != {run.made for run in now.runs}


def _expected(what: str, was: object, now: object) -> str:
    return f"expected {what} {was}, got {now}"


def _check_runs(kept: KeptCell, now: KeptCell, cell: Cell) -> str | None:
    """Compare which seeds there are, and how their runs ended."""
    status = {run.seed: run.status for run in now.runs}
    failed = {result.spec.seed: result.error for result in cell.at_rate if result.score is None}
    said = []
    for run in kept.runs:
        if run.seed not in status:
            why = f"a failed run ({failed[run.seed]})" if run.seed in failed else "none"
            said.append(f"expected a score of seed {run.seed}, got {why}")
        elif run.status == "ok" != status[run.seed]:
            said.append(f"expected seed {run.seed} to end well, but it {status[run.seed]}")
    return "; ".join(said) or None


def _check_spec(kept: KeptCell, now: KeptCell) -> str | None:
    """Name the fields in which what was run is not what was kept; None where it is the same."""
    was, is_now = ({**cell.spec, "learning_rate": list(cell.learning_rates)} for cell in (kept, now))
    excused = SETTLED_BY_THE_PROCESSOR if _made_otherwise(kept, now) else frozenset()
    named = [name for name in {**was, **is_now} if name not in excused]
    pairs = [(name, _value(was, name), _value(is_now, name)) for name in named]
    said = [f"{name} {before} -> {after}" for name, before, after in pairs if before != after]
    return f"expected the runs of the kept spec, got other ones: {'; '.join(said)}" if said else None


def _value(spec: Mapping[str, Any], name: str) -> Any:
    """Return a field of a kept spec; one that came later was at its default."""
    if name in spec or name not in RunSpec.model_fields:
        value = spec.get(name, "unknown")
    else:
        value = RunSpec.model_fields[name].get_default(call_default_factory=True)
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _check_data(kept: KeptCell, now: KeptCell, cell: Cell) -> str | None:
    prints = sorted({result.data.fingerprint[:16] for result in cell.runs if result.data} - {kept.data})
    said = [_expected("the data", kept.data, prints[0]) + ": not comparable"] if prints else []
    for name in ("test_examples", "floor", "perfect"):
        was, is_now = getattr(kept, name), getattr(now, name)
        said += [_expected(name.replace("_", " "), f"{was:g}", f"{is_now:g}")] if was != is_now else []
    return "; ".join(said) or None
