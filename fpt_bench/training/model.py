"""The model of a run: as it is before its first step, or with the weights of its best validation."""

from pathlib import Path

import torch

from datamodules.contract import TaskSpec
from datamodules.randomness import derive_seed
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.inits.blueprint import TrainedBody
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import BodyRecord
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.checkpoints import read_best
from fpt_bench.training.module import FPTModule


def make_model(
    spec: RunSpec, task: TaskSpec, workspace: Workspace, trained: TrainedBody | None
) -> tuple[FPTModule, BodyRecord]:
    """Build the model of a resolved run as it is before its first step.

    `trained` is the body that the init names, where it names a task.

    Raises:
        ValueError: the spec asks for something that does not exist, such as more layers than the body has.
        FileNotFoundError: weights that are not available.
    """
    # Products are as the spec says: the LSTM's are not by default, others where a notebook has asked for less.
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    torch.manual_seed(derive_seed(spec.seed, "body"))
    body, record = build_body(spec, task.max_length, workspace.offline, trained)
    return FPTModule(task, body, spec), record


def load_best(module: FPTModule, folder: Path, best_step: int) -> None:
    """Put the trained weights of a run's best validation, which was at `best_step`, into what `make_model` returned.

    Raises:
        FileNotFoundError: the checkpoint is not there.
        ValueError: it is damaged, or of another step or model.
    """
    module.load_state_dict(read_best(folder, best_step, module.trained_parameters()), strict=False)
