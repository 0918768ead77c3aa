"""What the splits of a task really hold: their examples looked at one by one, against what the task says of them."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from datamodules.constants import constant_scores, is_labelled
from datamodules.contract import Batch, TaskDataModule, TaskSpec
from datamodules.metrics import IGNORED

AT_ONCE = 256
"""Examples looked at at once."""


@dataclass
class SplitSurvey:
    """What was seen of one split."""

    task: TaskSpec
    examples: int
    """Examples that the split has."""
    labels: list[Tensor] = field(default_factory=list)
    """Those that were looked at, (B, L) each."""
    lengths: list[int] = field(default_factory=list)
    """Real positions of each example that was looked at."""
    keys: list[bytes] = field(default_factory=list)
    """A hash of each of these examples' real inputs: equal where the inputs are."""
    faults: list[str] = field(default_factory=list)
    """Sentences; the survey ends at the first batch that has some."""

    @property
    def all_labels(self) -> Tensor:
        """(N, L), of all that was looked at."""
        return torch.cat(self.labels)

    @property
    def labelled(self) -> int:
        """How many labels there are, what is passed over left out."""
        return int(is_labelled(self.all_labels).sum())

    @property
    def distinct(self) -> int:
        """How many different labels there are."""
        labels = self.all_labels
        return len(labels[is_labelled(labels)].unique())

    @property
    def commonest(self) -> float | None:
        """Score of the best constant answer, in the task's metric: of classes, each label's commonest one.

        None where the metric has no score for constants.
        """
        return constant_scores(self.task, self.all_labels, None).get("best constant")

    @property
    def doubled(self) -> int:
        """Examples looked at whose inputs an earlier one of the split has."""
        return len(self.keys) - len(set(self.keys))


def survey_split(datamodule: TaskDataModule, split: str, at_most: int | None = None) -> SplitSurvey:
    """Look at the examples of a split, or at the first `at_most` of them."""
    task, examples = datamodule.task, datamodule.examples(split)
    survey = SplitSurvey(task, len(examples))
    if not survey.examples:
        survey.faults.append(f"{split}: expected at least 1 example, got none")
    stop = survey.examples if at_most is None else min(at_most, survey.examples)
    for first in range(0, stop, AT_ONCE):
        last = min(first + AT_ONCE, stop)
        batch = examples.batch(np.arange(first, last))
        faults = faults_of_batch(batch, task, last - first)
        if faults:
            survey.faults += [f"{split}, examples {first} to {last - 1}: {fault}" for fault in faults]
            break
        survey.labels.append(batch.labels)
        survey.lengths += batch.counted().lengths or ()
        survey.keys += keys_of(batch)
    return survey


def keys_of(batch: Batch) -> list[bytes]:
    """Return a hash of each of B examples' real inputs; labels and padding do not count.

    Example:
        >>> mask, labels = torch.tensor([[True, False], [True, True]]), torch.tensor([[0], [1]])
        >>> first, second = keys_of(Batch(torch.tensor([[5, 9], [5, 9]]), mask, labels))
        >>> first == second, first == keys_of(Batch(torch.tensor([[5]]), mask[:1, :1], labels[:1]))[0]
        (False, True)
    """
    rows = zip(batch.inputs.numpy(), batch.counted().lengths or (), strict=True)
    return [hashlib.sha256(row[:length].tobytes()).digest()[:16] for row, length in rows]


def faults_of_batch(batch: Batch, task: TaskSpec, count: int) -> list[str]:
    """Return a sentence for each way in which a batch of `count` examples is not what the task says."""
    inputs = _faults_of_inputs(batch.inputs, task, count)
    return [*(inputs or _faults_of_mask(batch, task)), *_faults_of_labels(batch.labels, task, count)]


def _faults_of_inputs(inputs: Tensor, task: TaskSpec, count: int) -> list[str]:
    kind, shape = (torch.float32, (task.input_size,)) if task.input_kind == "vectors" else (torch.int64, ())
    if inputs.dtype != kind:
        return [f"expected inputs of {_word(kind)}, got {_word(inputs.dtype)}. Convert them"]
    if inputs.dim() != 2 + len(shape) or len(inputs) != count or inputs.shape[2:] != shape:
        wanted = ", ".join(["B", "T", *map(str, shape)])
        return [f"expected inputs of the shape ({wanted}) for {count} examples, got {tuple(inputs.shape)}"]
    if not 1 <= inputs.shape[1] <= task.max_length:
        return [
            f"expected 1 to {task.max_length} positions (the task's max_length), got {inputs.shape[1]}. "
            "Cut the examples, or raise max_length"
        ]
    if task.input_kind == "vectors" and not bool(torch.isfinite(inputs).all()):
        bad = int((~torch.isfinite(inputs)).flatten(1).any(dim=1).sum())
        return [f"expected finite inputs, got NaN or infinity in {bad} of {count} examples"]
    if task.input_kind == "tokens" and (found := _outside(inputs, task.input_size)) is not None:
        return [f"expected tokens from 0 to {task.input_size - 1} (input_size is {task.input_size}), got {found}"]
    return []


def _faults_of_mask(batch: Batch, task: TaskSpec) -> list[str]:
    mask = batch.mask
    if mask.dtype != torch.bool or mask.shape != batch.inputs.shape[:2]:
        got = f"{_word(mask.dtype)} {tuple(mask.shape)}"
        return [f"expected a mask of bool in the shape {tuple(batch.inputs.shape[:2])}, got {got}"]
    if bool((mask.int().diff(dim=1) > 0).any()):
        return ["expected padding on the right alone: a mask that is True, then False; got padding before an example"]
    lengths = mask.sum(dim=1)
    if int(lengths.min()) < task.read_positions:
        return [
            f"expected at least {task.read_positions} real positions in every example, which are read out, "
            f"got {int(lengths.min())}"
        ]
    if batch.lengths is not None and list(batch.lengths) != lengths.tolist():
        return ["expected the batch's lengths to be what its mask says, got others. Leave them out"]
    return []


def _faults_of_labels(labels: Tensor, task: TaskSpec, count: int) -> list[str]:
    kind = torch.float32 if task.label_kind == "numbers" else torch.int64
    if labels.dtype != kind:
        other = ". Where labels are numbers, say label_kind='numbers'" if labels.is_floating_point() else ""
        return [f"expected labels of {_word(kind)} where they are {task.label_kind}, got {_word(labels.dtype)}{other}"]
    if labels.shape != (count, task.num_labels):
        return [f"expected labels of the shape ({count}, {task.num_labels}), got {tuple(labels.shape)}"]
    there = is_labelled(labels) if task.ragged else torch.ones_like(labels, dtype=torch.bool)
    if not bool(there.any(dim=1).all()):
        bare = int((~there).all(dim=1).sum())
        return [f"expected at least 1 label in every example, got none in {bare} of {count}. Leave those examples out"]
    if task.label_kind == "numbers":
        return _faults_of_numbers(labels[there], task)
    bound = task.num_classes if task.label_kind == "classes" else 2
    if (found := _outside(labels[there], bound)) is not None:
        why = f" (num_classes is {bound})" if task.label_kind == "classes" else ""
        hint = ". Where some are missing, say ragged=True" if found == IGNORED else ""
        return [f"expected labels from 0 to {bound - 1}{why}, got {found}{hint}"]
    return []


def _faults_of_numbers(labels: Tensor, task: TaskSpec) -> list[str]:
    bad = int((~torch.isfinite(labels)).sum())
    if not bad:
        return []
    hint = "" if task.ragged else ". Where NaN stands for a missing label, say ragged=True"
    return [f"expected finite labels, got NaN or infinity in {bad} of {labels.numel()}{hint}"]


def _outside(values: Tensor, bound: int) -> int | None:
    """Return a value that is not in [0, bound), or None."""
    lowest, highest = int(values.min()), int(values.max())
    return lowest if lowest < 0 else highest if highest >= bound else None


def _word(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")
