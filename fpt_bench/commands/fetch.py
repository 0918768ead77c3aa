"""`fetch`: the real data of tasks."""

from typing import Annotated

import typer

from fpt_bench.commands.console import say
from fpt_bench.commands.options import DataRoot
from fpt_bench.config.known import require_task


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
        where = module.real_data(data_root, offline=False) if module.remote_files else module().source
        say(f"{task}: {where}")
