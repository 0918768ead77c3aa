"""Does the state that is read out move when the other positions are given other tokens?"""

import math

import pytest
import torch

from datamodules.contract import Batch
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.hearing import readout_moves, with_others_replaced
from fpt_bench.training.model import make_model
from fpt_bench.training.one_run import run_one
from fpt_bench.training.resolve import make_datamodule, resolve


def moves(workspace: Workspace, **fields: object) -> float:
    spec, _ = resolve(RunSpec(task="bit-xor", data="real", **fields), workspace)
    datamodule = make_datamodule(spec, workspace)
    module, _ = make_model(spec, datamodule.task, workspace, None)
    found = readout_moves(module, datamodule)
    assert found is not None
    assert module.training
    return found


def test_a_body_without_attention_is_deaf(workspace: Workspace) -> None:
    assert moves(workspace, body="none", init="random") == 0.0


def test_language_hears_and_a_random_body_of_small_weights_hardly(workspace: Workspace) -> None:
    language, random = (moves(workspace, init=init, layers=2) for init in ("pretrained", "random"))
    assert language > 3 * random > 0


def test_a_ragged_example_keeps_its_length_and_its_last_token() -> None:
    inputs = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    mask = inputs > 0
    replaced = with_others_replaced(Batch(inputs, mask, torch.zeros(2, 1, dtype=torch.int64)))
    assert replaced.inputs.tolist() == [[5, 6, 3, 4], [1, 6, 0, 0]]
    assert replaced.mask.tolist() == mask.tolist()


@pytest.mark.parametrize("train", ["input,readout,norm,position", "readout"])
def test_it_is_in_the_result(workspace: Workspace, train: str) -> None:
    """Also where features are computed once: it is asked of the body, not of them."""
    fields = {"layers": 1, "dropout": 0.0, "max_steps": 4, "eval_every": 2, "precision": "float32"}
    spec = RunSpec(task="bit-xor", data="real", train=train, **fields)
    found = run_one(spec, workspace).readout_moves
    assert found is not None
    assert math.isclose(found, moves(workspace, **fields), rel_tol=1e-5)


def test_one_example_has_no_neighbour_to_hear(workspace: Workspace) -> None:
    fields = {"layers": 1, "init": "random", "data_arguments": {"validation_examples": 1, "pattern_bits": 50}}
    spec, _ = resolve(RunSpec(task="bit-memory", data="real", **fields), workspace)
    datamodule = make_datamodule(spec, workspace)
    module, _ = make_model(spec, datamodule.task, workspace, None)
    assert readout_moves(module, datamodule) is None
