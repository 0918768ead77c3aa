"""Who says what of the runs of one task and arm: a table of each field, its value and the layer that it came from."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fpt_bench.config.cell_layers import cell_origins
from fpt_bench.config.named import named_experiment, named_profile
from fpt_bench.config.picks import WHOLE, Picks, picked
from fpt_bench.names import require_known


def show_layers(
    experiments: Sequence[str],
    profile: str,
    task: str,
    arm: str,
    seeds: tuple[int, ...] | None = None,
    picks: Picks = WHOLE,
) -> Group:
    """Draw where the fields of a task and arm come from, a table for each of the experiments that have both.

    Args:
        experiments, profile: names, or YAML files.
        task, arm: of one of the experiments at least.
        seeds: to report, instead of the profile's.
        picks: what the command line picks of each.

    Raises:
        ValueError: a mistake in a file; none of the experiments has the task or the arm; the profile leaves it out.
    """
    found = {name: picked(picks, named_experiment(name)) for name in experiments}
    require_known("task of the experiment", task, {known for e in found.values() for known in e.tasks})
    with_task = {name: experiment for name, experiment in found.items() if task in experiment.tasks}
    require_known("arm of the experiment", arm, {known for e in with_task.values() for known in e.arms})
    return Group(
        *(
            _draw(
                f"{experiment.name}: {task}, {arm}",
                cell_origins(experiment, named_profile(profile, name), task, arm, seeds, picks),
            )
            for name, experiment in with_task.items()
            if arm in experiment.arms
        )
    )


def _draw(title: str, origins: Mapping[str, tuple[Any, str]]) -> Table:
    table = Table("field", "value", "from", title=Text(title), title_justify="left", box=None, pad_edge=False)
    for field, (value, layer) in origins.items():
        table.add_row(*(Text(text, overflow="fold") for text in (field, _written(value), layer)))
    return table


def _written(value: object) -> str:
    """Write a value as a file says it; of several, all.

    Example:
        >>> _written(("input", "norm")), _written(None), _written(True)
        ('input, norm', 'null', 'true')
    """
    if isinstance(value, list | tuple):
        return ", ".join(map(_written, value))
    return value if isinstance(value, str) else json.dumps(value)
