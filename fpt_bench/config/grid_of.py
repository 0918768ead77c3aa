"""From an experiment and a profile to every run of it."""

from pathlib import Path

from fpt_bench.config.cell_layers import cell_specs, task_layers
from fpt_bench.config.claims import Claim
from fpt_bench.config.experiment import Experiment, Profile, Spending
from fpt_bench.config.grid import Grid, GridRun
from fpt_bench.config.named import named_experiment, named_profile
from fpt_bench.config.picks import WHOLE, Picks, picked, written_picks
from fpt_bench.config.yaml_files import CONFIGS, find_config
from fpt_bench.names import require_known


def named_grid(experiment: str, profile: str, seeds: tuple[int, ...] | None = None, picks: Picks = WHOLE) -> Grid:
    """Return the grid of an experiment at a profile, each a name in its folder of configs/ or a YAML file.

    Args:
        experiment, profile: their names.
        seeds: to report, instead of the profile's.
        picks: what the command line picks of it.

    Raises:
        ValueError: a mistake in a file or a name.
    """
    asked, spending = _named(experiment, profile)
    return make_grid(asked, spending, seeds=seeds, picks=picks)


def named_claims(experiment: str, profile: str) -> tuple[Claim, ...]:
    """Return the claims that a whole bench of an experiment at a profile registers; names as of `named_grid`."""
    asked, spending = _named(experiment, profile)
    return asked.claims if asked.is_answered_at(spending.name) else ()


def _named(experiment: str, profile: str) -> tuple[Experiment, Profile]:
    spending = named_profile(profile, experiment)
    is_filed = find_config("profiles", profile).resolve().parent == CONFIGS / "profiles"
    return named_experiment(experiment, spending.name if is_filed else None), spending


def make_grid(
    experiment: Experiment,
    profile: Profile,
    configs: Path = CONFIGS,
    seeds: tuple[int, ...] | None = None,
    picks: Picks = WHOLE,
) -> Grid:
    """Return every run of an experiment: seeds innermost, so that arms of one seed are paired.

    Raises:
        ValueError: a name or a value is wrong; the profile has a budget for none of the tasks, or for one that was
            picked; two arms are the same; a seed is to choose a rate and to be reported.
    """
    spent, whole = profile.spent_on(experiment.name), experiment
    experiment, budgets = picked(picks, whole), spent.tasks or {}
    tasks = profile.tasks_of(experiment)
    if not tasks:
        raise ValueError(
            f"experiment {experiment.name}: expected profile {profile.name} to have a budget for at least one of "
            f"{', '.join(experiment.tasks)}; it has {', '.join(budgets) or 'none'}"
        )
    if dear := [task for task in picks.tasks or () if task in experiment.tasks and task not in tasks]:
        raise ValueError(
            f"--tasks: expected tasks that profile {profile.name} has a budget for in experiment {experiment.name}, "
            f"got {', '.join(dear)}; it has {', '.join(tasks)}"
        )
    arms = {name: arm for name, arm in experiment.arms.items() if profile.has_body(arm)}
    _require_effect(whole, profile)
    arms_left_out = tuple(name for name in experiment.arms if name not in arms)
    if bare := [arm for arm in picks.arms or () if arm in arms_left_out]:
        raise ValueError(f"--arms: expected arms that profile {profile.name} has a body for, got {', '.join(bare)}")
    if experiment.baseline in arms_left_out:
        raise ValueError(
            f"experiment {experiment.name}: expected profile {profile.name} to have a body for the baseline arm "
            f"{experiment.baseline}"
        )
    claims = experiment.claims if experiment.is_answered_at(profile.name) else ()
    part, experiment = experiment, experiment.model_copy(update={"arms": arms, "claims": claims})
    runs = []
    for task in tasks:
        of_task = task_layers(profile, task, experiment.name, configs)
        for arm in arms:
            try:
                specs = cell_specs(experiment, profile, arm, of_task, seeds, picks)
            except ValueError as error:
                raise ValueError(f"experiment {experiment.name}, profile {profile.name}, arm {arm}: {error}") from error
            runs += [GridRun(task=task, arm=arm, spec=spec) for spec in specs]
    grid = Grid(
        experiment=experiment,
        profile=profile.name,
        targets=profile.targets,
        runs=tuple(runs),
        tuning_seeds=spent.tuning_seeds or (),
        left_out=tuple(task for task in experiment.tasks if task not in tasks),
        arms_left_out=arms_left_out,
        picked=written_picks(picks, whole, part),
    )
    _require_meaning(grid)
    return grid


def _require_effect(experiment: Experiment, profile: Profile) -> None:
    """Raise a ValueError where a profile says for an experiment what it has no use for.

    That is: tasks that it has not, rates of arms that sweep theirs or have their own, and rates for arms that sweep
    where there are none. A body or a budget that the profile lacks is none of it: such cells are left out.
    """
    place = f"profile {profile.name}: experiments.{experiment.name}"
    own = profile.experiments.get(experiment.name, Spending())
    for task in own.tasks or ():
        require_known(f"task of {place}.tasks", task, experiment.tasks)
    for arm, by_task in own.rates.items():
        require_known(f"arm of {place}.rates", arm, experiment.arms)
        if "learning_rate" in experiment.arms[arm].run:
            raise ValueError(f"{place}.rates: expected arms that say no rate themselves, got {arm}")
        if experiment.rates_of(experiment.arms[arm]) != "fixed":
            raise ValueError(f"{place}.rates: expected arms with one rate, got {arm}, which sweeps its rates")
        for task in by_task:
            require_known(f"task of {place}.rates.{arm}", task, experiment.tasks)
    if own.rates_chosen_on and not own.rates:
        raise ValueError(
            f"{place}.rates_chosen_on: expected it beside the `rates` that these seeds chose, got no rates"
        )
    if own.learning_rates is not None and not any(
        experiment.rates_of(arm) == "profile" for arm in experiment.arms.values()
    ):
        raise ValueError(
            f"{place}.learning_rates: expected rates for an experiment with an arm that sweeps the profile's, got one "
            "without; say `learning_rates: profile` there"
        )


def _require_meaning(grid: Grid) -> None:
    """Raise a ValueError where two arms are the same runs: no effect can be seen between them."""
    where = f"experiment {grid.experiment.name}, profile {grid.profile}"
    arms: dict[frozenset[str], str] = {}
    for arm in grid.experiment.arms:
        specs = frozenset(run.spec.run_id for run in grid.runs if run.arm == arm)
        if specs in arms:
            raise ValueError(
                f"{where}: expected arms that differ, but {arms[specs]} and {arm} are the same runs; take one of them "
                "out, or give it a body or fields of its own"
            )
        arms[specs] = arm
