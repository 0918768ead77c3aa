"""Tasks by name, those from outside this repository included."""

import inspect

from datamodules.contract import TaskDataModule
from fpt_bench.config.known import TASKS
from fpt_bench.config.plugins import TASKS_GROUP, look_up


def find_task(name: str) -> type[TaskDataModule]:
    """Return the datamodule class of a task: one of TASKS, an entry point's, or the class at `module:attribute`.

    Raises:
        ValueError: there is none, and the message names the nearest; or what is there is no datamodule class, or one
            that lacks what it must define.
    """
    found = look_up("task", name, TASKS, TASKS_GROUP)
    if not (isinstance(found, type) and issubclass(found, TaskDataModule)):
        raise ValueError(f"task '{name}': expected a class derived from TaskDataModule, got {found!r}")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise ValueError(f"task '{name}': expected a class that defines {missing}, got none. See docs/extending.md")
    return found
