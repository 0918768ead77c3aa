"""What is done in another way on a GPU, where launching operators and waiting cost more than arithmetic."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def on_gpu(device: torch.device) -> bool:
    """Return whether the ways of a GPU are taken: the one place that decides, so that a test can take them on a CPU."""
    return device.type != "cpu"


def to_device(made: NDArray[Any], device: torch.device) -> Tensor:
    """Return what was made on the host as a tensor on the device, without waiting for the device.

    The tensor may be kept from a validation for training: it is none that only inference may use.
    """
    with torch.inference_mode(False):
        tensor = torch.from_numpy(made)
        # Only from pinned memory does a copy run beside the program.
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
