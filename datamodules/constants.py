"""What answers score that do not look at the input, in whatever metric a task has; and where labels are at all."""

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from datamodules.metrics import IGNORED, best_of

if TYPE_CHECKING:
    from datamodules.contract import TaskSpec


def is_labelled(labels: Tensor) -> Tensor:
    """Return at which places there is a label, bool, as many.

    Example:
        >>> is_labelled(torch.tensor([1, IGNORED])).tolist(), is_labelled(torch.tensor([-100.0, math.nan])).tolist()
        ([True, False], [True, False])
    """
    return ~labels.isnan() if labels.is_floating_point() else labels != IGNORED


def known_labels(labels: Tensor) -> tuple[float | None, ...]:
    """Return the labels of one example, (L,), as plain values, None where there is none."""
    return tuple(value if there else None for value, there in zip(labels.tolist(), is_labelled(labels), strict=True))


def constant_answers(task: "TaskSpec", labels: Tensor) -> dict[str, Tensor]:
    """Return constant answers, (L,) each, of which one is likely the best for the labels (N, L), by name."""
    there = is_labelled(labels)
    if task.label_kind == "classes":
        counts = [
            torch.bincount(of[known], minlength=task.num_classes) for of, known in zip(labels.T, there.T, strict=True)
        ]
        return {"commonest class": torch.stack(counts).argmax(dim=1)}
    values = torch.where(there, labels.double(), math.nan)
    mean = values.nanmean(dim=0).nan_to_num().float()
    if task.label_kind == "numbers":
        return {"mean": mean, "median": values.nanmedian(dim=0).values.nan_to_num().float()}
    return {"shares": mean, "none": torch.zeros_like(mean), "all": torch.ones_like(mean)}


def score_of(task: "TaskSpec", said: Tensor, labels: Tensor) -> float:
    """Return the score in a task's metric of what is said, (N, L) or always (L,), where the labels are (N, L)."""
    if task.measure.name == "accuracy":
        return float((said == labels)[is_labelled(labels)].double().mean())
    metric = task.make_metric(checked=False)
    task.measure.update(metric, said.expand_as(labels).contiguous(), labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that never hold
        return float(metric.compute())


def constant_scores(task: "TaskSpec", asked: Tensor, seen: Tensor | None) -> dict[str, float]:
    """Return what constant answers score, by name.

    Args:
        task: whose metric it is.
        asked: labels of the headline test set, (N, L).
        seen: labels of the training set, (M, L); None where examples are drawn fresh.

    Returns:
        Those that are taken from training, where there is a training set; and the one that happens to be best on test.
        Without those that have no score, as a constant has no correlation in some metrics.

    Example:
        >>> from datamodules.contract import TaskSpec
        >>> task = TaskSpec("length", "vectors", 1, 1, label_kind="numbers", metric="mean-absolute-error",
        ...                 trivial={"mean": 1.5})
        >>> constant_scores(task, torch.tensor([[0.0], [0.0], [3.0]]), torch.tensor([[1.0], [1.0], [4.0]]))
        {'mean of training': 1.66..., 'median of training': 1.33..., 'best constant': 1.0}
    """
    scores = {} if seen is None else _finite_scores(task, constant_answers(task, seen), asked)
    scores = {f"{name} of training": score for name, score in scores.items()}
    best = _finite_scores(task, constant_answers(task, asked), asked)
    if best:
        scores["best constant"] = best[best_of(best, task.measure.higher_is_better)]
    return scores


def _finite_scores(task: "TaskSpec", answers: Mapping[str, Tensor], asked: Tensor) -> dict[str, float]:
    scores = {name: score_of(task, said, asked) for name, said in answers.items()}
    return {name: score for name, score in scores.items() if math.isfinite(score)}
