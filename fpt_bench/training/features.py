"""Features of a body that does not learn, computed once, for a readout to train on (Lu et al. 2021, Table 10)."""

import hashlib
import json
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.contract import Examples, TaskDataModule
from datamodules.derived import DerivedDataModule
from datamodules.examples import ArrayExamples
from datamodules.sources.caches import is_made, made_once
from fpt_bench.bodies.execution import as_trained
from fpt_bench.config.spec import RunSpec, folder_name
from fpt_bench.results.folder import FEATURES, LEASE_FILE
from fpt_bench.results.lease import Lease
from fpt_bench.results.result import BodyRecord
from fpt_bench.training.module import FPTModule
from fpt_bench.training.provenance import this_attempt

_WITHOUT_EFFECT = {
    "train", "learning_rate", "batch_size", "max_steps", "eval_every", "patience", "gradient_clip", "warmup_steps",
    "eval_growth",
}  # fmt: skip
"""Fields of a spec that features do not depend on. They are computed by `eval_batch_size`, and the last bits differ."""
_FEATURES_FILE, _LABELS_FILE = "features.npy", "labels.npy"
_FORMAT = 3
"""Of what is kept: raised where the same fields give other features. 1 was float32 at every precision, 2 had the input
layer in bfloat16 before a reference body."""


class FeatureDataModule(DerivedDataModule):
    """A task's examples as a frozen body sees them, in its order: by split, (N, R, H) float32 and the (N, L) labels."""

    def __init__(self, inner: TaskDataModule, features: dict[str, ArrayExamples]) -> None:
        super().__init__(inner)
        self.features = features

    def examples(self, split: str) -> Examples:
        return self.features[split]

    def fingerprint(self) -> str:
        return self.inner.fingerprint()


def can_be_cached(spec: RunSpec, datamodule: TaskDataModule) -> bool:
    """Return whether what the body gives for an example is the same at every step."""
    return spec.train == ("readout",) and spec.dropout == 0 and datamodule.trains_on_fixed_examples


def cache_features(module: FPTModule, datamodule: TaskDataModule, record: BodyRecord, runs: Path) -> FeatureDataModule:
    """Return the features of all splits, kept under the folder of runs; computed where they are not there or damaged.

    Runs that differ in nothing but how the readout is trained share them. Two processes that ask at once compute them
    once, by a lease; should both do it after all, both take those of the first.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    folder = runs / FEATURES / _name(module.spec, datamodule, record)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lease = nullcontext() if is_made(folder) else Lease(folder.with_name(f"{folder.name}.{LEASE_FILE}"))
    with lease:
        made_once(folder, partial(_compute, module, datamodule))
    kept = {
        split: ArrayExamples(
            np.load(folder / split / _FEATURES_FILE, mmap_mode="r"), np.load(folder / split / _LABELS_FILE)
        )
        for split in datamodule.splits
    }
    return FeatureDataModule(datamodule, kept)


def _name(spec: RunSpec, datamodule: TaskDataModule, record: BodyRecord) -> str:
    fields = spec.canonical(without=_WITHOUT_EFFECT)
    made = this_attempt()  # what it records as a run's maker is the features', too
    by = [made.device, made.flags, made.versions["torch"], made.versions["transformers"]]
    content = json.dumps([_FORMAT, fields, datamodule.fingerprint(), record.fingerprint, by], sort_keys=True)
    return f"{folder_name(spec.task)}_{hashlib.sha256(content.encode()).hexdigest()[:16]}"


@torch.no_grad()
def _compute(module: FPTModule, datamodule: TaskDataModule, folder: Path) -> None:
    """Write the features and labels of all splits, a folder each, where and in the precision that training would."""
    was_training, home = module.training, module.device
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.eval().to(device)
    with as_trained(module.spec, device):
        for split in datamodule.splits:
            (folder / split).mkdir()
            _compute_split(module, datamodule, split, folder / split)
    module.train(was_training).to(home)


def _compute_split(module: FPTModule, datamodule: TaskDataModule, split: str, folder: Path) -> None:
    """Write the features and labels of one split, batch by batch, so that no split need fit into memory."""
    examples, size = datamodule.examples(split), datamodule.eval_batch_size
    shape = (len(examples), module.task.read_positions, module.body.width)
    head = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    labels: list[NDArray[np.generic]] = []
    # Not through a mapped file, in which a full disk is no error but the end of the process.
    with (folder / _FEATURES_FILE).open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, head)
        for start in range(0, len(examples), size):
            batch = examples.batch(np.arange(start, min(start + size, len(examples))))
            stream.write(module.features(batch.to(module.device)).float().cpu().numpy().tobytes())
            labels.append(batch.labels.numpy())
    np.save(folder / _LABELS_FILE, np.concatenate(labels))
