"""The module under a Trainer and data that are none of ours, and what loggers are told."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from datamodules.bits import BitXorDataModule
from datamodules.contract import Batch, TaskSpec
from fpt_bench import FPTModule, RunSpec
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.loggers import require_loggers
from fpt_bench.training.one_run import run_one
from fpt_bench.training.plain_batches import as_batch

TASK = TaskSpec("mine", "vectors", input_size=3, max_length=6, num_classes=2)
SPEC = RunSpec(task="mine", layers=1, init="random", max_steps=2, eval_every=1, dropout=0.0)


def pairs(inputs: Tensor, labels: Tensor) -> DataLoader:
    return DataLoader(TensorDataset(inputs, labels), batch_size=4)


def test_a_trainer_of_one_s_own_trains_on_pairs_and_the_checkpoint_gives_the_model_back(tmp_path: Path) -> None:
    module = FPTModule.from_spec(SPEC, TASK)
    data = pairs(torch.randn(8, 6, 3), torch.randint(0, 2, (8,)))
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(max_steps=2, accelerator="cpu", enable_checkpointing=False, **quiet)
    trainer.fit(module, data)
    assert trainer.global_step == 2
    trainer.save_checkpoint(tmp_path / "mine.ckpt")
    again = FPTModule.load_from_checkpoint(tmp_path / "mine.ckpt")
    assert (again.spec, again.task) == (SPEC, TASK)
    batch = as_batch(next(iter(data)), TASK)
    assert torch.equal(again.eval()(batch), module.eval()(batch))


def test_a_checkpoint_that_says_not_what_it_is_of_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "old.ckpt")
    with pytest.raises(ValueError, match=r"FPTModule\.from_spec\(spec, task\)"):
        FPTModule.load_from_checkpoint(tmp_path / "old.ckpt")


def test_a_checkpoint_without_the_trained_tensors_is_refused(tmp_path: Path) -> None:
    module = FPTModule.from_spec(SPEC, TASK)
    said = {"spec": SPEC.model_dump(), "task": dict(module.hparams)["task"]}
    torch.save({"hyper_parameters": said, "state_dict": {"other": torch.ones(1)}}, tmp_path / "else.ckpt")
    with pytest.raises(ValueError, match=r"else\.ckpt: expected the \d+ trained tensors of this run"):
        FPTModule.load_from_checkpoint(tmp_path / "else.ckpt")


def test_a_pair_becomes_a_batch_without_padding() -> None:
    batch = as_batch([torch.zeros(4, 6, 3).double(), torch.zeros(4).int()], TASK)
    assert (batch.inputs.dtype, batch.mask.all().item(), batch.labels.shape) == (torch.float32, True, (4, 1))
    assert as_batch(batch, TASK) is batch
    bits = TaskSpec("bits", "vectors", input_size=1, max_length=6, num_classes=2)
    assert as_batch((torch.zeros(4, 6), torch.zeros(4, 1)), bits).inputs.shape == (4, 6, 1)


@pytest.mark.parametrize(
    "given",
    [
        {"x": torch.zeros(4, 6, 3)},
        (torch.zeros(4, 6, 3),),
        (torch.zeros(4, 6, 2), torch.zeros(4)),
        (torch.zeros(4, 6, 3), torch.zeros(4, 2)),
    ],
)
def test_what_is_no_batch_is_refused_with_the_cure(given: object) -> None:
    with pytest.raises(ValueError, match=r"task 'mine': expected .* Give Batch\(x, torch\.ones"):
        as_batch(given, TASK)
    tokens = TaskSpec("tokens", "tokens", input_size=9, max_length=6, num_classes=2)
    with pytest.raises(ValueError, match="of whole numbers"):
        as_batch((torch.zeros(4, 6), torch.zeros(4)), tokens)


def test_loggers_are_told_the_spec_and_what_came_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    opened: list[dict[str, Any]] = []

    def init(**fields: Any) -> SimpleNamespace:
        opened.append(fields)
        return SimpleNamespace(log=lambda metrics, **_: told.append(metrics), finish=lambda: told.append({}))

    monkeypatch.setitem(sys.modules, "trackio", SimpleNamespace(init=init, __spec__=SimpleNamespace(origin="here")))
    spec = RunSpec(
        task="bit-xor", data="real", layers=1, init="random", max_steps=2, eval_every=2, dropout=0.0, train="readout"
    )
    result = run_one(spec, Workspace(tmp_path, offline=True, loggers=require_loggers(["csv", "trackio"])))
    logs = tmp_path / spec.run_id / "logs"
    (hparams,) = logs.rglob("hparams.yaml")
    assert "learning_rate: 0.001" in hparams.read_text()
    assert "final/test" in next(logs.rglob("metrics.csv")).read_text()
    assert {fields["name"] for fields in opened} == {spec.run_id}
    assert opened[0]["config"]["spec"]["task"] == "bit-xor"
    assert json.dumps(opened[0]["config"]), "plain values alone"
    assert told[-1] == {}, "it is closed"
    assert told[-2]["final/test"] == result.test_score


def test_a_logger_without_its_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(ValueError, match=r"logger trackio: its package is not installed\. Run: pip install"):
        require_loggers(["trackio"])


def test_a_checkpoint_of_a_run_gives_its_model(tmp_path: Path) -> None:
    spec = RunSpec(task="bit-xor", data="real", layers=1, init="random", max_steps=2, eval_every=2, dropout=0.0)
    run_one(spec, Workspace(tmp_path, offline=True, loggers=("csv",)))
    module = FPTModule.load_from_checkpoint(tmp_path / spec.run_id / "checkpoints" / "best.ckpt")
    assert module.spec == spec
    assert module(Batch(*BitXorDataModule(batch_size=3).training_batch(0)[:3])).shape == (3, 5, 2)


def test_labels_of_classes_are_not_cut_to_whole_numbers() -> None:
    assert as_batch((torch.zeros(4, 6, 3), torch.ones(4)), TASK).labels.tolist() == [[1]] * 4, "whole, as floats"
    with pytest.raises(ValueError, match="task 'mine': expected labels that are whole numbers, since they are classes"):
        as_batch((torch.zeros(4, 6, 3), torch.tensor([0.0, 1.0, 0.5, 0.0])), TASK)
