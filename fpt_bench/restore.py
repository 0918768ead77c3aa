"""The model of a run: built from its spec, and with the weights of its best validation where it is over."""

from pathlib import Path

import torch

from datamodules.contract import TaskDataModule, TaskSpec
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.trained import TrainedBody
from fpt_bench.callbacks import BEST, CHECKPOINTS, AtomicCheckpoints
from fpt_bench.module import FPTModule, derive_seed
from fpt_bench.pretraining import Run, trained_body
from fpt_bench.resolve import make_datamodule
from fpt_bench.results import BodyRecord, RunResult, read_result
from fpt_bench.spec import RunSpec
from fpt_bench.workspace import Workspace


def make_model(
    spec: RunSpec, task: TaskSpec, workspace: Workspace, trained: TrainedBody | None
) -> tuple[FPTModule, BodyRecord]:
    """Build the model of a run as it is before its first step.

    Args:
        spec: a resolved run.
        task: shapes of inputs and labels.
        workspace: where to read.
        trained: the body that the init names, where it names a task.

    Raises:
        ValueError: the spec asks for what there is not, such as more layers than the body has.
        FileNotFoundError: weights that cannot be had.
    """
    torch.manual_seed(derive_seed(spec.seed, "body"))
    body, record = build_body(spec, task.max_length, workspace.offline, trained)
    return FPTModule(task, body, spec), record


def load_best(module: FPTModule, folder: Path, best_step: int) -> None:
    """Give a model the trained weights of its run's best validation.

    Args:
        module: what `make_model` gave.
        folder: the run's folder.
        best_step: the step that the weights must be of.

    Raises:
        FileNotFoundError: the checkpoint is not there.
        ValueError: it is of another step or model.
    """
    path = folder / CHECKPOINTS / f"{BEST}.ckpt"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Remove {folder} and ask for the run again.")
    best = AtomicCheckpoints().load_checkpoint(path)
    if best["global_step"] != best_step or best["state_dict"].keys() != module.trained_parameters().keys():
        raise ValueError(
            f"{path}: expected the trained weights of step {best_step}, got those of step {best['global_step']}. "
            f"Remove {folder} and ask for the run again."
        )
    module.load_state_dict(best["state_dict"], strict=False)


def read_run(folder: Path) -> RunResult:
    """Give the result in a run's folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file is no result.
    """
    result = read_result(folder)
    if result is None:
        raise FileNotFoundError(f"{folder}: expected the folder of a run that is over, found no result.json there")
    return result


def restore(result: RunResult, workspace: Workspace, run: Run) -> tuple[FPTModule, TaskDataModule]:
    """Give the model that a run tested, ready to be asked, and the run's data.

    Args:
        result: of the run.
        workspace: where the run is.
        run: what does a run: where a task trained the body, that may have to be done again.

    Raises:
        ValueError: the run has no best validation, or weights have changed since.
        FileNotFoundError: its checkpoint, data or weights are not to be had.
    """
    if result.best_step is None or result.body is None:
        raise ValueError(
            f"run {result.spec.run_id} {result.status}: expected one with a best validation, it kept no weights"
        )
    datamodule = make_datamodule(result.spec, workspace)
    module, record = make_model(result.spec, datamodule.task, workspace, trained_body(result.spec, workspace, run))
    if record.fingerprint != result.body.fingerprint:
        raise ValueError(
            f"run {result.spec.run_id}: expected the body with fingerprint {result.body.fingerprint[:16]}, got "
            f"{record.fingerprint[:16]}: its weights have changed since. Remove the run's folder and ask for it again."
        )
    load_best(module, workspace.runs / result.spec.run_id, result.best_step)
    return module.eval(), datamodule
