"""The bodies that `task:NAME` names: what is left to do once the run that trains one is over."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from datamodules.randomness import derive_seed
from datamodules.sources.caches import made_once
from datamodules.sources.packages import remembered_checksum
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.inits.blueprint import TrainedBody
from fpt_bench.results.folder import BEST, KEPT_BODY, WEIGHTS_FILE, checkpoint_file
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.checkpoints import read_checkpoint
from fpt_bench.training.resolve import make_datamodule


def kept_body(result: RunResult, workspace: Workspace) -> TrainedBody:
    """Return the body that a run trained, kept in the run's folder for all who start from it.

    Raises:
        OSError: the folder cannot be written.
    """
    training, folder = result.spec, workspace.runs / result.spec.run_id
    made = made_once(folder / KEPT_BODY, lambda unfinished: _save(result, workspace, folder, unfinished))
    weights = made / WEIGHTS_FILE
    assert result.data is not None
    story = (
        f"trained in full on {training.task} ({result.data.kind} data) from random weights: {training.max_steps} steps "
        f"of {training.batch_size} at {training.learning_rate:g}, seed {training.seed}, validation "
        f"{result.data.metric} {result.validation_score:.3f} at step {result.best_step}, test {result.test_score:.3f}"
    )
    digest = remembered_checksum(weights).removeprefix("sha256:")
    return TrainedBody(weights, story, digest, training.run_id, result.test_score)


def _save(result: RunResult, workspace: Workspace, folder: Path, unfinished: Path) -> None:
    """Write the body as it was at the best validation; what was frozen in it is drawn again as it was."""
    training, path = result.spec, checkpoint_file(folder, BEST)
    torch.manual_seed(derive_seed(training.seed, "body"))
    body, _ = build_body(training, make_datamodule(training, workspace).task.max_length, workspace.offline)
    try:
        best = read_checkpoint(path)
        weights = {name.removeprefix("body."): v for name, v in best["state_dict"].items() if name.startswith("body.")}
        trained = {name for name, parameter in body.named_parameters() if parameter.requires_grad}
        if best["global_step"] != result.best_step or weights.keys() != trained:
            raise ValueError(f"expected the body's trained weights of step {result.best_step}, got others")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: {error}. Remove {folder} and ask for the run again.") from error
    body.load_state_dict(weights, strict=False)
    save_file({name: value.contiguous() for name, value in body.state_dict().items()}, unfinished / WEIGHTS_FILE)
