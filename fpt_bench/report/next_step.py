"""What would settle a claim that is open: a command, or why there is none."""

import functools
import math

from fpt_bench.analysis.filed_docket import Entry
from fpt_bench.config.claim_files import FiledClaim
from fpt_bench.config.command_line import written_seeds
from fpt_bench.config.experiment import Experiment, Profile
from fpt_bench.config.named import named_experiment, named_profile

_PROFILES = ("embedded", "paper")
"""In the order in which they are asked for: what two cores can do, then what needs a GPU and a network."""
_HELD = "more seeds settle nothing on {}, where an arm hardly varies or falls into two groups: claim who learned"


def next_step(entry: Entry) -> str:
    """Return what settles an open claim, a command and behind "; " what it will not, or why there is none; else ""."""
    filed = entry.filed
    if entry.outcome != "open":
        return ""
    if not filed.experiments:
        return filed.open_because
    held = _HELD.format(", ".join(entry.held)) if entry.held else ""
    if set(entry.held) >= set(filed.tasks):
        return held
    command, missing = _command(entry)
    return "; ".join(part for part in (command, missing, held) if part)


def _command(entry: Entry) -> tuple[str, str]:
    """Return the command that runs more of a claim, and which of its tasks it runs none of."""
    filed, known = entry.filed, _known_experiment(entry.filed.experiments[0])
    experiment, used = filed.experiments[0], None
    if entry.bench is not None:
        experiment, _, used = entry.bench.rpartition("-")
    if known is None or known.name != experiment:
        return _words(experiment, used or _PROFILES[0], entry), ""
    asked = [known.profile] if known.profile else list(dict.fromkeys([*([used] if used else []), *_PROFILES]))
    run = {profile: _tasks_run(filed, known, profile) for profile in asked}
    best = max(asked, key=lambda profile: len(run[profile]))
    if not run[best]:
        return "", f"no profile of {' and '.join(asked)} runs both of its arms"
    left = [task for task in filed.tasks if task not in run[best]]
    missing = f"it runs nothing on {', '.join(left)}" if left else ""
    return _words(experiment, best, entry if best == used else None, _asks_for_real_data(known)), missing


def _words(experiment: str, profile: str, entry: Entry | None, asks_for_data: bool = False) -> str:
    command = f"python -m fpt_bench bench --experiments {experiment} --profile {profile}"
    command += " --data-root FOLDER" if asks_for_data else ""
    if entry is None or not entry.reported or not math.isfinite(entry.seeds) or entry.seeds <= entry.seeds_now:
        return command
    missing = int(entry.seeds) - entry.seeds_now
    more = range(entry.reported[-1] + 1, entry.reported[-1] + 1 + missing)
    return f"{command} --seeds {written_seeds((*entry.reported, *more))}"


def _tasks_run(filed: FiledClaim, experiment: Experiment, profile: str) -> list[str]:
    run = _known_profile(profile)
    arms = (filed.better, filed.worse)
    # A profile of somebody's own has run what it has run.
    return [task for task in filed.tasks if run is None or task in run.runs(experiment, arms)]


def _asks_for_real_data(experiment: Experiment) -> bool:
    return any(arm.run.get("data") == "real" for arm in experiment.arms.values())


@functools.cache
def _known_experiment(name: str) -> Experiment | None:
    try:
        return named_experiment(name)
    except ValueError:
        return None


@functools.cache
def _known_profile(name: str) -> Profile | None:
    try:
        return named_profile(name)
    except ValueError:
        return None
