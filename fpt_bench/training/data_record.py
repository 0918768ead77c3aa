"""What a result says of its data."""

from datamodules.checks import count_test_examples_in_training
from datamodules.contract import RecordCounts, TaskDataModule
from fpt_bench.results.result import DataRecord, RecordCount

_TEST_IN_TRAINING: dict[str, int | None] = {}
"""By fingerprint of the examples: the runs of a grid share them, and on real images counting takes seconds."""


def describe_data(datamodule: TaskDataModule, fingerprint: str) -> DataRecord:
    """Return the record of a task's own data, not of features of them."""
    if fingerprint not in _TEST_IN_TRAINING:
        _TEST_IN_TRAINING[fingerprint] = count_test_examples_in_training(datamodule)
    counts = datamodule.record_counts()
    return DataRecord(
        kind=datamodule.data,
        source=datamodule.source,
        fingerprint=fingerprint,
        trivial=dict(datamodule.task.trivial),
        floor=datamodule.task.floor,
        records=None if counts is None else {name: _counted(each) for name, each in counts.items()},
        test_in_training=_TEST_IN_TRAINING[fingerprint],
    )


def _counted(counts: RecordCounts) -> RecordCount:
    left_out = {reason: number for reason, number in counts.left_out.items() if number}
    return RecordCount(held=counts.held, read=counts.read, left_out=left_out)
