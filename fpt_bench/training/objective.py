"""What is minimised and what is said, for each kind of label: logits (B, L, C) in, losses and answers out.

Nothing here is read from the device.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from datamodules.constants import is_labelled
from datamodules.contract import TaskSpec
from datamodules.metrics import IGNORED


def mean_loss(task: TaskSpec, logits: Tensor, labels: Tensor) -> Tensor:
    """Return a task's loss as a mean over all labels of a batch, (B, L), that are there."""
    if task.label_kind == "classes":
        return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    said, compare = logits[..., 0], _LOSSES[task.loss_name]
    if not task.ragged:
        return compare(said, labels.float(), reduction="mean")
    there = is_labelled(labels)
    # What is missing must not reach the loss: NaN times 0 is NaN, in its gradient, too.
    each = compare(said, torch.where(there, labels, 0).float(), reduction="none")
    return (each * there).sum() / there.sum()


_LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "squared-error": functional.mse_loss,
    "absolute-error": functional.l1_loss,
    "binary-cross-entropy": functional.binary_cross_entropy_with_logits,
}


def what_is_scored(task: TaskSpec, logits: Tensor) -> Tensor:
    """Return what a task's metric is given, (B, L): likeliest classes, numbers, or the probabilities of multi-label."""
    if task.label_kind == "classes":
        return logits.argmax(-1)
    return logits[..., 0] if task.label_kind == "numbers" else logits[..., 0].sigmoid()


def what_is_said(task: TaskSpec, logits: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the answers, (B, L), and how probable they are held to be, (B, L) in [0, 1]; None of numbers.

    Answers are classes, numbers, or 1 where a label of a multi-label task is likelier to hold than not, else 0.
    """
    scored = what_is_scored(task, logits)
    if task.label_kind == "classes":
        return scored, logits.softmax(-1).gather(-1, scored[..., None])[..., 0]
    if task.label_kind == "numbers":
        return scored, None
    return (scored > 0.5).long(), torch.maximum(scored, 1 - scored)
