"""Random shifts, mirrorings and rotations of image batches, as the published code augments CIFAR-10."""

import numpy as np
from numpy.typing import NDArray

from datamodules.randomness import random_integers, random_uniform

MOST_SHIFT = 4
"""Pixels that an image is padded by on each side before a crop of its own size is taken."""
MOST_ROTATION = 20.0
"""Degrees, to either side."""


def augment(pixels: NDArray[np.uint8], seed: int, *address: int | str) -> NDArray[np.uint8]:
    """Shift, mirror and rotate each image of a batch at random.

    As in the published code: padded with black by 4 pixels and cropped at a random place, mirrored left to right with
    probability 0.5, rotated by up to 20 degrees with nearest-neighbour sampling
    (https://github.com/kzl/universal-computation/blob/master/universal_computation/datasets/cifar10.py).

    Args:
        pixels: (B, side, side, channels) uint8.
        seed: seed of the draws, with `address` as in :func:`datamodules.randomness.random_words`.

    Returns:
        (B, side, side, channels) uint8; black where the image does not reach.
    """
    count = len(pixels)
    shifts = random_integers(2 * count, 2 * MOST_SHIFT + 1, seed, *address, "shift").reshape(count, 2) - MOST_SHIFT
    mirrored = random_uniform(count, seed, *address, "mirror") < 0.5
    degrees = MOST_ROTATION * (2 * random_uniform(count, seed, *address, "rotation") - 1)
    return shift_mirror_rotate(pixels, shifts, mirrored, degrees)


def shift_mirror_rotate(
    pixels: NDArray[np.uint8], shifts: NDArray[np.int64], mirrored: NDArray[np.bool_], degrees: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Shift, then mirror, then rotate each image, filling with black.

    Args:
        pixels: (B, side, side, channels) uint8.
        shifts: (B, 2) int64, pixels up and to the left.
        mirrored: (B,) bool, left to right.
        degrees: (B,) float64, counter-clockwise about the image's centre.

    Returns:
        (B, side, side, channels) uint8.

    Example:
        >>> image = np.array([[[[1], [2]], [[3], [4]]]], dtype=np.uint8)
        >>> still, down = np.array([[0, 0]]), np.array([[-1, 0]])
        >>> shift_mirror_rotate(image, down, np.array([False]), np.array([0.0]))[0, :, :, 0].tolist()
        [[0, 0], [1, 2]]
        >>> shift_mirror_rotate(image, still, np.array([False]), np.array([90.0]))[0, :, :, 0].tolist()
        [[2, 4], [1, 3]]
    """
    side = pixels.shape[1]
    centred = np.arange(side) - (side - 1) / 2
    turn = np.radians(degrees)[:, None, None]
    # For each pixel of the result, the place in the image that it shows: back through the three steps.
    rows = np.cos(turn) * centred[:, None] + np.sin(turn) * centred
    columns = np.cos(turn) * centred - np.sin(turn) * centred[:, None]
    inside = np.maximum(np.abs(rows), np.abs(columns)) < side / 2
    row = np.rint(rows + (side - 1) / 2).astype(np.int64)
    column = np.rint(columns + (side - 1) / 2).astype(np.int64)
    column = np.where(mirrored[:, None, None], side - 1 - column, column)
    row, column = row + shifts[:, 0, None, None], column + shifts[:, 1, None, None]
    inside &= (row >= 0) & (row < side) & (column >= 0) & (column < side)
    shown = pixels[np.arange(len(pixels))[:, None, None], row.clip(0, side - 1), column.clip(0, side - 1)]
    filled: NDArray[np.uint8] = np.where(inside[..., None], shown, np.uint8(0))
    return filled
