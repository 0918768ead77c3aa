"""Plain pairs of inputs and labels, as most DataLoaders give them, into the batches that models here take."""

import torch
from torch import Tensor

from datamodules.contract import Batch, TaskSpec

CURE = "Give Batch(x, torch.ones(x.shape[:2], dtype=torch.bool), y), from datamodules.contract, or the pair (x, y)"


def as_batch(given: object, task: TaskSpec) -> Batch:
    """Return a batch without padding of a pair (inputs, labels); a Batch stays what it is.

    Args:
        given: inputs (B, T, D) or, where D is 1, (B, T), of numbers; or (B, T) of tokens. Labels (B, L), or (B,).
        task: whose D and L they must have.

    Raises:
        ValueError: it is neither, or of other shapes than the task's; the message shows the cure.
    """
    if isinstance(given, Batch):
        return given
    if not isinstance(given, tuple | list) or len(given) != 2 or not all(isinstance(part, Tensor) for part in given):
        what = f"{type(given).__name__} of {len(given)}" if isinstance(given, tuple | list | dict) else type(given)
        raise ValueError(f"task {task.name!r}: expected a batch of inputs, mask and labels, got {what}. {CURE}")
    inputs, labels = given
    if task.input_kind == "vectors":
        inputs = (inputs[..., None] if inputs.dim() == 2 and task.input_size == 1 else inputs).float()
        fits = inputs.dim() == 3 and inputs.shape[2] == task.input_size
        shape = f"(B, T, {task.input_size})"
    else:
        fits = inputs.dim() == 2 and not inputs.is_floating_point()
        inputs, shape = inputs.long() if fits else inputs, "(B, T) of whole numbers"
    labels = labels[:, None] if labels.dim() == 1 else labels
    if not fits or labels.shape != (len(inputs), task.num_labels):
        raise ValueError(
            f"task {task.name!r}: expected inputs {shape} and labels (B, {task.num_labels}), got "
            f"{tuple(given[0].shape)} of {given[0].dtype} and {tuple(given[1].shape)}. {CURE}"
        )
    if task.label_kind != "numbers" and labels.is_floating_point():
        fractional = labels[labels != labels.round()]
        if fractional.numel():
            raise ValueError(
                f"task {task.name!r}: expected labels that are whole numbers, since they are {task.label_kind}, got "
                f"{float(fractional[0]):.3g}"
            )
    mask = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
    return Batch(inputs, mask, labels.float() if task.label_kind == "numbers" else labels.long())
