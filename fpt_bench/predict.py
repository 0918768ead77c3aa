"""Ask a model a few test examples."""

import base64
import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from datamodules.contract import TaskDataModule
from fpt_bench.module import FPTModule
from fpt_bench.predictions import Prediction, shorten

COUNT = 6
"""Test examples whose predictions are kept with each run."""


@torch.no_grad()
def predict(
    module: FPTModule, datamodule: TaskDataModule, shown: TaskDataModule, count: int = COUNT
) -> tuple[Prediction, ...]:
    """Give the first examples of the headline test set with what a model says to them.

    Args:
        module: the model, with the weights that are tested.
        datamodule: the examples as the model takes them.
        shown: the same examples as the task gives them; another datamodule where features were computed before.
        count: examples at most.
    """
    split = shown.test_splits[0]
    places = np.arange(min(count, len(shown.examples(split))))
    batch, given = datamodule.examples(split).batch(places), shown.examples(split).batch(places)
    was_training, device = module.training, next(module.parameters()).device
    said = module.eval()(type(batch)(*(tensor.to(device) for tensor in batch))).argmax(-1).cpu()
    module.train(was_training)
    predictions = []
    for place, inputs, mask, labels, predicted in zip(
        places.tolist(), given.inputs, given.mask, given.labels, said, strict=True
    ):
        real = inputs[mask]
        picture = shown.picture(real)
        predictions.append(
            Prediction(
                example=place,
                input=shorten(" ".join(shown.words(real))),
                picture=None if picture is None else _as_png(picture),
                labels=tuple(labels.tolist()),
                predicted=tuple(predicted.tolist()),
            )
        )
    return tuple(predictions)


def _as_png(picture: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
