"""A readout that trains on kept features learns what it learns through the body, and much faster."""

import statistics
import time
from pathlib import Path

import numpy as np
import pytest

from datamodules.contract import TaskDataModule
from fpt_bench.bodies.build import build_body
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import FEATURES
from fpt_bench.results.workspace import Workspace
from fpt_bench.training import one_run
from fpt_bench.training.features import cache_features, can_be_cached
from fpt_bench.training.module import FPTModule
from fpt_bench.training.one_run import run_one
from fpt_bench.training.resolve import make_datamodule

SPEC = RunSpec(
    task="bit-xor", data="real", layers=2, train="readout", dropout=0.0, max_steps=40, eval_every=10, learning_rate=1e-2
)


def test_the_curve_is_that_of_training_through_the_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = run_one(SPEC, Workspace(runs=tmp_path / "kept", offline=True))
    monkeypatch.setattr(one_run, "can_be_cached", lambda *_: False)
    through = run_one(SPEC, Workspace(runs=tmp_path / "through", offline=True))
    assert kept.body is not None
    assert through.body is not None
    assert any("computed once" in note for note in kept.body.notes)
    assert kept.body.fingerprint == through.body.fingerprint
    assert [step for step, _ in kept.curve] == [step for step, _ in through.curve]
    np.testing.assert_allclose([a for _, a in kept.curve], [a for _, a in through.curve], atol=0.005)
    assert kept.test_accuracy == pytest.approx(through.test_accuracy, abs=0.005)
    assert kept.parameters == through.parameters


def test_runs_that_differ_in_the_readout_share_features_and_others_do_not(tmp_path: Path) -> None:
    workspace = Workspace(runs=tmp_path, offline=True)
    run_one(SPEC, workspace)
    (first,) = (tmp_path / FEATURES).glob("bit-xor_*")
    written = (first / "train" / "features.npy").stat().st_mtime_ns
    run_one(SPEC.model_copy(update={"learning_rate": 1e-3, "batch_size": 8}), workspace)
    assert [*(tmp_path / FEATURES).glob("bit-xor_*")] == [first]
    assert (first / "train" / "features.npy").stat().st_mtime_ns == written
    run_one(SPEC.model_copy(update={"seed": 1, "max_steps": 10}), workspace)
    assert len([*(tmp_path / FEATURES).glob("bit-xor_*")]) == 2


@pytest.mark.parametrize(
    ("fields", "possible"),
    [
        ({}, True),
        ({"train": ("input", "readout")}, False),
        ({"dropout": 0.1}, False),
        ({"task": "bit-memory"}, False),
        ({"task": "cifar", "data": "embedded"}, True),
        ({"task": "cifar", "data": "embedded", "data_arguments": {"augmentation": True}}, False),
    ],
    ids=str,
)
def test_features_are_kept_only_where_they_stay_the_same(fields: dict[str, object], possible: bool) -> None:
    spec = SPEC.model_copy(update=fields)
    assert can_be_cached(spec, make_datamodule(spec, Workspace(offline=True))) is possible


@pytest.mark.slow
def test_a_step_on_features_is_fifty_times_faster_than_one_through_the_body(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"layers": None})
    datamodule = make_datamodule(spec, Workspace(offline=True))
    body, record = build_body(spec, datamodule.task.max_length)
    module = FPTModule(datamodule.task, body, spec)
    kept = cache_features(module, datamodule, record, tmp_path)

    def median_seconds(given: bool, data: TaskDataModule) -> float:
        module.given_features = given
        taken = []
        for step in range(15):
            batch = data.training_batch(step)
            start = time.perf_counter()
            module.loss(batch).backward()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)

    assert median_seconds(given=False, data=datamodule) > 50 * median_seconds(given=True, data=kept)
