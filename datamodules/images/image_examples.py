"""What the tasks on images share: labelled images in memory, cut into patches a batch at a time."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION, Batch, RecordCounts, TaskDataModule
from datamodules.examples import array_fingerprint
from datamodules.images.pixel_learners import PIXEL_LEARNERS
from datamodules.learners import SimpleLearner
from datamodules.randomness import random_permutation

SIDE = 32
"""Height and width of an image that is cut into patches, pixels."""
PATCH_SIZE = 4
"""Side of a patch of MNIST and CIFAR-10 in Lu et al. 2021, pixels."""


class LabelledImages(NamedTuple):
    """Images as files hold them."""

    pixels: NDArray[np.uint8]
    """(N, height, width, channels) uint8."""
    labels: NDArray[np.int64]
    """(N,) int64 in [0, C)."""

    def where(self, chosen: NDArray[np.bool_]) -> "LabelledImages":
        """Return the images at which `chosen`, (N,) bool, is True."""
        return LabelledImages(self.pixels[chosen], self.labels[chosen])


def cut_patches(images: NDArray[np.generic], size: int) -> NDArray[np.generic]:
    """Cut images into square patches, row by row.

    From (B, height, width, channels) to (B, T, D) of the same type: T patches of `size` x `size` pixels in reading
    order, each with its D = size * size * channels values row by row, channels last.

    Raises:
        ValueError: a side is no multiple of `size`.

    Example:
        >>> image = np.arange(16).reshape(1, 4, 4, 1)
        >>> cut_patches(image, 2).tolist()
        [[[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]]
    """
    count, height, width, channels = images.shape
    if height % size or width % size:
        raise ValueError(f"expected sides that are multiples of the patch size {size}, got {height} x {width} pixels")
    grid = images.reshape(count, height // size, size, width // size, size, channels)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(count, -1, size * size * channels)


def hold_out(labels: NDArray[np.int64], count: int, seed: int, *address: int | str) -> NDArray[np.bool_]:
    """Choose `count` of N examples to hold out, from each class in proportion to its size.

    From the (N,) int64 labels to (N,) bool, True exactly `count` times.

    Example:
        >>> labels = np.array([0, 1, 0, 1, 0, 1, 0, 1])
        >>> np.bincount(labels[hold_out(labels, 4, 0, "example")]).tolist()
        [2, 2]
    """
    shuffled = random_permutation(len(labels), seed, *address)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Even steps through the examples sorted by class take the same share of each class, to one example.
    positions = ((np.arange(count) + 0.5) * len(labels) / count).astype(np.int64)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    chosen[by_class[positions]] = True
    return chosen


def with_validation(
    train: LabelledImages, test: LabelledImages, count: int, seed: int, *address: str
) -> dict[str, LabelledImages]:
    """Return the splits with `count` stratified examples of train held out for validation."""
    held = hold_out(train.labels, count, seed, *address, VALIDATION)
    return {TRAIN: train.where(~held), VALIDATION: train.where(held), TEST: test}


@dataclass(frozen=True)
class ImageExamples:
    """Images of one split; kept as bytes, normalised and cut into patches when a batch is made.

    Both sides are multiples of `patch_size`; mean and deviation of each channel are on the scale of pixels in [0, 1].
    """

    images: LabelledImages
    patch_size: int
    mean: tuple[float, ...]
    standard_deviation: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.images.labels)

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        return self.as_batch(self.images.pixels[indices], self.images.labels[indices])

    def as_batch(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Batch:
        """Return images, (B, height, width, channels) uint8, and labels, (B,) int64, as models take them."""
        mean, deviation = np.array([self.mean, self.standard_deviation], dtype=np.float32)
        normalised = (pixels.astype(np.float32) / np.float32(255) - mean) / deviation
        inputs = torch.from_numpy(np.ascontiguousarray(cut_patches(normalised, self.patch_size)))
        return Batch(inputs, torch.ones(inputs.shape[:2], dtype=torch.bool), torch.from_numpy(labels[:, None]))

    def as_picture(self, inputs: torch.Tensor) -> NDArray[np.uint8]:
        """Return the image that `inputs`, (T, D) float32, were made of: (height, width, 3) uint8."""
        size, channels = self.patch_size, self.images.pixels.shape[3]
        height, width = (side // size for side in self.images.pixels.shape[1:3])
        patches = inputs.numpy().reshape(height, width, size, size, channels).swapaxes(1, 2)
        whole = patches.reshape(height * size, width * size, channels)
        bytes_ = np.rint((whole * self.standard_deviation + self.mean) * 255).clip(0, 255).astype(np.uint8)
        return np.broadcast_to(bytes_, (*bytes_.shape[:2], 3))

    def fingerprint(self) -> str:
        how = np.array([self.patch_size, *self.mean, *self.standard_deviation])
        return array_fingerprint(self.images.pixels, self.images.labels, how)


class ImageDataModule(TaskDataModule):
    """A task on images. A subclass defines `task`, `source`, `images` and how pixels are normalised."""

    patch_size: ClassVar[int] = PATCH_SIZE
    mean: ClassVar[tuple[float, ...]]
    """Of each channel, on the scale where pixels are in [0, 1]; so is `standard_deviation`."""
    standard_deviation: ClassVar[tuple[float, ...]]

    @property
    @abstractmethod
    def images(self) -> dict[str, LabelledImages]:
        """Every split; read at the first call."""

    def examples(self, split: str) -> ImageExamples:
        if split not in self.images:
            raise ValueError(f"{self.task.name}: expected one of the splits {list(self.images)}, got {split!r}")
        return ImageExamples(self.images[split], self.patch_size, self.mean, self.standard_deviation)

    def simple_learners(self) -> Mapping[str, SimpleLearner]:
        return PIXEL_LEARNERS

    def record_counts(self) -> Mapping[str, RecordCounts]:
        return {split: RecordCounts(len(images.labels)) for split, images in self.images.items()}

    def picture(self, inputs: torch.Tensor) -> NDArray[np.uint8]:
        return self.examples(VALIDATION).as_picture(inputs)
