"""Random shifts, mirrorings and rotations of image batches, as the published code augments CIFAR-10."""

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional

from datamodules.randomness import random_integers, random_uniform

MOST_SHIFT = 4
"""Pixels that an image is padded by on each side before a crop of its own size is taken."""
MOST_ROTATION = 20.0
"""Degrees, to either side."""


def augment(pixels: NDArray[np.uint8], seed: int, *address: int | str) -> NDArray[np.uint8]:
    """Shift, mirror and rotate each image of a batch at random.

    As in the published code: padded with black by 4 pixels and cropped at random, mirrored left to right with
    probability 0.5, rotated by up to 20 degrees with nearest-neighbour sampling
    (https://github.com/kzl/universal-computation/blob/master/universal_computation/datasets/cifar10.py).
    Pixels are (B, side, side, channels) uint8, before and after; black where the image does not reach.
    """
    # torchvision's own random transforms draw from torch's global state: a resumed run would draw others.
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
        pixels: (B, side, side, channels) uint8, as what is returned.
        shifts: (B, 2) int64, pixels up and to the left, at most `MOST_SHIFT` either way.
        mirrored: (B,) bool, left to right.
        degrees: (B,) float64, counter-clockwise about the image's centre.

    Example:
        >>> image = np.array([[[[1], [2]], [[3], [4]]]], dtype=np.uint8)
        >>> still, down = np.array([[0, 0]]), np.array([[-1, 0]])
        >>> shift_mirror_rotate(image, down, np.array([False]), np.array([0.0]))[0, :, :, 0].tolist()
        [[0, 0], [1, 2]]
        >>> shift_mirror_rotate(image, still, np.array([False]), np.array([90.0]))[0, :, :, 0].tolist()
        [[2, 4], [1, 3]]
    """
    side = pixels.shape[1]
    padded = functional.pad(torch.from_numpy(pixels).permute(0, 3, 1, 2), [MOST_SHIFT])
    corners = (shifts + MOST_SHIFT).tolist()
    moved = torch.stack([functional.crop(image, *at, side, side) for image, at in zip(padded, corners, strict=True)])
    to_mirror = torch.from_numpy(mirrored)
    moved[to_mirror] = functional.hflip(moved[to_mirror])
    # Nearest-neighbour sampling and black are torchvision's defaults; it turns a whole batch by one angle only.
    turned = [functional.rotate(image, angle) for image, angle in zip(moved, degrees.tolist(), strict=True)]
    return torch.stack(turned).permute(0, 2, 3, 1).numpy()
