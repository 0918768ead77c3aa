"""`fetch`: the real data of tasks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpt_bench.commands.console import say
from fpt_bench.commands.options import DataRoot
from fpt_bench.config.known import require_task

if TYPE_CHECKING:
    from datamodules.contract import TaskDataModule


def fetch(
    tasks: Annotated[list[str], typer.Argument(help="tasks whose real data to download; see `list tasks`")],
    data_root: DataRoot = None,
) -> None:
    """Download the real data of tasks, unless they are there; interrupted downloads resume."""
    for task in tasks:
        require_task(task)
    from fpt_bench.training.tasks import find_task

    modules = {task: find_task(task) for task in tasks}
    for task, module in modules.items():
        say(f"{task}: {_fetched(task, module, data_root) if module.remote_files else module(root=data_root).source}")


def _fetched(task: str, module: "type[TaskDataModule]", data_root: Path | None) -> Path:
    """Return where the published files are, downloaded unless they are there.

    Raises:
        ValueError: other files lie there, which a run would read.
    """
    local = module.real_data_at(data_root)
    if local is None:
        return module.fetch_real(data_root, offline=False)
    found = module(data="real", root=data_root)
    if found.as_published is False:
        raise ValueError(
            f"{task}: expected the published files or none, got {found.source}, in {local}. They are read as what they "
            "are; to download the published ones, name another --data-root."
        )
    return local
