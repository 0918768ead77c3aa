"""What a sound task's labels make worth knowing before it trains: no fault, for a task may be meant so."""

from collections.abc import Iterator, Mapping

import torch

from datamodules.constants import is_labelled
from datamodules.contract import TRAIN, VALIDATION, TaskDataModule
from datamodules.survey import SplitSurvey

MOST_NAMED = 8
"""Classes that a sentence lists."""


def remarks(datamodule: TaskDataModule, surveys: Mapping[str, SplitSurvey]) -> Iterator[str]:
    """Yield a sentence for each split whose labels are all alike, and each test set with classes training lacks.

    Args:
        datamodule: the task.
        surveys: all of each of its splits.
    """
    values = {split: _values(found) for split, found in surveys.items()}
    for split in (TRAIN, VALIDATION, *datamodule.test_splits):
        if len(values.get(split, ())) == 1:
            why = "nothing can be learned from it" if split == TRAIN else "no score on it says what was learned"
            yield f"{split}: every label is {next(iter(values[split])):g}: {why}"
    if datamodule.task.label_kind != "classes" or TRAIN not in values:
        return
    for split in datamodule.test_splits:
        if unseen := sorted(values[split] - values[TRAIN]):
            named = ", ".join(f"{value:g}" for value in unseen[:MOST_NAMED])
            more = f" and {len(unseen) - MOST_NAMED:,} more" if len(unseen) > MOST_NAMED else ""
            labels = surveys[split].all_labels
            count = int(torch.isin(labels, labels.new_tensor(unseen)).any(dim=1).sum())
            yield (
                f"{split}: {len(unseen):,} of its classes are in no training example, {named}{more}: "
                f"{count:,} of its {surveys[split].examples:,} examples"
            )


def _values(found: SplitSurvey) -> set[float]:
    labels = found.all_labels
    return set(labels[is_labelled(labels)].unique().tolist())
