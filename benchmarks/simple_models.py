"""How hard image data are: test accuracy of models that know nothing, trained on the pixels.

    python -m benchmarks.simple_models cifar cifar-lra                               # the embedded pictures
    python -m benchmarks.simple_models cifar --data real --data-root my-cifar        # prints a table; writes nothing

Each model takes PASSES passes over the training set with Adam (1e-3, batches of 64, no augmentation); the score is that
of the last step, on the whole test set. One fit each, seed 0.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from datamodules.contract import TEST, TRAIN
from fpt_bench.training.tasks import find_task

PASSES, BATCH, RATE = 20, 64, 1e-3


def block(inputs: int, outputs: int) -> nn.Module:
    """Return a convolution of 3 x 3 that halves the picture's sides."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))


def make_models(channels: int, side: int, classes: int) -> dict[str, nn.Module]:
    """Return the models by name, for pictures (N, channels, side, side)."""
    pixels = channels * side**2
    return {
        "channel means, linear": nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(channels), nn.Linear(channels, classes)
        ),
        "pixels, linear": nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes)),
        "pixels, one hidden layer of 256": nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, 256), nn.ReLU(), nn.Linear(256, classes)
        ),
        "three convolutions (16, 32, 64)": nn.Sequential(
            block(channels, 16), block(16, 32), block(32, 64),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, classes),
        ),
    }  # fmt: skip


def fit(model: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    """Train a model on pictures (N, channels, side, side) and labels (N,)."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(PASSES):
        for chosen in torch.randperm(len(labels)).split(BATCH):
            functional.cross_entropy(model(pictures[chosen]), labels[chosen]).backward()
            optimizer.step()
            optimizer.zero_grad()


def score(model: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """Return the accuracy, a fraction."""
    model.eval()
    with torch.no_grad():
        return float((model(pictures).argmax(1) == labels).double().mean())


def measure(task: str, data: str, root: Path | None) -> list[dict[str, object]]:
    """Return a row for each model."""
    module = find_task(task)(data=data, root=root)
    sets = {split: module.examples(split).images for split in (TRAIN, TEST)}
    whole = sets[TRAIN].pixels
    mean, deviation = whole.mean(axis=(0, 1, 2)), whole.std(axis=(0, 1, 2))
    tensors = {
        split: (
            torch.from_numpy(((part.pixels - mean) / deviation).astype(np.float32).transpose(0, 3, 1, 2).copy()),
            torch.from_numpy(np.asarray(part.labels, dtype=np.int64)),
        )
        for split, part in sets.items()
    }
    pictures, labels = tensors[TRAIN]
    rows = []
    torch.manual_seed(0)
    for name, model in make_models(pictures.shape[1], pictures.shape[2], module.task.num_classes).items():
        fit(model, pictures, labels)
        rows.append(
            {"task": task, "data": module.data, "trained on": len(labels), "model": name,
             "test %": 100 * score(model, *tensors[TEST])}
        )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", choices=["mnist", "cifar", "cifar-lra"])
    parser.add_argument("--data", choices=["real", "embedded"], default="embedded")
    parser.add_argument("--data-root", type=Path)
    given = parser.parse_args()
    rows = [row for task in given.tasks for row in measure(task, given.data, given.data_root)]
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.1f"))


if __name__ == "__main__":
    main()
