"""A readout that trains on kept features learns what it learns through the body, and much faster."""

import multiprocessing
import os
import signal
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.bits import BitXorDataModule
from datamodules.contract import Batch, Examples, TaskDataModule
from datamodules.derived import DerivedDataModule
from datamodules.examples import ArrayExamples
from fpt_bench.bodies.build import build_body
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.folder import FEATURES
from fpt_bench.results.result import BodyRecord
from fpt_bench.results.workspace import Workspace
from fpt_bench.training import features, one_run
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
    assert kept.test_score == pytest.approx(through.test_score, abs=0.005)
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


class Few(DerivedDataModule):
    """The first 64 examples of each split of a task, in batches of 8."""

    def examples(self, split: str) -> Examples:
        examples = self.inner.examples(split)
        batch = examples.batch(np.arange(64))
        return ArrayExamples(batch.inputs.numpy(), batch.labels.numpy())


Small = tuple[FPTModule, TaskDataModule, BodyRecord]


@pytest.fixture(scope="module")
def small() -> Small:
    datamodule = Few(make_datamodule(SPEC, Workspace(offline=True)))
    datamodule.eval_batch_size = 8
    body, record = build_body(SPEC, datamodule.task.max_length)
    return FPTModule(datamodule.task, body, SPEC), datamodule, record


def fingerprints(kept: TaskDataModule) -> dict[str, str]:
    return {split: kept.examples(split).fingerprint() for split in kept.splits}


def compute_slowly(small: Small, runs: Path, delay: float) -> None:
    """Compute the features `delay` seconds later, and leave with 1 if they are not what was found before."""
    module, datamodule, record = small
    through_body = module.features

    def slowly(batch: Batch) -> torch.Tensor:
        time.sleep(0.02)
        return through_body(batch)

    module.features = slowly  # type: ignore[method-assign]
    time.sleep(delay)
    got = fingerprints(cache_features(module, datamodule, record, runs))
    raise SystemExit(got != fingerprints(cache_features(module, datamodule, record, runs.with_name("alone"))))


def die_half_way(small: Small, runs: Path) -> None:
    """Be killed when some features are in the file, and not all."""
    module, datamodule, record = small
    through_body = module.features

    def fatally(batch: Batch) -> torch.Tensor:
        if list(runs.glob(f"{FEATURES}/.unfinished-*/train/features.npy")):
            os.kill(os.getpid(), signal.SIGKILL)
        return through_body(batch)

    module.features = fatally  # type: ignore[method-assign]
    cache_features(module, datamodule, record, runs)


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("leased", [True, False])
def test_two_processes_that_ask_for_features_at_once_have_the_same_and_right_ones(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    delay: float,
    leased: bool,
) -> None:
    """Where a lease is without effect they compute both: with one name for both, one trained on zeros."""
    cache_features(*small, tmp_path / "alone")
    if not leased:
        monkeypatch.setattr(features, "Lease", lambda _: nullcontext())
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=compute_slowly, args=(small, tmp_path / "runs", d)) for d in (0.0, delay)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list((tmp_path / "runs" / FEATURES).iterdir())) == 1, "neither lock nor lease nor unfinished folder"


@pytest.mark.parametrize("file", ["train/features.npy", "test/labels.npy"])
def test_a_flipped_byte_in_kept_features_is_found_and_they_are_computed_again(
    small: Small, tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    right = fingerprints(cache_features(*small, tmp_path))
    (path,) = (tmp_path / FEATURES).glob(f"*/{file}")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert fingerprints(cache_features(*small, tmp_path)) == right
    assert f"{path.parent.parent} is damaged ({file}: expected sha256:" in caplog.text


def test_features_of_a_process_that_was_killed_half_way_are_not_believed(small: Small, tmp_path: Path) -> None:
    right = fingerprints(cache_features(*small, tmp_path / "alone"))
    process = multiprocessing.get_context("fork").Process(target=die_half_way, args=(small, tmp_path / "runs"))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list((tmp_path / "runs").glob(f"{FEATURES}/.unfinished-*/train/features.npy"))
    assert fingerprints(cache_features(*small, tmp_path / "runs")) == right
    assert len(list((tmp_path / "runs" / FEATURES).iterdir())) == 1, "what the killed one left is gone, too"


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


def test_a_step_on_features_does_not_run_the_body(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, datamodule, record = small
    kept = cache_features(module, datamodule, record, tmp_path)
    monkeypatch.setattr(module.body, "forward", lambda *_: pytest.fail("the body was run"))
    monkeypatch.setattr(module, "given_features", True)
    module.zero_grad()
    module.loss(kept.examples("train").batch(np.arange(16))).backward()
    learned = [name for name, parameter in module.trained_parameters().items() if parameter.grad is not None]
    assert learned
    assert all(name.startswith("readout") for name in learned)


def test_features_are_of_the_precision_that_training_would_have(tmp_path: Path) -> None:
    control = {"task": "tests.scored_tasks:Easy", "body": "attention", "layers": None, "init": "random"}
    spec = SPEC.model_copy(update={**control, "precision": "bfloat16", "body_execution": "reference"})
    datamodule = make_datamodule(spec, Workspace(runs=tmp_path, offline=True))
    body, record = build_body(spec, datamodule.task.max_length, offline=True)
    module = FPTModule(datamodule.task, body, spec)
    kept = cache_features(module, datamodule, record, tmp_path).examples("test").batch(np.arange(32)).inputs
    batch = datamodule.examples("test").batch(np.arange(32))
    module.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mixed = module.features(batch).float()
    assert torch.equal(kept, mixed)
    with torch.no_grad():
        assert not torch.equal(kept, module.features(batch))


def test_the_new_layers_are_in_float32_around_a_body_of_autocast() -> None:
    spec = SPEC.model_copy(update={"precision": "bfloat16", "body_execution": "reference", "init": "random"})
    datamodule = make_datamodule(spec, Workspace(offline=True))
    body, _ = build_body(spec, datamodule.task.max_length, offline=True)
    module = FPTModule(datamodule.task, body, spec).eval()
    seen = {}
    module.input.register_forward_hook(lambda *given: seen.update(input=given[2]))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = module(datamodule.examples("test").batch(np.arange(32)))
    assert seen["input"].dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float()), "numbers between those of bfloat16"


@pytest.mark.parametrize("torch_release", ["2.14.1+cpu", "2.15.0"])
def test_features_of_another_release_are_kept_apart(torch_release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_datamodule(SPEC, Workspace(offline=True))
    record = BodyRecord(source="-", fingerprint="b" * 64, execution="native")
    here, made = features._name(SPEC, data, record), features.this_attempt()
    other = made.model_copy(update={"versions": {**made.versions, "torch": f"{torch_release}-other"}})
    monkeypatch.setattr(features, "this_attempt", lambda: other)
    assert features._name(SPEC, data, record) != here


class Noisy(BitXorDataModule):
    """A task that augments what it trains on."""

    def training_batch(self, step: int) -> Batch:
        batch = super().training_batch(step)
        return batch._replace(inputs=batch.inputs + 1.0)


def test_a_task_that_draws_its_own_training_batches_has_no_features_to_keep() -> None:
    assert can_be_cached(SPEC, BitXorDataModule())
    assert not can_be_cached(SPEC, Noisy())


OTHERWISE = [
    {"seed": 1}, {"precision": "bfloat16"}, {"layers": 1}, {"body_execution": "reference"}, {"eval_batch_size": 7}
]  # fmt: skip


@pytest.mark.parametrize("fields", OTHERWISE, ids=str)
def test_what_a_body_gives_otherwise_is_kept_apart(fields: dict[str, object]) -> None:
    data = make_datamodule(SPEC, Workspace(offline=True))
    record = BodyRecord(source="-", fingerprint="b" * 64, execution="native")
    assert features._name(SPEC.model_copy(update=fields), data, record) != features._name(SPEC, data, record)
