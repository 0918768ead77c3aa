"""How a command says what became of the records of a task's data."""

from collections.abc import Iterator

from fpt_bench.results.result import DataRecord


def tell_accounts(data: DataRecord) -> Iterator[str]:
    """Yield what was held, read and left out, how it was split, and what stands in training and test, a line each."""
    for name, counts in (data.records or {}).items():
        why = "".join(f"; left out: {count:,} {reason}" for reason, count in counts.left_out.items())
        yield f"records of {name}: {counts.held:,}, of which {counts.read:,} read{why}"
    if data.records and data.splits:
        classes = "" if data.classes is None else f"; {data.classes:,} classes"
        yield f"examples: {', '.join(f'{split} {count:,}' for split, count in data.splits.items())}{classes}"
    if data.test_in_training:
        yield f"note: {data.test_in_training:,} examples of the headline test set also stand in training"
