"""A finished run's model, with the weights that were tested."""

from datamodules.contract import TaskDataModule
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.model import load_best, make_model
from fpt_bench.training.module import FPTModule
from fpt_bench.training.one_run import trained_body
from fpt_bench.training.resolve import make_datamodule


def restore(result: RunResult, workspace: Workspace) -> tuple[FPTModule, TaskDataModule]:
    """Return the model that a run in `workspace` tested, ready to be asked, and the run's data.

    Raises:
        ValueError: the run has no best validation, or weights have changed since.
        FileNotFoundError: its checkpoint, data or weights are not available.
    """
    if result.best_step is None or result.body is None:
        raise ValueError(
            f"run {result.spec.run_id} {result.status}: expected one with a best validation, it kept no weights"
        )
    datamodule = make_datamodule(result.spec, workspace)
    module, record = make_model(result.spec, datamodule.task, workspace, trained_body(result.spec, workspace))
    if record.fingerprint != result.body.fingerprint:
        raise ValueError(
            f"run {result.spec.run_id}: expected the body with fingerprint {result.body.fingerprint[:16]}, got "
            f"{record.fingerprint[:16]}: its weights have changed since. Remove the run's folder and ask for it again."
        )
    load_best(module, workspace.runs / result.spec.run_id, result.best_step)
    return module.eval(), datamodule
