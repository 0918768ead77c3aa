"""Who attends to whom: the attention weights of a run's model on one example, beside those of a random body."""

from pathlib import Path

import numpy as np
import torch

from datamodules.contract import TaskDataModule
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import runs_with
from fpt_bench.results.predictions import AttentionMaps
from fpt_bench.results.result_files import read_result, read_run
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.model import make_model
from fpt_bench.training.module import FPTModule
from fpt_bench.training.replay import restore

RANDOM = "random"
"""The init that the others are shown beside."""


def maps_of_run(
    folder: Path, example: int, data_root: Path | None = None, offline: bool = False, trust: bool = False
) -> list[AttentionMaps]:
    """Return the attention of a run's model, and of a random body beside it, on the test example of that index.

    The random body is that of the run that differs in its init alone, with its trained weights, where that run is over
    in the same folder of runs; else it is untrained. A run whose own init is random stands alone.

    Raises:
        FileNotFoundError: no run is there, or data or weights are not available.
        ValueError: there is no such example, the body has no attention, or, without `trust`, a result names code.
    """
    result = read_run(folder)
    workspace = Workspace(runs_with(folder), data_root, offline)
    module, datamodule = restore(result, workspace, trust)
    maps = [attention_maps(module, datamodule, example, f"{result.spec.init}, trained, step {result.best_step}")]
    if result.spec.init != RANDOM:
        twin, words = _random_twin(result.spec, datamodule, workspace, trust)
        maps.append(attention_maps(twin, datamodule, example, words))
    return maps


def attention_maps(module: FPTModule, datamodule: TaskDataModule, example: int, title: str) -> AttentionMaps:
    """Return the attention of a model on one example of the headline test set, without dropout.

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


def _random_twin(spec: RunSpec, datamodule: TaskDataModule, workspace: Workspace, trust: bool) -> tuple[FPTModule, str]:
    """Return the model that differs in its init alone, trained where it was, and a title that says which."""
    twin = spec.model_copy(update={"init": RANDOM})
    result = read_result(workspace.runs / twin.run_id)
    if result is not None and result.best_step is not None:
        return restore(result, workspace, trust)[0], f"{RANDOM}, trained, step {result.best_step}"
    untrained, _ = make_model(twin, datamodule.task, workspace, trained=None)
    return untrained, f"{RANDOM}, untrained: its run is not in {workspace.runs}"
