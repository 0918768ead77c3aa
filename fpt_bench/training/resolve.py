"""From what was asked for to what will run: names are checked, data is chosen, before anything is trained."""

import inspect

from pydantic import TypeAdapter, ValidationError

from datamodules.contract import TaskDataModule
from datamodules.shuffled import ShuffledDataModule
from fpt_bench.bodies.build import plan_body
from fpt_bench.bodies.execution import settle
from fpt_bench.config.spec import Argument, RunSpec
from fpt_bench.names import require_known
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.tasks import find_task

DATA_ARGUMENTS = {"shuffled": bool}
"""Data arguments that every task takes, besides its own."""


def make_datamodule(spec: RunSpec, workspace: Workspace) -> TaskDataModule:
    """Build the datamodule of a run whose data are resolved; touches no file.

    Raises:
        ValueError: unknown task, or a data argument that the task does not take.
    """
    build = find_task(spec.task)
    assert spec.data != "auto", "`resolve` decides which data a run uses"
    arguments = _checked_arguments(spec.task, spec.data_arguments)
    shuffled = arguments.pop("shuffled", False)
    own = build(
        data=spec.data,
        seed=spec.seed,
        batch_size=spec.batch_size,
        eval_batch_size=spec.eval_batch_size,
        root=workspace.data_root,
        offline=workspace.offline,
        **arguments,
    )
    return ShuffledDataModule(own) if shuffled else own


def _checked_arguments(task: str, arguments: dict[str, Argument]) -> dict[str, Argument]:
    """Return a task's data arguments in the types that its datamodule declares; a number written as text becomes one.

    Raises:
        ValueError: an argument that the task does not take, or of a wrong type.
    """
    parameters = inspect.signature(find_task(task)).parameters
    own = {name: p.annotation for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    taken = {**own, **DATA_ARGUMENTS}
    checked = {}
    for name, value in arguments.items():
        require_known(f"data argument of {task}", name, taken)
        try:
            checked[name] = TypeAdapter(taken[name]).validate_python(value)
        except ValidationError as error:
            raise ValueError(f"data argument {name} of {task}: {error.errors()[0]['msg']}, got {value!r}") from error
    return checked


def resolve(spec: RunSpec, workspace: Workspace) -> tuple[RunSpec, str | None]:
    """Return the spec with the data, precision and execution that will be used, and a warning where data is a stand-in.

    Every name in the spec is checked, so that a grid with a mistake fails before it trains anything.

    Raises:
        ValueError: a name, file or data argument that is wrong.
        FileNotFoundError: data or weights that are not available.
    """
    kind, warning = find_task(spec.task).choose_kind(spec.data, workspace.data_root, workspace.offline)
    arguments = _checked_arguments(spec.task, spec.data_arguments)
    resolved = spec.model_copy(update={"data": kind, "data_arguments": arguments})
    plan = plan_body(resolved, make_datamodule(resolved, workspace).task.max_length, workspace.offline)
    return settle(resolved, plan.config), warning
