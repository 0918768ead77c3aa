"""Which axis of an array of images is which: told by its shape, and where that does not say it, by its content."""

import math

import numpy as np
from numpy.typing import NDArray

SEEN = 200
"""Images at which the content is looked at."""
ROUGHER = 0.75
"""Images read in another order of their values have neighbours that differ about twice as much; noise, as much."""
_ORDERS = (
    ("N", "CHW"), ("CHW", "N"),
    ("N", "C", "H", "W"), ("N", "H", "W", "C"), ("H", "W", "C", "N"), ("C", "H", "W", "N"),
    ("N", "H", "W"), ("H", "W", "N"),
)  # fmt: skip
"""Orders of images (N), colours (C), rows (H) and columns (W) that arrays come in; what stands together is one axis."""


def require_bytes(pixels: NDArray[np.generic], where: str) -> None:
    """Raise a ValueError that says what to do unless the values are bytes from 0 to 255.

    Example:
        >>> require_bytes(np.array([0.0, 0.5]), "here")
        Traceback (most recent call last):
        ...
        ValueError: here: expected bytes (uint8) from 0 to 255, got float64 from 0 to 0.5. Scale and round them.
    """
    if pixels.dtype == np.uint8:
        return
    span = f" from {pixels.min():g} to {pixels.max():g}" if pixels.size else ""
    raise ValueError(f"{where}: expected bytes (uint8) from 0 to 255, got {pixels.dtype}{span}. Scale and round them.")


def images_of(pixels: NDArray[np.uint8], count: int, side: int, channels: int, where: str) -> NDArray[np.uint8]:
    """Return `count` images as (N, side, side, channels), whichever order of axes the array has.

    An order that the shape tells is turned. Where an image is one row of values, they come colour by colour, as in
    CIFAR-10's files. What nothing tells, rows and columns exchanged, stays as it is.

    Raises:
        ValueError: no order of axes fits the shape, several do, or the values of a row come pixel by pixel.

    Example:
        >>> turned = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
        >>> images_of(turned, 2, 2, 3, "here")[0, 0, 1].tolist()
        [1, 5, 9]
        >>> images_of(turned.reshape(2, 12), 2, 2, 3, "here").shape
        (2, 2, 2, 3)
    """
    sizes = {"N": count, "C": channels, "H": side, "W": side}
    found = [
        order for order in _ORDERS if _shape(order, sizes) == pixels.shape and (channels == 1 or "C" in "".join(order))
    ]
    if not found:
        wanted = " or ".join(str(_shape(order, sizes)) for order in (("N", "CHW"), ("N", "C", "H", "W")))
        raise ValueError(
            f"{where}: expected {count} images of {side} x {side} pixels in the shape {wanted}, got {pixels.shape}"
        )
    if len(found) > 1:
        raise ValueError(
            f"{where}: expected a shape that tells which axis is which, got {pixels.shape} for {count} images. "
            "Save them in parts of another number."
        )
    axes = "".join(found[0])
    grid = pixels.reshape([sizes[axis] for axis in axes])
    images = np.ascontiguousarray(grid.transpose([axes.index(axis) for axis in "NHWC" if axis in axes]))
    images = images.reshape(count, side, side, channels)
    if "CHW" in found[0] and channels > 1:
        _require_colour_by_colour(images, where)
    return images


def _shape(order: tuple[str, ...], sizes: dict[str, int]) -> tuple[int, ...]:
    return tuple(math.prod(sizes[axis] for axis in together) for together in order)


def _require_colour_by_colour(images: NDArray[np.uint8], where: str) -> None:
    """Raise a ValueError where rows of values make much smoother images if they are read pixel by pixel."""
    few = images[:SEEN]
    count, side, _, channels = few.shape
    other = few.transpose(0, 3, 1, 2).reshape(count, side, side, channels)
    if _roughness(other) < ROUGHER * _roughness(few):
        raise ValueError(
            f"{where}: expected each image colour by colour, all red values first, got values whose neighbours are "
            f"alike pixel by pixel. Save the array in the shape ({len(images)}, {side}, {side}, {channels})."
        )


def _roughness(images: NDArray[np.uint8]) -> float:
    """Return by how much neighbours differ on average."""
    values = images.astype(np.int16)
    return float(np.abs(np.diff(values, axis=1)).mean() + np.abs(np.diff(values, axis=2)).mean())
