"""Splits held in memory: as arrays of one length, or as sequences of different lengths."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.contract import Batch


def require_labels(labels: NDArray[np.generic], count: int) -> None:
    """Raise a ValueError unless labels are integers or float32, and as many as there are examples."""
    if not isinstance(labels, np.ndarray):
        raise ValueError(f"expected labels as a numpy array (N, L) of integers or float32, got {type(labels).__name__}")
    if labels.dtype.kind not in "iub" and labels.dtype != np.float32:
        raise ValueError(
            f"expected labels as integers from 0 to C - 1, or as float32 where the task's label_kind is 'numbers', got "
            f"{labels.dtype}. Convert them"
        )
    if len(labels) != count:
        raise ValueError(f"expected labels for each of {count} examples, got {len(labels)}")


def _as_tensor(labels: NDArray[np.generic]) -> torch.Tensor:
    """Return labels as a batch has them: numbers as they are, all else as int64."""
    tensor = torch.from_numpy(labels)
    return tensor if tensor.is_floating_point() else tensor.long()


@dataclass(frozen=True)
class ArrayExamples:
    """Examples of one length, as two arrays.

    Raises:
        ValueError: labels that are neither integers nor float32, or not as many as inputs; so does `SequenceExamples`.
    """

    inputs: NDArray[np.generic]
    """(N, T, D) float32 or (N, T) integer."""
    labels: NDArray[np.int64] | NDArray[np.float32]
    """(N, L) integer, or float32 where they are numbers."""

    def __post_init__(self) -> None:
        require_labels(self.labels, len(self.inputs))

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        inputs = torch.from_numpy(self.inputs[indices])
        inputs = inputs if inputs.is_floating_point() else inputs.long()
        mask = torch.ones(inputs.shape[:2], dtype=torch.bool)
        return Batch(inputs, mask, _as_tensor(self.labels[indices]))

    def fingerprint(self) -> str:
        return array_fingerprint(self.inputs, self.labels)


@dataclass(frozen=True)
class SequenceExamples:
    """Token sequences of different lengths, padded on the right to the longest of a batch."""

    sequences: tuple[NDArray[np.integer], ...]
    """N arrays, each (T,) integer in [0, V)."""
    labels: NDArray[np.int64] | NDArray[np.float32]
    """(N, L) integer, or float32 where they are numbers."""
    padding: int = 0
    """Id that fills the positions behind a sequence."""

    def __post_init__(self) -> None:
        for sequence in self.sequences:
            if sequence.dtype.kind not in "iu" or sequence.ndim != 1:
                raise ValueError(
                    f"expected sequences of tokens, each (T,) integer, got {sequence.shape} of {sequence.dtype}. "
                    "Numbers of unequal length: pad them with zeros, and return a Batch with its mask from Examples of "
                    "your own"
                )
        require_labels(self.labels, len(self.sequences))

    def __len__(self) -> int:
        return len(self.sequences)

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        chosen = [self.sequences[i] for i in indices]
        lengths = np.array([len(sequence) for sequence in chosen])
        inputs = np.full((len(chosen), lengths.max()), self.padding, dtype=np.int64)
        for row, sequence in zip(inputs, chosen, strict=True):
            row[: len(sequence)] = sequence
        mask = np.arange(lengths.max()) < lengths[:, None]
        return Batch(torch.from_numpy(inputs), torch.from_numpy(mask), _as_tensor(self.labels[indices]))

    def fingerprint(self) -> str:
        lengths = np.array([len(sequence) for sequence in self.sequences])
        return array_fingerprint(lengths, np.concatenate(self.sequences), self.labels)


def join_batches(batches: Sequence[Batch]) -> Batch:
    """Return batches as one, padded on the right to the longest.

    Example:
        >>> short, long = (Batch(torch.ones(1, n, 1), torch.ones(1, n, dtype=bool), torch.zeros(1, 1)) for n in (1, 2))
        >>> join_batches([short, long]).mask.tolist()
        [[True, False], [True, True]]
    """
    length = max(batch.mask.shape[1] for batch in batches)

    def padded(tensor: torch.Tensor) -> torch.Tensor:
        whole = tensor.new_zeros(len(tensor), length, *tensor.shape[2:])
        whole[:, : tensor.shape[1]] = tensor
        return whole

    inputs, mask = (torch.cat([padded(getattr(part, field)) for part in batches]) for field in ("inputs", "mask"))
    return Batch(inputs, mask, torch.cat([batch.labels for batch in batches]))


def count_held_out(task: str, what: str, total: int, validation_share: float, test_share: float) -> tuple[int, int]:
    """Return how many of all inputs of a task are held out for validation and for test.

    Raises:
        ValueError: shares that leave one of the three parts empty.

    Example:
        >>> count_held_out("bit-xor", "inputs", 1024, 0.125, 0.125)
        (128, 128)
    """
    shares = (validation_share, test_share)
    possible = min(shares) * total >= 1 and sum(shares) < 1
    validation, test = (round(share * total) for share in shares) if possible else (0, 0)
    if not possible or validation + test >= total:
        raise ValueError(
            f"{task}: expected shares of at least 1 of the {total} {what} that leave something to train on, "
            f"got validation_share={validation_share} and test_share={test_share}"
        )
    return validation, test


def array_fingerprint(*arrays: NDArray[np.generic]) -> str:
    """Return a SHA-256 over shapes, types and bytes of the arrays: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
