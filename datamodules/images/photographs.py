"""The stand-in for CIFAR-10 that needs no download: crops of ten photographs that scikit-image carries.

The class of a crop is the photograph it comes from, no object class: telling them apart is telling textures. Five of
the ten are grey photographs, so that whether a crop varies in colour halves the choice. Half of its light is its own
and half is drawn at random by :func:`relight`: in their own light mean colours alone would tell most photographs, and
in a random one simple models learn far less than on CIFAR-10.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.contract import TEST, TRAIN, VALIDATION
from datamodules.images.image_examples import LabelledImages
from datamodules.randomness import random_permutation, random_uniform
from datamodules.sources.packages import packaged_file

# Only PNG files: every decoder makes the same pixels of them, which is not so for JPEG.
PHOTOGRAPHS = {
    "astronaut": ("astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
    "brick": ("brick.png", "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"),
    "cat": ("chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
    "coffee": ("coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
    "coins": ("coins.png", "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba"),
    "grass": ("grass.png", "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"),
    "gravel": ("gravel.png", "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"),
    "motorcycle": ("motorcycle_left.png", "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"),
    "photographer": ("camera.png", "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"),
    "tissue": ("ihc.png", "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef"),
}
"""The ten classes in the order of their labels: file in scikit-image's data folder, and its SHA-256."""
EXAMPLES_A_CLASS = {TRAIN: 500, VALIDATION: 25, TEST: 100}
CROP_SIDE = 32
CELL_SIDE = 64
"""Side of the squares of a photograph that go to one split as a whole, pixels."""
MARGIN = 8
"""Pixels between two such squares that no example shows."""
STRIDE = 4
"""Pixels from one corner at which a crop of a square may start to the next."""
LEAST_CONTRAST = 8.0
"""Standard deviation of grey values, of 255, below which a crop shows nothing but a blank wall, and is passed over."""


def cell_corners(height: int, width: int, seed: int, *address: int | str) -> dict[str, NDArray[np.int64]]:
    """Share the squares of a photograph out to train (70 %), validation (10 %) and test (20 %).

    Returns:
        For each split (N, 2) int64: row and column of the upper left corner of its squares, pixels.
    """
    pitch = CELL_SIDE + MARGIN
    rows, columns = (height + MARGIN) // pitch, (width + MARGIN) // pitch
    shuffled = random_permutation(rows * columns, seed, *address)
    tested, held = rows * columns // 5, rows * columns // 10
    test, validation, train = np.split(shuffled, [tested, tested + held])
    parts = {TRAIN: train, VALIDATION: validation, TEST: test}
    return {split: np.stack(np.divmod(part, columns), axis=1) * pitch for split, part in parts.items()}


def photograph_crops(seed: int) -> dict[str, LabelledImages]:
    """Return train, validation and test crops of the ten photographs, (N, 32, 32, 3), classes of equal size."""
    pixels: dict[str, list[NDArray[np.uint8]]] = {split: [] for split in EXAMPLES_A_CLASS}
    for name, (file, digits) in PHOTOGRAPHS.items():
        with Image.open(packaged_file("scikit-image", f"skimage/data/{file}", f"sha256:{digits}")) as image:
            photograph = np.array(image.convert("RGB"))
        corners = cell_corners(*photograph.shape[:2], seed, name)
        for split, count in EXAMPLES_A_CLASS.items():
            crops = _choose_crops(photograph, corners[split], count, seed, name, split)
            lit = relight(crops, seed, name, split, "light")
            pixels[split].append(((crops.astype(np.uint16) + lit + 1) // 2).astype(np.uint8))  # halves rounded up
    return {
        split: LabelledImages(np.concatenate(parts), np.repeat(np.arange(len(parts)), EXAMPLES_A_CLASS[split]))
        for split, parts in pixels.items()
    }


def relight(crops: NDArray[np.uint8], seed: int, *address: int | str) -> NDArray[np.uint8]:
    """Return each crop a random light of its own, so that neither its colour nor its contrast tells the photograph.

    Each channel's mean is moved to a random brightness and tint, and all three channels are stretched by one factor to
    a random contrast; what stays is where light and colour lie in the crop. Crops are (N, height, width, 3) uint8.
    """
    contrast, brightness, *tint = random_uniform(5 * len(crops), seed, *address).reshape(5, -1)
    wanted_contrast = 30 + 30 * contrast
    wanted_mean = 80 + 95 * brightness[:, None] + 25 * (2 * np.stack(tint, axis=1) - 1)
    size = crops.shape[1] * crops.shape[2]
    # Sums of integers are exact, so the crops are the same on every machine.
    values = crops.astype(np.int64)
    sums, squares = values.sum(axis=(1, 2)), (values**2).sum(axis=(1, 2))
    deviation = np.sqrt((size * squares - sums**2).sum(axis=1) / 3) / size
    gain = wanted_contrast / np.maximum(deviation, 1)
    lit = (values - (sums / size)[:, None, None]) * gain[:, None, None, None] + wanted_mean[:, None, None]
    rounded: NDArray[np.uint8] = np.rint(np.clip(lit, 0, 255)).astype(np.uint8)
    return rounded


def _choose_crops(
    photograph: NDArray[np.uint8], corners: NDArray[np.int64], count: int, seed: int, *address: int | str
) -> NDArray[np.uint8]:
    """Return `count` different crops, mirrored or not, (count, 32, 32, 3), from the squares at `corners`."""
    steps = np.arange(0, CELL_SIDE - CROP_SIDE + 1, STRIDE)
    offsets = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 2)
    rows, columns = (corners[:, None] + offsets).reshape(-1, 2).T
    grey = _windows(photograph.sum(axis=2, dtype=np.int64))[rows, columns]
    size = CROP_SIDE**2
    variance = (size * (grey**2).sum(axis=(1, 2)) - grey.sum(axis=(1, 2)) ** 2) / (3 * size) ** 2
    rows, columns = rows[variance >= LEAST_CONTRAST**2], columns[variance >= LEAST_CONTRAST**2]
    # A number below len(rows) is the index of a crop; that number plus len(rows) is the same crop mirrored.
    chosen = random_permutation(2 * len(rows), seed, *address)[:count]
    indices = chosen % len(rows)
    crops = _windows(photograph)[rows[indices], columns[indices]].transpose(0, 2, 3, 1)
    result: NDArray[np.uint8] = np.where((chosen >= len(rows))[:, None, None, None], crops[:, :, ::-1], crops)
    return result


def _windows(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return a view of an image's 32 x 32 windows by their upper left corner: (rows, columns, [channels,] 32, 32)."""
    return np.lib.stride_tricks.sliding_window_view(image, (CROP_SIDE, CROP_SIDE), axis=(0, 1))
