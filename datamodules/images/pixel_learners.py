"""What simple learners make of pictures: every pixel a number by itself."""

from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from datamodules.learners import SimpleLearner, linear_softmax, nearest_centroid


def pixels(inputs: Tensor, _: Tensor) -> NDArray[Any]:
    """Return inputs (B, T, D), all of one length, as (B, T x D)."""
    return inputs.flatten(1).numpy()


PIXEL_LEARNERS = {
    "nearest centroid on pixels": SimpleLearner(pixels, nearest_centroid),
    "linear softmax on pixels": SimpleLearner(pixels, linear_softmax),
}
