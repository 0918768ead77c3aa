"""What a result says of its data."""

import torch

from datamodules.checks import count_test_examples_in_training
from datamodules.constants import is_labelled
from datamodules.contract import RecordCounts, TaskDataModule
from datamodules.floors import labels_of
from datamodules.metrics import best_of
from fpt_bench.results.result import DataRecord, RecordCount

_KNOWN: dict[tuple[str, str, str], DataRecord] = {}
"""By shapes, source and fingerprint: the runs of a grid share them; to measure takes seconds on real files."""


def describe_data(datamodule: TaskDataModule, fingerprint: str) -> DataRecord:
    """Return the record of a task's own data, not of features of them."""
    key = repr(datamodule.task), datamodule.source, fingerprint
    if key not in _KNOWN:
        _KNOWN[key] = _describe(datamodule, fingerprint)
    return _KNOWN[key]


def _describe(datamodule: TaskDataModule, fingerprint: str) -> DataRecord:
    counts, measure = datamodule.record_counts(), datamodule.task.measure
    floors = datamodule.all_floors()
    return DataRecord(
        kind=datamodule.data,
        source=datamodule.source,
        fingerprint=fingerprint,
        as_published=datamodule.as_published,
        metric=measure.name,
        higher_is_better=measure.higher_is_better,
        perfect=measure.perfect,
        is_fraction=measure.is_fraction,
        trivial=floors,
        floor=floors[best_of(floors, measure.higher_is_better)],
        records=None if counts is None else {name: _counted(each) for name, each in counts.items()},
        splits={split: len(datamodule.examples(split)) for split in datamodule.splits},
        classes=_count_classes(datamodule),
        test_in_training=count_test_examples_in_training(datamodule),
    )


def _count_classes(datamodule: TaskDataModule) -> int | None:
    """Return how many different labels all fixed splits have; None where labels are no classes."""
    if datamodule.task.label_kind != "classes":
        return None
    labels = torch.cat([labels_of(datamodule.examples(split)).unique() for split in datamodule.splits])
    return len(labels[is_labelled(labels)].unique())


def _counted(counts: RecordCounts) -> RecordCount:
    left_out = {reason: number for reason, number in counts.left_out.items() if number}
    return RecordCount(held=counts.held, read=counts.read, left_out=left_out)
