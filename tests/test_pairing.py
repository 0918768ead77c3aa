"""What pairs the arms of one seed: they train on the same batches and start from the same input layer."""

from typing import Any

import pytest
import torch

from datamodules.contract import Batch
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.module import FPTModule
from fpt_bench.training.one_run import run_one

ARMS: dict[str, dict[str, Any]] = {
    "language": {"init": "pretrained"},
    "random": {"init": "random", "learning_rate": 1e-2},
    "full": {"init": "random", "train": ("input", "readout", "norm", "position", "attention", "feedforward")},
}


def test_arms_of_one_seed_see_the_same_batches_and_start_from_the_same_input_layer(
    tiny_spec: RunSpec, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    train_on = FPTModule.training_step

    def record(module: FPTModule, batch: Batch, *rest: Any) -> Any:
        seen.append((batch.inputs.clone(), batch.labels.clone(), module.input.weight.detach().clone()))
        return train_on(module, batch, *rest)

    def train(**changes: Any) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        seen.clear()
        run_one(tiny_spec.model_copy(update={"layers": 1, "max_steps": 4, "eval_every": 2, **changes}), workspace)
        return list(seen)

    monkeypatch.setattr(FPTModule, "training_step", record)
    first, *others = [train(**changes) for changes in ARMS.values()]
    assert len(first) == 4
    for other in others:
        for (inputs, labels, _), (other_inputs, other_labels, _) in zip(first, other, strict=True):
            assert torch.equal(inputs, other_inputs)
            assert torch.equal(labels, other_labels)
        assert torch.equal(first[0][2], other[0][2]), "before the first step"
        assert not torch.equal(first[3][2], other[3][2]), "the arms are different ones"
    assert not torch.equal(first[0][0], train(seed=1)[0][0]), "another seed sees other batches"
