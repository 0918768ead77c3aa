"""Images in Parquet tables, as hubs give CIFAR-10 and MNIST: a column of encoded pictures and one of labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.images.image_decoding import read_image
from datamodules.images.image_examples import LabelledImages
from datamodules.sources.parquet import SPLIT_NAMES, count_rows, has_columns, table_folders, table_rows, tables_of
from datamodules.sources.quotes import quote

IMAGE_COLUMNS, LABEL_COLUMNS = ("img", "image"), ("label",)


def image_tables_at(base: Path, names: Sequence[str]) -> Path | None:
    """Return the folder with tables of images for training and test, of a data set of one of these names, or None."""
    return next((folder for folder in table_folders(base, names) if holds_image_tables(folder)), None)


def holds_image_tables(folder: Path) -> bool:
    """Return whether tables of images for training and test lie in a folder."""
    return all(has_columns(folder, split, IMAGE_COLUMNS, LABEL_COLUMNS) for split in (TRAIN, TEST))


def image_tables(folder: Path) -> dict[str, list[Path]]:
    """Return the tables by split; without validation where none lie there."""
    found = {split: tables_of(folder, SPLIT_NAMES[split]) for split in (TRAIN, VALIDATION, TEST)}
    return {split: paths for split, paths in found.items() if paths}


def count_images(folder: Path) -> dict[str, int]:
    """Return how many images the tables of each split say that they hold."""
    return {split: count_rows(paths) for split, paths in image_tables(folder).items()}


def read_image_tables(folder: Path, side: int, channels: int) -> dict[str, LabelledImages]:
    """Read the tables of each split: images of `side` x `side` pixels and labels from 0 to 9.

    Raises:
        ValueError: a table, an image or a label is wrong; names file and row.
    """
    return {split: _read(paths, side, channels) for split, paths in image_tables(folder).items()}


def _read(paths: Sequence[Path], side: int, channels: int) -> LabelledImages:
    pixels, labels = [], []
    for path in paths:
        for number, (image, label) in enumerate(table_rows(path, (IMAGE_COLUMNS, LABEL_COLUMNS))):
            where = f"{path}, row {number}"
            if type(label) is not int or not 0 <= label <= 9:
                raise ValueError(f"{where}: expected a label from 0 to 9, got {quote(label)}")
            content = image.get("bytes") if isinstance(image, Mapping) else image
            if not isinstance(content, bytes):
                raise ValueError(f"{where}: expected the bytes of an image, got {quote(image)}")
            pixels.append(read_image(content, where, side, channels))
            labels.append(label)
    if not pixels:
        raise ValueError(f"{paths[0]}: expected images, got none")
    return LabelledImages(np.stack(pixels), np.array(labels, dtype=np.int64))
