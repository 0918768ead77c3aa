"""Who attends to whom: the attention weights of a run's model on one example, beside those of a random body."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.contract import TaskDataModule
from fpt_bench.harness import run_one
from fpt_bench.module import FPTModule
from fpt_bench.restore import make_model, read_run, restore
from fpt_bench.results import RunResult, read_result
from fpt_bench.spec import RunSpec
from fpt_bench.workspace import Workspace

RANDOM = "random"
"""The init that the others are shown beside."""


@dataclass(frozen=True)
class AttentionMaps:
    """The attention of one model on one example of t positions."""

    title: str
    """Whose body, and where its weights come from."""
    words: tuple[str, ...]
    """What stands at each position, t texts."""
    weights: NDArray[np.float32]
    """(layers, heads, t, t), from position to position; rows sum to 1."""


def maps_of_run(
    folder: Path, example: int, data_root: Path | None = None, offline: bool = False
) -> list[AttentionMaps]:
    """Give the attention of a run's model, and of a random body beside it, on one test example.

    The random body is that of the run that differs in its init alone, with its trained weights, where that run is over
    in the same folder of runs; else it is untrained. A run whose own init is random stands alone.

    Args:
        folder: the run's folder.
        example: place in the headline test set, counted from 0.
        data_root: where to look for real data.
        offline: never touch the network.

    Raises:
        FileNotFoundError: no run is there, or data or weights that cannot be had.
        ValueError: there is no such example, or the body has no attention.
    """
    result = read_run(folder)
    workspace = Workspace(folder.resolve().parent, data_root, offline)
    module, datamodule = restore(result, workspace, run_one)
    maps = [attention_maps(module, datamodule, example, f"{result.spec.init}, trained, step {result.best_step}")]
    if result.spec.init != RANDOM:
        twin, words = _random_twin(result.spec, datamodule, workspace)
        maps.append(attention_maps(twin, datamodule, example, words))
    return maps


def attention_maps(module: FPTModule, datamodule: TaskDataModule, example: int, title: str) -> AttentionMaps:
    """Give the attention of a model on one example of the headline test set, without dropout.

    Raises:
        ValueError: there is no such example, or the body has no attention.
    """
    examples = datamodule.examples(datamodule.test_splits[0])
    if not 0 <= example < len(examples):
        raise ValueError(f"expected a test example from 0 to {len(examples) - 1}, got {example}")
    if not hasattr(module.body, "attention_weights"):
        raise ValueError(f"expected a body with attention, {type(module.body).__name__} has none to show")
    batch = examples.batch(np.array([example]))
    with torch.no_grad():
        weights = module.eval().body.attention_weights(module.input(batch.inputs), batch.mask)
    words = datamodule.words(batch.inputs[0, batch.mask[0]])
    return AttentionMaps(title, tuple(words), weights.numpy())


def _random_twin(spec: RunSpec, datamodule: TaskDataModule, workspace: Workspace) -> tuple[FPTModule, str]:
    """Give the model that differs in its init alone, trained where it was, and a title that says which."""
    twin = spec.model_copy(update={"init": RANDOM})
    result: RunResult | None = read_result(workspace.runs / twin.run_id)
    if result is not None and result.best_step is not None:
        return restore(result, workspace, run_one)[0], f"{RANDOM}, trained, step {result.best_step}"
    return make_model(twin, datamodule.task, workspace, trained=None)[
        0
    ], f"{RANDOM}, untrained: its run is not in {workspace.runs}"
