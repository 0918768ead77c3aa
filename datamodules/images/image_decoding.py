"""One image of a file or a table as bytes, eight bits a channel: what would become another picture is refused."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
_EIGHT_BITS = ("1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr", "HSV", "LAB")
"""Modes of pillow that hold at most eight bits a channel."""
_WITH_ALPHA = ("RGBA", "LA", "PA")
_ORIENTATION = 0x0112
"""Of EXIF: how the camera was held."""


def read_image(content: Path | bytes, where: str, side: int, channels: int) -> NDArray[np.uint8]:
    """Return one image as (side, side, channels) uint8: in colour for 3 channels, in grey for 1.

    Sixteen bits are cut to the upper eight; the orientation that EXIF has is honoured. `where` names it in errors.

    Raises:
        ValueError: it cannot be read, has another size or several pictures, is transparent, or has more than eight bits
            a channel that are no 16-bit grey values; and colours where 1 channel is asked for.
    """
    # By pillow: torchvision 0.29 decodes the same pixels, but crashes the process where a byte of a PNG is damaged.
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
            if (pictures := getattr(image, "n_frames", 1)) != 1:
                raise ValueError(f"{where}: expected one picture, got {pictures} in one file ({image.format})")
            if image.size != (side, side):
                raise ValueError(f"{where}: expected {side} x {side} pixels, got {image.width} x {image.height}")
            image.load()
            upright = ImageOps.exif_transpose(image) if image.getexif().get(_ORIENTATION, 1) != 1 else image
            pixels = _eight_bits(upright, where)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        reason = str(error)[:80]
        raise ValueError(f"{where}: expected an image, got something that cannot be read as one ({reason})") from error
    if channels == 3:
        return pixels
    if (pixels != pixels[..., :1]).any():
        raise ValueError(f"{where}: expected grey values, got colours (mode {image.mode})")
    return pixels[..., :1]


def _eight_bits(image: Image.Image, where: str) -> NDArray[np.uint8]:
    """Return (height, width, 3) uint8."""
    if image.mode.startswith("I"):
        return _from_sixteen_bits(np.array(image), image, where)
    if image.mode not in _EIGHT_BITS:
        raise ValueError(f"{where}: expected at most 8 bits a channel, got mode {image.mode}. Save it as an 8-bit PNG.")
    if (image.mode in _WITH_ALPHA or "transparency" in image.info) and (
        np.array(image.convert("RGBA"))[..., 3] < 255
    ).any():
        raise ValueError(
            f"{where}: expected a picture without transparency, got mode {image.mode} with transparent pixels: what is "
            "behind them is not known. Save it on a background."
        )
    return np.array(image.convert("RGB"))


def _from_sixteen_bits(values: NDArray[np.generic], image: Image.Image, where: str) -> NDArray[np.uint8]:
    lowest, highest = int(values.min()), int(values.max())
    # Values of eight bits in a file of sixteen would all become black.
    if (
        not (image.mode.startswith("I;16") or image.format == "PNG")
        or lowest < 0
        or not (highest == 0 or 255 < highest < 65_536)
    ):
        raise ValueError(
            f"{where}: expected 8 bits a channel, or 16-bit grey values, got mode {image.mode} with values "
            f"from {lowest:,} to {highest:,}. Save it as an 8-bit PNG."
        )
    return np.repeat((values.astype(np.int64) >> 8).astype(np.uint8)[..., None], 3, axis=2)
