"""What would settle a claim that is open: a command, or why there is none."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fpt_bench.analysis.filed_docket import Entry
from fpt_bench.config.claim_files import FiledClaim
from fpt_bench.config.command_line import with_more_seeds, written_seeds
from fpt_bench.config.experiment import Experiment, Profile
from fpt_bench.config.grid import Grid
from fpt_bench.config.named import named_experiment, named_profile, rates_chosen_on

_PROFILES = ("embedded", "paper")
"""In the order in which they are asked for: what two cores can do, then what needs a GPU and a network."""
MORE_SEEDS = 2
"""Asked for where nobody can say how many it takes."""


@dataclass(frozen=True)
class NextStep:
    """A command, and what it leaves out; or no command, and why."""

    command: str = ""
    words: str = ""

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.command, self.words)))


def next_step(entry: Entry) -> NextStep:
    """Return what settles an open claim; nothing of a settled one."""
    filed = entry.filed
    if entry.outcome != "open":
        return NextStep()
    if not filed.experiments:
        return NextStep(words=filed.open_because)
    if entry.held:
        tasks = ", ".join(entry.held)
        words = f"hardly more seeds: on {tasks} an arm hardly varies or falls into two groups; claim who learned"
        return NextStep(words=words)
    name = filed.experiments[0] if entry.grid is None else entry.grid.experiment.name
    used = None if entry.grid is None else entry.grid.profile
    known: Experiment | None = _known(named_experiment, name)
    if known is None:
        return _more(entry, name, used or _PROFILES[0])
    only = filed.profile or known.profile
    asked = [only] if only else list(dict.fromkeys([*([used] if used else []), *_PROFILES]))
    run = {profile: _tasks_run(filed, known, profile) for profile in asked}
    best = max(asked, key=lambda profile: len(run[profile]))
    if not run[best]:
        return NextStep(words=f"no profile of {' and '.join(asked)} runs both of its arms")
    left = [task for task in filed.tasks if task not in run[best]]
    data = " --data-root FOLDER" if any(arm.run.get("data") == "real" for arm in known.arms.values()) else ""
    step = _more(entry if best == used else Entry(filed), name, best)
    remarks = [filed.open_because, step.words, f"it runs nothing on {', '.join(left)}" if left else ""]
    return NextStep(step.command and f"{step.command}{data}", "; ".join(filter(None, remarks)))


def _more(entry: Entry, experiment: str, profile: str) -> NextStep:
    """Return the command of an experiment at a profile, with more seeds where those that it has are over."""
    command = _command(experiment, profile)
    if entry.grid is None or not entry.reported:
        return NextStep(command)
    if math.isinf(entry.seeds):
        return NextStep(words="over 1,000 seeds at the deviations seen: no command")
    count = _seeds_wanted(entry, entry.grid)
    if not count:
        return NextStep(command)
    chose = (*entry.grid.seeds_that_chose, *rates_chosen_on(profile, experiment))
    seeds = written_seeds(with_more_seeds(entry.reported, count, chose))
    unknown = "" if math.isfinite(entry.seeds) else "how many more it takes is not known"
    return NextStep(f"{command} --seeds {seeds}", unknown)


def _command(experiment: str, profile: str) -> str:
    kinds = ((named_experiment, experiment), (named_profile, profile))
    paths = [name if _known(find, name) else f"PATH/OF/{name}.yaml" for find, name in kinds]
    return f"python -m fpt_bench bench --experiments {paths[0]} --profile {paths[1]}"


def _seeds_wanted(entry: Entry, grid: Grid) -> int:
    """Return how many seeds an arm to ask for; 0 where those that the bench has anyway are not over yet."""
    if math.isfinite(entry.seeds) and entry.seeds > entry.seeds_now:
        return int(entry.seeds)
    sides = {(task, arm) for task in entry.filed.tasks for arm in (entry.filed.better, entry.filed.worse)}
    coming = {run.spec.seed for run in grid.runs if (run.task, run.arm) in sides} - {*grid.seeds_that_chose}
    return 0 if entry.seeds_now < len(coming) else entry.seeds_now + MORE_SEEDS


def _tasks_run(filed: FiledClaim, experiment: Experiment, profile: str) -> list[str]:
    """Return the tasks of a claim on which a profile runs both arms; of a profile of somebody's own, all."""
    known: Profile | None = _known(named_profile, profile)
    if known is None:
        return list(filed.tasks)
    arms = [experiment.arms.get(name) for name in (filed.better, filed.worse)]
    both = all(arm is not None and known.has_body(arm) for arm in arms)
    return [task for task in known.tasks_of(experiment) if task in filed.tasks] if both else []


@functools.cache
def _known(find: Callable[[str], Any], name: str) -> Any:
    """Return an experiment or a profile by its name; None where it is somebody's own."""
    try:
        return find(name)
    except ValueError:
        return None
