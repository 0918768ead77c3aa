"""Tasks and bodies from outside this repository: by `module:attribute`, or by an installed package's entry points."""

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from fpt_bench.names import require_known

if TYPE_CHECKING:
    from datamodules.contract import TaskDataModule
    from fpt_bench.bodies.catalog import BodyEntry

TASKS_GROUP, BODIES_GROUP = "fpt_bench.tasks", "fpt_bench.bodies"
"""Entry point groups in which packages offer theirs."""


def offered(group: str) -> list[str]:
    """Give the names that installed packages offer in an entry point group; imports none of them."""
    return sorted({entry.name for entry in entry_points(group=group)})


def comes_from_outside(name: str, group: str) -> bool:
    """Say whether a name is a path of the form `module:attribute` or offered by an installed package."""
    return ":" in name or name in offered(group)


def find_task(name: str) -> "type[TaskDataModule]":
    """Give the datamodule class of a task: one of TASKS, an entry point's, or the class at `module:attribute`.

    Raises:
        ValueError: there is none, and the message names the nearest; or what is there is no datamodule class.
    """
    from datamodules import TASKS
    from datamodules.contract import TaskDataModule

    found = _look_up("task", name, TASKS, TASKS_GROUP)
    if not (isinstance(found, type) and issubclass(found, TaskDataModule)):
        raise ValueError(f"task '{name}': expected a class derived from TaskDataModule, got {found!r}")
    return found


def find_body_entry(name: str) -> "BodyEntry":
    """Give the entry of a body: one of BODIES, an entry point's, or the one at `module:attribute`.

    Raises:
        ValueError: there is none, or what is there is no BodyEntry.
    """
    from fpt_bench.bodies.catalog import BODIES, BodyEntry

    found = _look_up("body", name, BODIES, BODIES_GROUP)
    if not isinstance(found, BodyEntry):
        raise ValueError(f"body '{name}': expected a BodyEntry, got {found!r}")
    return found


def _look_up(kind: str, name: str, built_in: Mapping[str, Any], group: str) -> Any:
    if name in built_in:
        return built_in[name]
    if ":" in name:
        return _import(kind, name)
    for entry in entry_points(group=group, name=name):
        return entry.load()
    require_known(kind, name, [*built_in, *offered(group)])
    raise AssertionError("unreachable: the name is neither built in nor offered")


def _import(kind: str, name: str) -> Any:
    path, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        raise ValueError(
            f"{kind} '{name}': expected a module that can be imported, got: {error}. "
            "Python looks in the working directory and in the folders that PYTHONPATH names."
        ) from error
    if not hasattr(module, attribute):
        own = [n for n, thing in vars(module).items() if getattr(thing, "__module__", path) == path and n[:1] != "_"]
        require_known(f"attribute of {path}", attribute, own)
    return getattr(module, attribute)
