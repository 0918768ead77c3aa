"""Images in class folders, `train/cat/0001.png`: what lies there is listed once, for who finds, counts and reads it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.images.image_decoding import IMAGE_SUFFIXES, read_image
from datamodules.images.image_examples import LabelledImages

HIDDEN, IN_NO_CLASS = "hidden", "in no class folder"
"""Why an image is left out."""
_OF_A_SYSTEM = ("thumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir")
"""What systems leave in folders, in lower case."""


@dataclass
class ImageFolder:
    """What lies in the folder of a split."""

    classes: dict[str, list[Path]] = field(default_factory=dict)
    """By class folder, in the order of names: its files, sorted by name."""
    left_out: dict[str, int] = field(default_factory=lambda: {HIDDEN: 0, IN_NO_CLASS: 0})
    """How many images were passed over, by reason."""

    @property
    def count(self) -> int:
        """Images that are read."""
        return sum(map(len, self.classes.values()))


def list_images(folder: Path) -> ImageFolder:
    """Return the files of a split's class folders; hidden ones are counted and passed over, as are a system's own.

    A class folder with nothing to read is there and empty. AppleDouble files, `._0001.png`, are hidden ones.
    """
    found = ImageFolder()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _is_hidden(path):
            found.left_out[HIDDEN] += sum(map(_is_image, _files(path)))
        elif path.is_dir():
            inside = sorted(path.iterdir())
            found.left_out[HIDDEN] += sum(
                _is_image(file) for each in inside if _is_hidden(each) for file in _files(each)
            )
            found.classes[path.name] = [each for each in inside if not _is_hidden(each)]
        else:
            found.left_out[IN_NO_CLASS] += _is_image(path)
    return found


def holds_images(folder: Path) -> bool:
    """Return whether a class folder in a folder has an image that is read."""
    return any(_is_image(path) for paths in list_images(folder).classes.values() for path in paths)


def read_class_folders(folder: Path, classes: Sequence[str], side: int) -> LabelledImages:
    """Read `folder/<class>/*.jpg|png`, colour images of `side` x `side` pixels, in order of class and name.

    Raises:
        ValueError: another kind of file, an image that cannot be read or has another size, an empty class.
    """
    listed = list_images(folder)
    pixels, labels = [], []
    for label, name in enumerate(classes):
        paths = listed.classes[name]
        if not paths:
            raise ValueError(f"{folder / name}: expected images ({', '.join(IMAGE_SUFFIXES)}), got an empty folder")
        pixels += [_read_file(path, side) for path in paths]
        labels += [label] * len(paths)
    return LabelledImages(np.stack(pixels), np.array(labels, dtype=np.int64))


def _read_file(path: Path, side: int) -> NDArray[np.uint8]:
    if not _is_image(path):
        kind = "folder" if path.is_dir() else "file"
        raise ValueError(f"{path}: expected an image ({', '.join(IMAGE_SUFFIXES)}), got another {kind}. Move it away.")
    return read_image(path, str(path), side, 3)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _OF_A_SYSTEM


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


def _files(path: Path) -> Iterator[Path]:
    return (file for file in (path, *path.rglob("*")))
