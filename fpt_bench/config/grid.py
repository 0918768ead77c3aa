"""From an experiment and a profile to a flat list of runs."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from fpt_bench.config.experiment import Arm, Experiment, Profile, Rates
from fpt_bench.config.known import known_tasks, require_names, require_task
from fpt_bench.config.plugins import TASKS_GROUP, comes_from_outside
from fpt_bench.config.published import published_figures
from fpt_bench.config.spec import RunSpec, make_spec
from fpt_bench.config.yaml_files import CONFIGS, find_config, load, read_yaml
from fpt_bench.names import require_known


class GridRun(BaseModel):
    """A run, and the cell of a table that it belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    arm: str
    spec: RunSpec


class Grid(BaseModel):
    """All runs of one experiment at one profile, and what a table of them must know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: Experiment
    profile: str
    targets: dict[str, float]
    runs: tuple[GridRun, ...]
    left_out: tuple[str, ...] = ()
    """Tasks of the experiment that the profile has no budget for."""
    arms_left_out: tuple[str, ...] = ()
    """Arms of the experiment that the profile has no body for; `experiment` is without them."""

    @property
    def name(self) -> str:
        return f"{self.experiment.name}-{self.profile}"

    def cells(self) -> dict[tuple[str, str], list[RunSpec]]:
        """Return the runs of each (task, arm), in the grid's order: all seeds at each learning rate."""
        cells: dict[tuple[str, str], list[RunSpec]] = {}
        for run in self.runs:
            cells.setdefault((run.task, run.arm), []).append(run.spec)
        return cells


def run_fields(profile: Profile, task: str, configs: Path = CONFIGS) -> dict[str, Any]:
    """Return a task's RunSpec fields under a profile: tasks.yaml, then the profile, then the profile's task.

    A task from outside that tasks.yaml does not know has RunSpec's own defaults there.
    """
    path = configs / "tasks.yaml"
    tasks = read_yaml(path)
    if task not in tasks and not comes_from_outside(task, TASKS_GROUP):
        try:
            require_known("task", task, [*tasks, *known_tasks()])
        except ValueError as error:
            raise ValueError(f"{error} (in {path})") from error
    return {"task": task, **tasks.get(task, {}), **profile.run, **profile.tasks.get(task, {})}


def named_experiment(name: str) -> Experiment:
    """Return an experiment by its name in configs/experiments or its YAML file, with every name in it checked.

    Raises:
        ValueError: a mistake in the file; a task, arm or published row that is none, with the nearest one.
    """
    path = find_config("experiments", name)
    experiment = load(Experiment, path)
    try:
        for task in experiment.tasks:
            require_task(task)
        for effect in experiment.effects:
            require_known("task of the experiment", effect.task, experiment.tasks)
            for arm in (effect.better, effect.worse):
                require_known("arm of the experiment", arm, experiment.arms)
        for arm_ in experiment.arms.values():
            if arm_.published is not None:
                arm_.published.require(published_figures())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return experiment


def named_grid(experiment: str, profile: str) -> Grid:
    """Return the grid of an experiment at a profile, each a name in its folder of configs/ or a YAML file.

    Raises:
        ValueError: a mistake in a file or a name.
    """
    return make_grid(named_experiment(experiment), load(Profile, find_config("profiles", profile)))


def make_grid(experiment: Experiment, profile: Profile, configs: Path = CONFIGS) -> Grid:
    """Return every run of an experiment: seeds innermost, so that arms of one seed are paired.

    Raises:
        ValueError: a name or a value is wrong, or the profile has a budget for none of the tasks.
    """
    profile = profile.spent_on(experiment.name)
    tasks = [task for task in experiment.tasks if task in profile.tasks]
    if not tasks:
        raise ValueError(
            f"experiment {experiment.name}: expected profile {profile.name} to have a budget for at least one of "
            f"{', '.join(experiment.tasks)}; it has {', '.join(profile.tasks) or 'none'}"
        )
    arms = {name: arm for name, arm in experiment.arms.items() if _has_body(profile, arm)}
    arms_left_out = tuple(name for name in experiment.arms if name not in arms)
    if experiment.baseline in arms_left_out:
        raise ValueError(
            f"experiment {experiment.name}: expected profile {profile.name} to have a body for the baseline arm "
            f"{experiment.baseline}"
        )
    experiment = experiment.model_copy(update={"arms": arms})
    runs = []
    for task in tasks:
        fields = run_fields(profile, task, configs)
        for name, arm in experiment.arms.items():
            try:
                specs = _arm_specs(fields, arm, experiment.rates_of(arm), profile)
            except ValueError as error:
                raise ValueError(
                    f"experiment {experiment.name}, profile {profile.name}, arm {name}: {error}"
                ) from error
            runs += [GridRun(task=task, arm=name, spec=spec) for spec in specs]
    left_out = tuple(task for task in experiment.tasks if task not in tasks)
    return Grid(
        experiment=experiment,
        profile=profile.name,
        targets=profile.targets,
        runs=tuple(runs),
        left_out=left_out,
        arms_left_out=arms_left_out,
    )


def _has_body(profile: Profile, arm: Arm) -> bool:
    """Return whether the profile has a body for an arm; a role that it does not know is found out later."""
    return arm.role is None or profile.bodies.get(arm.role, "unknown") is not None


def _arm_specs(fields: dict[str, Any], arm: Arm, rates: Rates, profile: Profile) -> list[RunSpec]:
    """Return the runs of one task and arm: all seeds at the fixed rate, or all seeds at each rate that is swept."""
    body: dict[str, Any] = {}
    if arm.role is not None:
        require_known(f"body role of profile {profile.name}", arm.role, profile.bodies)
        named = profile.bodies[arm.role]
        body = named if isinstance(named, dict) else {"body": named}
    swept = profile.learning_rates if rates == "profile" else rates
    if swept is None:
        raise ValueError(f"expected profile {profile.name} to say `learning_rates`, a list of rates to sweep")
    settings: list[dict[str, Any]] = [{}] if isinstance(swept, str) else [{"learning_rate": rate} for rate in swept]
    own = {**fields, **body, **arm.run}
    # An arm adds to the data arguments of its task, so that its sizes stay those of the profile.
    own["data_arguments"] = {**fields.get("data_arguments", {}), **arm.run.get("data_arguments", {})}
    specs = [make_spec({**own, **setting, "seed": seed}) for setting in settings for seed in profile.seeds]
    require_names(specs[0])
    return specs
