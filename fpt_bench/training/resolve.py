"""From what was asked for to what will run: names are checked, data is chosen, before anything is trained."""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from datamodules.contract import SharedArguments, TaskDataModule, TaskSpec
from datamodules.shuffled import ShuffledDataModule
from fpt_bench.bodies.build import plan_body
from fpt_bench.bodies.execution import settle
from fpt_bench.bodies.inits.numbers_kept import require_fit
from fpt_bench.bodies.smaller import keep_layers
from fpt_bench.config.known import body_folder, is_known_body
from fpt_bench.config.places import one_name
from fpt_bench.config.plugins import TASKS_GROUP, comes_from_outside, in_one_line
from fpt_bench.config.spec import Argument, RunSpec
from fpt_bench.names import require_known
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.tasks import find_task

DATA_ARGUMENTS = {"shuffled": bool}
"""Data arguments that every task takes, besides its own."""


def make_datamodule(spec: RunSpec, workspace: Workspace) -> TaskDataModule:
    """Build the datamodule of a run whose data are resolved; touches no file.

    Raises:
        ValueError: unknown task, a data argument that the task does not take, or a task that says no shapes.
    """
    build = find_task(spec.task)
    assert spec.data != "auto", "`resolve` decides which data a run uses"
    arguments = checked_arguments(spec.task, spec.data_arguments)
    shuffled = arguments.pop("shuffled", False)
    with _named(spec.task):
        own = build(
            data=spec.data,
            seed=spec.seed,
            batch_size=spec.batch_size,
            eval_batch_size=spec.eval_batch_size,
            root=workspace.data_root,
            offline=workspace.offline,
            **arguments,
        )
    if not hasattr(own, "batch_size"):
        raise ValueError(f"task '{spec.task}': expected its `__init__` to call super().__init__(**shared), it does not")
    with _named(spec.task):
        task = own.task
    if not isinstance(task, TaskSpec):
        raise ValueError(f"task '{spec.task}': expected its `task` to be a TaskSpec, got {task!r}")
    return ShuffledDataModule(own) if shuffled else own


@contextmanager
def _named(task: str) -> Iterator[None]:
    """Name the task whose class somebody wrote, and the line there, where making it raises something."""
    try:
        yield
    except Exception as error:
        if not comes_from_outside(task, TASKS_GROUP):
            raise
        raise ValueError(f"task '{task}': it cannot be made: {in_one_line(error)}") from error


def _own_keywords(task: str) -> dict[str, inspect.Parameter]:
    """Return the keywords that a task's class takes besides the shared ones.

    Raises:
        ValueError: it does not take the shared ones, or an annotation names something that is not there.
    """
    try:
        # Not of the class: which of `__new__` and `__init__` that means differs between versions of Python.
        signature = inspect.signature(find_task(task).__init__, eval_str=True)  # type: ignore[misc]
    except NameError as error:
        raise ValueError(f"task '{task}': expected annotations that can be read, got: {error}") from error
    parameters = dict(list(signature.parameters.items())[1:])
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise ValueError(
            f"task '{task}': expected a class that takes **shared: Unpack[SharedArguments] and hands it to its base, "
            f"got one that takes {', '.join(parameters) or 'nothing'}. See docs/extending.md"
        )
    shared = SharedArguments.__annotations__
    named = {n: p for n, p in parameters.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    return {name: parameter for name, parameter in named.items() if name not in shared}


def _type_of(task: str, parameter: inspect.Parameter) -> Any:
    """Return the type of a data argument: as annotated, else that of its default.

    Raises:
        ValueError: neither says one.
    """
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    if parameter.default is parameter.empty or parameter.default is None:
        raise ValueError(
            f"data argument {parameter.name} of {task}: expected a type, got none. Annotate it in the class: "
            f"{parameter.name}: int"
        )
    return type(parameter.default)


def checked_arguments(task: str, arguments: dict[str, Argument]) -> dict[str, Argument]:
    """Return a task's data arguments in the types that its datamodule declares; a number written as text becomes one.

    Raises:
        ValueError: an argument that the task does not take, or lacks, or of a wrong type.
    """
    own = _own_keywords(task)
    for name, parameter in own.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise ValueError(f"data argument {name} of {task}: expected a value, got none. Say {name}=VALUE")
    checked = {}
    for name, value in arguments.items():
        require_known(f"data argument of {task}", name, [*own, *DATA_ARGUMENTS])
        kind = DATA_ARGUMENTS[name] if name in DATA_ARGUMENTS else _type_of(task, own[name])
        try:
            checked[name] = TypeAdapter(kind).validate_python(value)
            if isinstance(checked[name], float) and not math.isfinite(checked[name]):  # which no result could hold
                raise ValueError(f"data argument {name} of {task}: expected a finite number, got {value!r}")
        except ValidationError as error:
            raise ValueError(f"data argument {name} of {task}: {error.errors()[0]['msg']}, got {value!r}") from error
        except PydanticUserError as error:
            raise ValueError(
                f"data argument {name} of {task}: expected a plain type such as int, got {kind}"
            ) from error
    return checked


def _folders(spec: RunSpec) -> dict[str, str]:
    """Return the fields of a spec that name a folder, by the one name it has."""
    found = {}
    if not is_known_body(spec.body) and Path(spec.body).expanduser().is_dir():
        found["body"] = body_folder(spec.body)
    if spec.body_path and Path(spec.body_path).expanduser().is_dir():
        found["body_path"] = one_name(spec.body_path)
    return found


def resolve_data(spec: RunSpec, workspace: Workspace) -> tuple[RunSpec, str | None]:
    """Return the spec with the data that will be used, and a warning where they are a stand-in.

    Raises:
        ValueError: a task or data argument that is wrong.
        FileNotFoundError: data that are not available.
    """
    arguments = checked_arguments(spec.task, spec.data_arguments)
    kind, warning = find_task(spec.task).choose_kind(spec.data, workspace.data_root, workspace.offline, arguments)
    return spec.model_copy(update={"data": kind, "data_arguments": arguments}), warning


def resolve(spec: RunSpec, workspace: Workspace) -> tuple[RunSpec, str | None]:
    """Return the spec with the data, precision and execution that will be used, and a warning where data is a stand-in.

    Every name in the spec is checked, so that a grid with a mistake fails before it trains anything.

    Raises:
        ValueError: a name, file or data argument that is wrong, or an init that the body has not the shape for.
        FileNotFoundError: data or weights that are not available.
    """
    resolved, warning = resolve_data(spec, workspace)
    resolved = resolved.model_copy(update=_folders(resolved))
    plan = plan_body(resolved, make_datamodule(resolved, workspace).task.max_length, workspace.offline)
    settled = settle(resolved, plan.config)
    if resolved.layers is not None:
        keep_layers(plan.config, resolved.layers)
    require_fit(plan)
    return settled, warning
