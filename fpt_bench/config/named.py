"""Experiments and profiles by their names or files, with every name in them checked before anything is trained."""

from collections.abc import Iterator

from fpt_bench.config.claim_files import claims_on
from fpt_bench.config.claims import Claim
from fpt_bench.config.experiment import NOBODY, Experiment, Profile
from fpt_bench.config.known import TASKS, require_task
from fpt_bench.config.measures import require_fraction
from fpt_bench.config.published import published_figures
from fpt_bench.config.yaml_files import CONFIGS, config_names, find_config, load
from fpt_bench.names import require_known


def named_experiment(name: str, profile: str | None = None) -> Experiment:
    """Return an experiment by its name in configs/experiments or its YAML file, with every name in it checked.

    Those in configs/experiments have their claims on file, in configs/claims; others say theirs themselves.

    Args:
        name: its name, or its file.
        profile: the name of the one that it is wanted at, whose own claims are then among the others.

    Raises:
        ValueError: a mistake in a file; a task, arm or published row that is none, with the nearest one.
    """
    path = find_config("experiments", name)
    experiment = load(Experiment, path)
    if path.resolve().parent == CONFIGS / "experiments":
        filed = claims_on(experiment.name, profile)
        experiment = experiment.model_copy(update={"claims": (*experiment.claims, *filed)})
    try:
        for task in experiment.tasks:
            require_task(task)
        if experiment.profile is not None:
            require_known("profile", experiment.profile, config_names("profiles"))
        for claim in experiment.claims:
            try:
                _require_known_sides(claim, experiment)
            except ValueError as error:
                raise ValueError(f"claim '{claim.sentence}': {error}") from error
        for name_, arm_ in experiment.arms.items():
            if arm_.against not in (None, NOBODY):
                others = [other for other in experiment.arms if other != name_]
                require_known(f"arm for `{name_}` to stand against", arm_.against, others)
            if arm_.published is not None:
                arm_.published.require(published_figures())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return experiment


def _require_known_sides(claim: Claim, experiment: Experiment) -> None:
    for task in claim.tasks:
        require_known("task of the experiment", task, experiment.tasks)
        if claim.reached is not None and task in TASKS:
            require_fraction("claims: reached", claim.reached)
    for arm in (claim.better, claim.worse):
        require_known("arm of the experiment", arm, experiment.arms)


def named_profile(name: str, experiment: str | None = None) -> Profile:
    """Return a profile by its name in configs/profiles or its YAML file, with every task in it checked.

    Args:
        name: of the profile.
        experiment: that it is wanted for, by name or file. Then the names under the profile's `experiments` are
            checked, too: there are those in configs/experiments, and the files beside the profile or this experiment.

    Raises:
        ValueError: a mistake in the file; a task or an experiment that is none, with the nearest one.
    """
    path = find_config("profiles", name)
    profile = load(Profile, path)
    for place, task in _tasks_in(profile):
        try:
            require_task(task)
        except ValueError as error:
            raise ValueError(f"{path}: {place}: {error}") from error
    if experiment is not None:
        folders = {CONFIGS / "experiments", path.parent, find_config("experiments", experiment).parent}
        known = {file.stem for folder in folders for ending in ("yaml", "yml") for file in folder.glob(f"*.{ending}")}
        for spent_on in profile.experiments:
            try:
                require_known("experiment", spent_on, known)
            except ValueError as error:
                raise ValueError(f"{path}: experiments: {error}") from error
    return profile


def rates_chosen_on(profile: str, experiment: str) -> tuple[int, ...]:
    """Return the seeds on which a profile's rates of an experiment were chosen; none of a profile that is not known."""
    try:
        return named_profile(profile).spent_on(experiment).rates_chosen_on or ()
    except ValueError:
        return ()


def _tasks_in(profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield every task that a profile names, and where."""
    yield from (("tasks", task) for task in profile.tasks)
    yield from (("targets", task) for task in profile.targets)
    for experiment, spending in profile.experiments.items():
        yield from ((f"experiments.{experiment}.tasks", task) for task in spending.tasks or ())
        for arm, rates in spending.rates.items():
            yield from ((f"experiments.{experiment}.rates.{arm}", task) for task in rates)
