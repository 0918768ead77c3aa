"""What a result says of its data."""

from datamodules.checks import count_test_examples_in_training
from datamodules.contract import RecordCounts, TaskDataModule
from datamodules.floors import best_of
from fpt_bench.results.result import DataRecord, RecordCount

_KNOWN: dict[tuple[str, str], DataRecord] = {}
"""By source and fingerprint: the runs of a grid share them; to count and measure takes seconds on real files."""


def describe_data(datamodule: TaskDataModule, fingerprint: str) -> DataRecord:
    """Return the record of a task's own data, not of features of them."""
    key = datamodule.source, fingerprint
    if key not in _KNOWN:
        _KNOWN[key] = _describe(datamodule, fingerprint)
    return _KNOWN[key]


def _describe(datamodule: TaskDataModule, fingerprint: str) -> DataRecord:
    counts, floors = datamodule.record_counts(), datamodule.all_floors()
    return DataRecord(
        kind=datamodule.data,
        source=datamodule.source,
        fingerprint=fingerprint,
        trivial=floors,
        floor=floors[best_of(floors)],
        records=None if counts is None else {name: _counted(each) for name, each in counts.items()},
        test_in_training=count_test_examples_in_training(datamodule),
    )


def _counted(counts: RecordCounts) -> RecordCount:
    left_out = {reason: number for reason, number in counts.left_out.items() if number}
    return RecordCount(held=counts.held, read=counts.read, left_out=left_out)
