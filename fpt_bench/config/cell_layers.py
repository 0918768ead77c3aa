"""Who says what of the runs of one task and arm: the layers, in their order, and the runs that they make."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fpt_bench.config.experiment import Experiment, Profile, Seeds
from fpt_bench.config.known import known_tasks
from fpt_bench.config.layers import Layer, checked_fields, origins, spec_of
from fpt_bench.config.picks import LANGUAGE, WHOLE, Picks
from fpt_bench.config.plugins import TASKS_GROUP, comes_from_outside
from fpt_bench.config.spec import RunSpec
from fpt_bench.config.yaml_files import CONFIGS, read_yaml
from fpt_bench.names import require_known

DEFAULTS = Layer(
    "default",
    {
        name: field.get_default(call_default_factory=True)
        for name, field in RunSpec.model_fields.items()
        if not field.is_required()
    },
)
"""What a field is that nobody speaks of."""


def task_layers(profile: Profile, task: str, experiment: str | None = None, configs: Path = CONFIGS) -> list[Layer]:
    """Return what tasks.yaml and a profile say of a task's runs, earliest first: an experiment's, or single ones.

    A task from outside that tasks.yaml does not know has RunSpec's own defaults there.

    Raises:
        ValueError: the task is none, or its line in tasks.yaml is wrong.
    """
    path = configs / "tasks.yaml"
    tasks = read_yaml(path)
    if task not in tasks and not comes_from_outside(task, TASKS_GROUP):
        try:
            require_known("task", task, [*tasks, *known_tasks()], "MODULE:CLASS")
        except ValueError as error:
            raise ValueError(f"{error} (in {path})") from error
    line = tasks.get(task, {})
    if not isinstance(line, dict):
        raise ValueError(f"{path}: {task}: expected a mapping of fields to values, got {type(line).__name__}")
    try:
        checked_fields(line)
    except ValueError as error:
        raise ValueError(f"{path}: {task}: {error}") from error
    asked_by = "the command line" if experiment is None else f"experiment {experiment}: tasks"
    return [Layer(asked_by, {"task": task}), Layer(f"tasks.yaml: {task}", line), *profile.layers(task, experiment)]


def cell_layers(
    experiment: Experiment, profile: Profile, arm: str, of_task: Sequence[Layer], picks: Picks = WHOLE
) -> list[Layer]:
    """Return what is said of all runs of a task and arm, earliest first; `of_task` as `task_layers` returns it.

    Raises:
        ValueError: the profile does not know the arm's role.
    """
    body, role = {}, experiment.arms[arm].role
    if role is not None:
        require_known(f"body role of profile {profile.name}", role, profile.bodies)
        body = profile.bodies[role] or {}
    task = next(layer.fields["task"] for layer in of_task if "task" in layer.fields)
    rate = profile.spent_on(experiment.name).rates.get(arm, {}).get(task)
    chosen = Layer(
        f"profile {profile.name}: experiments.{experiment.name}.rates.{arm}.{task}",
        {} if rate is None else {"learning_rate": rate},
    )
    return [
        *of_task,
        *picks.role_layers(role, Layer(f"profile {profile.name}: bodies.{role}", body), _replaced(experiment, profile)),
        chosen,
        Layer(f"experiment {experiment.name}: arms.{arm}.run", experiment.arms[arm].run),
        *picks.field_layers(),
    ]


def _replaced(experiment: Experiment, profile: Profile) -> str | None:
    """Return the profile's body of the role `language`, else of the baseline's; other roles may be variants of it."""
    arms = [experiment.arms[experiment.baseline], *experiment.arms.values()]
    roles = [arm.role for arm in arms if arm.role is not None and profile.bodies.get(arm.role)]
    role = LANGUAGE if LANGUAGE in roles else next(iter(roles), None)
    return None if role is None else (profile.bodies[role] or {}).get("body")


def varied_layers(experiment: Experiment, profile: Profile, arm: str, seeds: Seeds | None = None) -> list[Layer]:
    """Return what differs between the runs of an arm, slowest first: of each field all values, one after the other.

    Raises:
        ValueError: the arm sweeps the profile's learning rates, and it has none; a seed is to choose a rate and to be
            reported.
    """
    rates, spent = experiment.rates_of(experiment.arms[arm]), profile.spent_on(experiment.name)
    if rates == "fixed":
        return [_seeds_layer(experiment, profile, seeds)]
    if rates == "profile":
        if spent.learning_rates is None:
            raise ValueError(f"expected profile {profile.name} to say `learning_rates`, a list of rates to sweep")
        swept = Layer(_place_of("learning_rates", experiment, profile), {"learning_rate": spent.learning_rates})
    else:
        place = "" if experiment.arms[arm].learning_rates is None else f"arms.{arm}."
        swept = Layer(f"experiment {experiment.name}: {place}learning_rates", {"learning_rate": rates})
    tuning = spent.tuning_seeds if len(swept.fields["learning_rate"]) > 1 else None
    return [swept, _seeds_layer(experiment, profile, seeds, tuning)]


def _seeds_layer(
    experiment: Experiment, profile: Profile, seeds: Seeds | None, tuning_seeds: Seeds | None = None
) -> Layer:
    """Return which seeds an arm has, those that choose its rate before those that are reported."""
    spent = profile.spent_on(experiment.name)
    reported = seeds or spent.seeds or ()
    said = "the command line: --seeds" if seeds else _place_of("seeds", experiment, profile)
    for field, chose in (("tuning_seeds", tuning_seeds), ("rates_chosen_on", spent.rates_chosen_on)):
        if both := [str(seed) for seed in chose or () if seed in reported]:
            raise ValueError(
                f"expected seeds that choose a rate or are reported, got {', '.join(both)} in "
                f"{_place_of(field, experiment, profile)} and in {said}; take them out of one of the two"
            )
    if tuning_seeds is None:
        return Layer(said, {"seed": reported})
    said_first = _place_of("tuning_seeds", experiment, profile)
    return Layer(f"{said_first}, then {said}", {"seed": (*tuning_seeds, *reported)})


def _place_of(field: str, experiment: Experiment, profile: Profile) -> str:
    """Return where a profile says seeds or rates: for one experiment, or for all."""
    own = profile.experiments.get(experiment.name)
    place = f"experiments.{experiment.name}." if own and getattr(own, field) else ""
    return f"profile {profile.name}: {place}{field}"


def cell_specs(
    experiment: Experiment,
    profile: Profile,
    arm: str,
    of_task: Sequence[Layer],
    seeds: Seeds | None = None,
    picks: Picks = WHOLE,
) -> list[RunSpec]:
    """Return the runs of one task and arm: all seeds at the fixed rate, or all seeds at each rate that is swept.

    Args:
        experiment, profile, arm: whose runs they are.
        of_task: as `task_layers` returns it.
        seeds: to report, instead of the profile's.
        picks: which body and fields the command line says.

    Raises:
        ValueError: a name or a value is wrong.
    """
    layers = cell_layers(experiment, profile, arm, of_task, picks)
    choices = [
        [Layer(layer.name, {field: value}) for field, values in layer.fields.items() for value in values]
        for layer in varied_layers(experiment, profile, arm, seeds)
    ]
    return [spec_of([*layers, *chosen]) for chosen in itertools.product(*choices)]


def cell_origins(
    experiment: Experiment,
    profile: Profile,
    task: str,
    arm: str,
    seeds: Seeds | None = None,
    picks: Picks = WHOLE,
) -> dict[str, tuple[Any, str]]:
    """Return each field of the runs of a task and arm, in RunSpec's order, with its value and who says it.

    Of what differs between the runs, the value is all values.

    Raises:
        ValueError: the experiment has no such task or arm, or the profile has no budget or body for it.
    """
    require_known(f"task of experiment {experiment.name}", task, experiment.tasks)
    require_known(f"arm of experiment {experiment.name}", arm, experiment.arms)
    budgets = profile.spent_on(experiment.name).tasks or {}
    if task not in budgets:
        raise ValueError(
            f"expected a task that profile {profile.name} has a budget for in experiment {experiment.name}, got "
            f"{task}; it has {', '.join(budgets) or 'none'}"
        )
    if not profile.has_body(experiment.arms[arm]):
        raise ValueError(f"expected an arm that profile {profile.name} has a body for, got {arm}")
    layers = cell_layers(experiment, profile, arm, task_layers(profile, task, experiment.name), picks)
    said = origins([DEFAULTS, *layers, *varied_layers(experiment, profile, arm, seeds)])
    order = list(RunSpec.model_fields)
    return dict(sorted(said.items(), key=lambda item: order.index(item[0].partition(".")[0])))
