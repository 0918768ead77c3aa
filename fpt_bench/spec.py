"""What is asked for: a run as a frozen value, and experiments as flat lists of runs.

Nothing here imports torch: a grid can be planned, hashed and tabulated on a machine that cannot train.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fpt_bench.extensions import TASKS_GROUP, comes_from_outside, offered
from fpt_bench.names import require_known
from fpt_bench.resources import Launcher

GROUPS = ("input", "readout", "norm", "position", "attention", "feedforward")
"""Parameter groups that can be trained. A body's vocabulary tables (`token`) never are."""

CONFIGS = Path(__file__).resolve().parents[1] / "configs"

Argument = bool | int | float | str


def _ascending(rates: tuple[float, ...]) -> tuple[float, ...]:
    if list(rates) != sorted(set(rates)):
        raise ValueError("expected learning rates in ascending order, each once")
    return rates


Rate = Annotated[float, Field(gt=0, lt=10, allow_inf_nan=False)]
SweptRates = Annotated[tuple[Rate, ...], Field(min_length=1), AfterValidator(_ascending)]
Rates = Literal["fixed", "profile"] | SweptRates
Model = TypeVar("Model", bound=BaseModel)


def folder_name(text: str) -> str:
    """Give a name as a part of a folder's name.

    Example:
        >>> folder_name("../my_tasks.sorting:SortDataModule")
        '-my_tasks.sorting-SortDataModule'
    """
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in text).strip(".")


class RunSpec(BaseModel):
    """Everything that can change a number of one run. Equal specs give equal results on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(description="what to learn; see `list tasks`")
    data: Literal["auto", "real", "embedded"] = Field(
        "embedded",
        description="real: the task's own data; embedded: data that needs no network; auto: real if it can be had",
    )
    data_arguments: dict[str, Argument] = Field(
        default_factory=dict, description="arguments of the task's datamodule, as name=value; may be repeated"
    )
    body: str = Field("minilm", description="transformer between input layer and readout; see `list bodies`")
    body_path: str | None = Field(None, description="folder with the body's weights in Hugging Face's layout")
    layers: int | None = Field(None, ge=1, description="keep only the first n layers of the body")
    init: str = Field("pretrained", description="where the body's weights come from; see `list inits`")
    train: tuple[str, ...] = Field(
        ("input", "readout", "norm", "position"),
        description="parameter groups to train, separated by commas, or `all`: " + ", ".join(GROUPS),
    )
    learning_rate: float = Field(1e-3, gt=0, lt=10, allow_inf_nan=False, description="of Adam, constant")
    batch_size: int = Field(16, ge=1, description="training examples a step")
    eval_batch_size: int = Field(64, ge=1, description="examples a batch in validation and test")
    max_steps: int = Field(1000, ge=1, description="optimizer steps at most")
    eval_every: int = Field(50, ge=1, description="steps from one validation to the next")
    patience: int | None = Field(
        None, ge=1, description="stop after this many validations without a new best; none: never"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout probability inside the body")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient over all trained parameters")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="of the body's matrix products; auto: bfloat16 where the hardware multiplies it, else float32",
    )
    body_execution: Literal["auto", "native", "reference"] = Field(
        "auto",
        description="whose forward pass: native (ours, packed), reference (Hugging Face's); auto: ours where it can",
    )
    seed: int = Field(0, ge=0, description="of initial weights, order of examples and dropout")

    @field_validator("train", mode="before")
    @classmethod
    def _split_groups(cls, value: object) -> object:
        """Accept `all`, a comma-separated string or a list; order and repetition do not matter."""
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return value
        if tuple(names) == ("all",):
            return GROUPS
        for name in names:
            require_known("parameter group", str(name), (*GROUPS, "all"))
        chosen = tuple(group for group in GROUPS if group in names)
        if len(chosen) < len(set(names)):
            raise ValueError("expected `all` to stand alone")
        if not chosen:
            raise ValueError("expected at least one parameter group to train")
        return chosen

    @model_validator(mode="after")
    def _last_step_is_validated(self) -> Self:
        if self.eval_every < self.max_steps and self.max_steps % self.eval_every:
            raise ValueError(
                f"expected max_steps to be a multiple of eval_every, got {self.max_steps} and {self.eval_every}: "
                "what is learned after the last validation would be lost"
            )
        return self

    @property
    def run_id(self) -> str:
        """Name of the run's folder: readable words and a hash of everything in the spec."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
        words = "_".join(folder_name(word) for word in (self.task, self.body, self.init))
        return f"{words}_seed{self.seed}_{digest}"


class Arm(BaseModel):
    """One way to set up a model, to be compared with others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str | None = None
    """Name of a body in the profile's `bodies`; or say `body` in `run`."""
    run: dict[str, Any] = Field(default_factory=dict)
    """Fields of RunSpec that this arm sets."""
    learning_rates: Rates | None = None
    """Where this arm's learning rate comes from; none: as the experiment says."""
    published: str | None = None
    """Row of the published figures to show beside this arm, as `paper.table.row`."""


class Experiment(BaseModel):
    """One published table or claim: tasks x arms, compared with one baseline arm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    claim: str
    tasks: tuple[str, ...]
    arms: dict[str, Arm]
    baseline: str
    learning_rates: Rates = "fixed"
    """`fixed`: the one of the task, the profile or the arm; a list of rates to sweep; `profile`: the profile's."""
    effects: tuple[str, ...] = ()
    """Claims that the regression gate holds on to, as `arm > arm on task`."""

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        require_known("baseline arm", self.baseline, self.arms)
        for name, arm in self.arms.items():
            if "learning_rate" in arm.run and self.rates_of(arm) != "fixed":
                raise ValueError(
                    f"arm {name}: expected a learning_rate of its own or a sweep, got both; "
                    "say `learning_rates: fixed` in the arm, or take its learning_rate out of `run`"
                )
        return self

    def rates_of(self, arm: Arm) -> Rates:
        """Give where an arm's learning rate comes from: its own word, else the experiment's."""
        return self.learning_rates if arm.learning_rates is None else arm.learning_rates


class Spending(BaseModel):
    """How much a profile spends on one experiment; what is not said is as for all others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: tuple[int, ...] | None = Field(None, min_length=1)
    learning_rates: SweptRates | None = None
    run: dict[str, Any] = Field(default_factory=dict)
    """Fields of RunSpec for every task, over the profile's."""
    tasks: dict[str, dict[str, Any]] | None = None
    """Fields of RunSpec by task, over the profile's; where it is said, these tasks are run and no others."""


class Profile(BaseModel):
    """How much is spent: which bodies, which data, how many steps and seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    bodies: dict[str, str | dict[str, Any] | None]
    """By role, a body's name, or fields of RunSpec, `body` among them, which hold before the profile's own.

    None: the profile has no such body, and leaves out the arms that play this role."""
    seeds: tuple[int, ...] = Field(min_length=1)
    learning_rates: SweptRates | None = None
    """What an experiment sweeps that says `learning_rates: profile`."""
    run: dict[str, Any] = Field(default_factory=dict)
    """Fields of RunSpec for every task."""
    tasks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Fields of RunSpec by task. A task of an experiment that is not here has no budget and is left out."""
    targets: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    """Accuracy by task that convergence is measured against: a constant, never a run's own final score."""
    experiments: dict[str, Spending] = Field(default_factory=dict)
    """Other budgets by experiment."""
    launcher: Launcher = Field(default_factory=lambda: Launcher.model_validate({}))
    """Who executes the runs; part of no spec."""

    def spent_on(self, experiment: str) -> "Profile":
        """Give the profile as it is for one experiment."""
        own = self.experiments.get(experiment)
        if own is None:
            return self
        tasks = self.tasks if own.tasks is None else {t: {**self.tasks.get(t, {}), **f} for t, f in own.tasks.items()}
        return self.model_copy(
            update={
                "seeds": own.seeds or self.seeds,
                "learning_rates": own.learning_rates or self.learning_rates,
                # What is said for an experiment holds before what is said for a task of other experiments.
                "tasks": {
                    task: {**fields, **own.run, **(own.tasks or {}).get(task, {})} for task, fields in tasks.items()
                },
            }
        )


class GridRun(BaseModel):
    """A run's place in a table."""

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
        """Give the runs of each (task, arm), in the grid's order: all seeds at each learning rate."""
        cells: dict[tuple[str, str], list[RunSpec]] = {}
        for run in self.runs:
            cells.setdefault((run.task, run.arm), []).append(run.spec)
        return cells


def read_yaml(path: Path) -> dict[str, Any]:
    """Give the mapping in a YAML file.

    Raises:
        FileNotFoundError: there is no such file; the message lists its neighbours.
        ValueError: the file is not YAML or not a mapping.
    """
    if not path.is_file():
        siblings = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise FileNotFoundError(f"{path} does not exist. Known there: {', '.join(siblings) or 'nothing'}")
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: expected YAML, got {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping of names to values, got {type(content).__name__}")
    return content


def explain(error: ValidationError, known: tuple[str, ...]) -> str:
    """Turn pydantic's findings into sentences, with the nearest known name for an unknown one."""
    sentences = []
    for finding in error.errors():
        place = ".".join(str(part) for part in finding["loc"])
        if finding["type"] == "extra_forbidden":
            try:
                require_known("key", str(finding["loc"][-1]), known)
            except ValueError as unknown:
                sentences.append(str(unknown))
        else:
            message = finding["msg"].removeprefix("Value error, ")
            sentences.append(f"{place}: {message}, got {finding['input']!r}" if place else message)
    return "; ".join(sentences)


def make_spec(fields: dict[str, Any]) -> RunSpec:
    """Give the checked RunSpec of these fields; a ValueError in plain sentences where they are wrong."""
    try:
        return RunSpec(**fields)
    except ValidationError as error:
        raise ValueError(explain(error, tuple(RunSpec.model_fields))) from error


def load(model: type[Model], path: Path) -> Model:
    """Give the checked content of a YAML file, named after the file."""
    content = read_yaml(path)
    try:
        return model(name=path.stem, **content)
    except (ValidationError, TypeError) as error:
        sentence = explain(error, tuple(model.model_fields)) if isinstance(error, ValidationError) else str(error)
        raise ValueError(f"{path}: {sentence}") from error


def config_names(kind: str, configs: Path = CONFIGS) -> list[str]:
    """Give the names of the YAML files in `configs/<kind>/`."""
    return sorted(path.stem for path in (configs / kind).glob("*.yaml"))


def find_config(kind: str, name: str, configs: Path = CONFIGS) -> Path:
    """Give the file that `name` means: a path to a YAML file, or a name in `configs/<kind>/`."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    require_known(kind.removesuffix("s"), name, config_names(kind, configs))
    return configs / kind / f"{name}.yaml"


def run_fields(profile: Profile, task: str, configs: Path = CONFIGS) -> dict[str, Any]:
    """Give a task's RunSpec fields under a profile: tasks.yaml, then the profile, then the profile's task.

    A task from outside that tasks.yaml does not know has RunSpec's own defaults there.
    """
    path = configs / "tasks.yaml"
    tasks = read_yaml(path)
    if not comes_from_outside(task, TASKS_GROUP):
        try:
            require_known("task", task, [*tasks, *offered(TASKS_GROUP)])
        except ValueError as error:
            raise ValueError(f"{error} (in {path})") from error
    return {"task": task, **tasks.get(task, {}), **profile.run, **profile.tasks.get(task, {})}


def make_grid(experiment: Experiment, profile: Profile, configs: Path = CONFIGS) -> Grid:
    """Give every run of an experiment: seeds innermost, so that arms of one seed are paired.

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
    """Say whether the profile has a body for an arm; a role that it does not know is found out later."""
    return arm.role is None or profile.bodies.get(arm.role, "unknown") is not None


def _arm_specs(fields: dict[str, Any], arm: Arm, rates: Rates, profile: Profile) -> list[RunSpec]:
    """Give the runs of one task and arm: all seeds at the fixed rate, or all seeds at each rate that is swept."""
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
    return [make_spec({**own, **setting, "seed": seed}) for setting in settings for seed in profile.seeds]
