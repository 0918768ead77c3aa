"""A finished run's model, with the weights that were tested."""

from datamodules.contract import TaskDataModule
from fpt_bench.config.plugins import is_path
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result import RunResult
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.model import load_best, make_model
from fpt_bench.training.module import FPTModule
from fpt_bench.training.one_run import trained_body
from fpt_bench.training.resolve import make_datamodule
from fpt_bench.training.sources import Sources
from fpt_bench.training.trainers import quiet_libraries


def _require_no_code(result: RunResult) -> None:
    asked = {"task": result.spec.task, "body": result.spec.body}
    named = [f"{kind} '{name}'" for kind, name in asked.items() if is_path(name)]
    if named:
        raise ValueError(
            f"run {result.spec.run_id}: expected a task and a body that are built in or installed, got "
            f"{' and '.join(named)} from its {RESULT_FILE}, which would be imported and run. "
            "Type --trust if you know that code."
        )


def restore(result: RunResult, workspace: Workspace, trust: bool = False) -> tuple[FPTModule, TaskDataModule]:
    """Return the model that a run in `workspace` tested, ready to be asked, and the run's data.

    Args:
        result: read from a file, which somebody else may have written.
        workspace: where the run lies.
        trust: whether to import what the result names as `module:attribute`; else only what is built in or installed.

    Raises:
        RefusedError: its data or its body's weights have changed since.
        ValueError: the run has no best validation, or it names code that is not trusted.
        FileNotFoundError: its checkpoint, data or weights are not available.
    """
    if not trust:
        _require_no_code(result)
    quiet_libraries()  # else transformers lists every weight of the layers that are cut
    before = Sources.of_result(result)
    if result.best_step is None or before is None:
        raise ValueError(
            f"run {result.spec.run_id} {result.status}: expected one with a best validation, it kept no weights"
        )
    datamodule = make_datamodule(result.spec, workspace)
    module, record = make_model(result.spec, datamodule.task, workspace, trained_body(result.spec, workspace))
    scored_by = module.task.measure.scale_in_words
    now = Sources(datamodule.fingerprint(), record.fingerprint, record.trained_by, scored_by)
    now.require_same(result.spec.run_id, "was done", before)
    load_best(module, workspace.runs / result.spec.run_id, result.best_step)
    return module.eval(), datamodule
