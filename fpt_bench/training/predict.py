"""Ask a model a few test examples."""

import base64
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.io import encode_png

from datamodules.constants import is_labelled, known_labels
from datamodules.contract import TaskDataModule
from datamodules.metrics import IGNORED
from fpt_bench.bodies.execution import as_trained
from fpt_bench.results.predictions import Prediction, shorten
from fpt_bench.training.module import FPTModule
from fpt_bench.training.objective import what_is_said

COUNT = 6
"""Test examples whose predictions are kept with each run."""


@torch.no_grad()
def predict(
    module: FPTModule, datamodule: TaskDataModule, shown: TaskDataModule, count: int = COUNT
) -> tuple[Prediction, ...]:
    """Return at most `count` first examples of the headline test set with what a model says to them.

    `datamodule` has the examples as the model takes them, `shown` as the task gives them: another one where features
    were computed before.
    """
    split = shown.test_splits[0]
    indices = np.arange(min(count, len(shown.examples(split))))
    batch, given = datamodule.examples(split).batch(indices), shown.examples(split).batch(indices)
    was_training, device = module.training, next(module.parameters()).device
    with as_trained(module.spec, device):
        said = what_is_said(module.task, module.eval()(batch.to(device)))[0].cpu()
    module.train(was_training)
    missing = math.nan if said.is_floating_point() else IGNORED
    said = torch.where(is_labelled(given.labels), said, missing)
    predictions = []
    for index in indices.tolist():
        real = given.inputs[index, given.mask[index]]
        picture = shown.picture(real)
        predictions.append(
            Prediction(
                example=index,
                input=shorten(" ".join(shown.words(real))),
                picture=None if picture is None else _as_png(picture),
                labels=known_labels(given.labels[index]),
                predicted=known_labels(said[index]),
            )
        )
    return tuple(predictions)


def _as_png(picture: NDArray[np.uint8]) -> str:
    png = encode_png(torch.tensor(picture.transpose(2, 0, 1)))
    return base64.b64encode(png.numpy().tobytes()).decode()
