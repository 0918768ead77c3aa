"""Training the bodies that `task:NAME` names: once for all runs, kept under the folder of runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from datamodules.packages import remembered_checksum
from datamodules.sources import made_once
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.trained import PREFIX, TrainedBody, pretraining_spec
from fpt_bench.callbacks import BEST, CHECKPOINTS, AtomicCheckpoints
from fpt_bench.module import derive_seed
from fpt_bench.resolve import make_datamodule, resolve
from fpt_bench.results import RunResult
from fpt_bench.spec import RunSpec
from fpt_bench.workspace import Workspace

FOLDER = "bodies"
"""Folder beside the runs with a run's folder for each trained body; it may be deleted at any time."""
WEIGHTS = "body.safetensors"

Run = Callable[[RunSpec, Workspace], RunResult]


def trained_body(spec: RunSpec, workspace: Workspace, run: Run) -> TrainedBody | None:
    """Give the body that a spec's init names, trained where it is not there yet; None where it names none.

    It is a run like any other, with a folder, a result and checkpoints of its own: processes that want it at once
    wait for the one that trains it, and what was interrupted goes on.

    Args:
        spec: a resolved run.
        workspace: where to read and write.
        run: what does a run; the harness hands itself over.

    Raises:
        ValueError: its training diverged.
        OSError: the folder cannot be written.
    """
    if not spec.init.startswith(PREFIX):
        return None
    beside = replace(workspace, runs=workspace.runs / FOLDER)
    training, _ = resolve(pretraining_spec(spec), workspace)
    result = run(training, beside)
    if result.status != "ok":
        raise ValueError(f"init '{spec.init}': expected a trained body, its training gave: {result.error}")
    folder = beside.runs / training.run_id
    weights = made_once(folder / WEIGHTS, lambda path: _save(training, workspace, folder, path))
    assert result.data is not None
    story = (
        f"trained in full on {training.task} ({result.data.kind} data) from random weights: {training.max_steps} steps "
        f"of {training.batch_size} at {training.learning_rate:g}, seed {training.seed}, validation accuracy "
        f"{result.validation_accuracy:.3f} at step {result.best_step}"
    )
    return TrainedBody(weights, story, remembered_checksum(weights).removeprefix("sha256:"))


def _save(training: RunSpec, workspace: Workspace, folder: Path, path: Path) -> None:
    """Write the body as it was at the best validation; what was frozen in it is drawn again as it was."""
    torch.manual_seed(derive_seed(training.seed, "body"))
    body, _ = build_body(training, make_datamodule(training, workspace).task.max_length, workspace.offline)
    best = AtomicCheckpoints().load_checkpoint(folder / CHECKPOINTS / f"{BEST}.ckpt")["state_dict"]
    learned = {name.removeprefix("body."): value for name, value in best.items() if name.startswith("body.")}
    missing = body.load_state_dict(learned, strict=False)
    assert not missing.unexpected_keys
    save_file({name: value.contiguous() for name, value in body.state_dict().items()}, path)
