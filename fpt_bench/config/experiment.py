"""What the YAML files say: experiments, which are tasks x arms, and profiles, which say how much is spent on them."""

import operator
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fpt_bench.config.claims import MARGIN, Claim
from fpt_bench.config.known import TASKS
from fpt_bench.config.launcher import Launcher
from fpt_bench.config.layers import Layer, checked_fields
from fpt_bench.config.measures import Margin, Number, Rate, Seed
from fpt_bench.config.published import PublishedRow
from fpt_bench.names import require_known


def _ascending(rates: tuple[float, ...]) -> tuple[float, ...]:
    if list(rates) != sorted(set(rates)):
        raise ValueError("expected learning rates in ascending order, each once")
    return rates


T = TypeVar("T")


def _each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    doubled = [str(value) for value in dict.fromkeys(values) if values.count(value) > 1]
    if doubled:
        raise ValueError(f"expected each once; doubled: {', '.join(doubled)}")
    return values


def _as_fields(body: object) -> object:
    return {"body": body} if isinstance(body, str) else body


Fields = Annotated[dict[str, Any], AfterValidator(checked_fields)]
"""Fields of RunSpec, as a layer says them."""
Body = Annotated[Fields | None, BeforeValidator(_as_fields)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_each_once)]
Tasks = Annotated[tuple[str, ...], AfterValidator(_each_once)]
SweptRates = Annotated[tuple[Rate, ...], Field(min_length=1), AfterValidator(_ascending)]
Rates = Literal["fixed", "profile"] | SweptRates


NOBODY = "nobody"
"""What an arm stands against that is compared with none."""


class Arm(BaseModel):
    """One way to set up a model, to be compared with others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str | None = None
    """Name of a body in the profile's `bodies`; or say `body` in `run`."""
    run: Fields = Field(default_factory=dict)
    """Fields of RunSpec that this arm sets."""
    learning_rates: Rates | None = None
    """Where this arm's learning rate comes from; none: as the experiment says."""
    published: PublishedRow | None = None
    """Row of the published figures to show beside this arm, as `paper.table.row`."""
    against: str | None = Field(default=None, exclude_if=operator.not_)
    """The arm that it is compared with in place of the experiment's baseline, such as the same body drawn at random;
    `nobody`: with none, as what others stand against."""


class Experiment(BaseModel):
    """One question, often a published table: tasks x arms, compared with one baseline arm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    question: str
    """What is asked, in a sentence or two."""
    tasks: Tasks
    arms: dict[str, Arm]
    baseline: str
    learning_rates: Rates = "fixed"
    """`fixed`: the one of the task, the profile or the arm; a list of rates to sweep; `profile`: the profile's."""
    margin: Margin = MARGIN
    """The smallest difference that matters, in fractions: what verdicts in the table are about."""
    claims: tuple[Claim, ...] = ()
    """What is claimed of the arms before the runs; of all tasks, where a claim names none."""
    profile: str | None = Field(default=None, exclude=True)
    """The one whose budgets answer the question, so that others' runs judge no claim; none: any does. Kept in no grid:
    that of a profile which answers nothing has no claims."""

    @model_validator(mode="before")
    @classmethod
    def _claimed_of_all_tasks(cls, fields: Any) -> Any:
        claims, tasks = (fields.get(name) for name in ("claims", "tasks")) if isinstance(fields, dict) else (None, None)
        if not isinstance(claims, list | tuple) or not isinstance(tasks, list | tuple):
            return fields
        filled = [{"tasks": tuple(tasks), **claim} if isinstance(claim, dict) else claim for claim in claims]
        return {**fields, "claims": filled}

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

    def opponent(self, arm: str) -> str | None:
        """Return the arm that an arm is compared with; None of such an arm, and where that one is left out."""
        own = self.arms[arm].against
        if own is None:
            return None if arm == self.baseline else self.baseline
        return own if own in self.arms else None

    def is_answered_at(self, profile: str) -> bool:
        """Return whether runs at a profile, by its name, judge the claims."""
        return self.profile in (None, profile)

    def rates_of(self, arm: Arm) -> Rates:
        """Return where an arm's learning rate comes from: its own word, else the experiment's."""
        return self.learning_rates if arm.learning_rates is None else arm.learning_rates


class Spending(BaseModel):
    """How much a profile spends on one experiment; what is not said is as for all others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: Seeds | None = None
    tuning_seeds: Seeds | None = None
    learning_rates: SweptRates | None = None
    rates: dict[str, dict[str, Rate]] = Field(default_factory=dict)
    """Learning rate by arm and task, of arms that neither say nor sweep one: what a sweep chose on other seeds."""
    rates_chosen_on: Seeds | None = None
    """The seeds on which `rates` were chosen: none of them is reported here, which would be optimistic."""
    run: Fields = Field(default_factory=dict)
    """Fields of RunSpec for every task, over the profile's."""
    tasks: dict[str, Fields] | None = None
    """Fields of RunSpec by task, over the profile's; where it is said, these tasks are run and no others."""


class Profile(BaseModel):
    """How much is spent: which bodies, which data, how many steps and seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    bodies: dict[str, Body]
    """By role, a body's name, or fields of RunSpec, `body` among them, which hold before the profile's own.

    None: the profile has no such body, and leaves out the arms that play this role."""
    seeds: Seeds
    """Those that are reported."""
    tuning_seeds: Seeds | None = None
    """Those that choose a rate where rates are swept; none: the reported ones choose it, which is optimistic."""
    learning_rates: SweptRates | None = None
    """What an experiment sweeps that says `learning_rates: profile`."""
    run: Fields = Field(default_factory=dict)
    """Fields of RunSpec for every task."""
    tasks: dict[str, Fields] = Field(default_factory=dict)
    """Fields of RunSpec by task. A task of an experiment that is not here has no budget and is left out."""
    targets: dict[str, Number] = Field(default_factory=dict)
    """Score by task that convergence is measured against: a constant, never a run's own final score."""
    experiments: dict[str, Spending] = Field(default_factory=dict)
    """Other budgets by experiment."""
    launcher: Launcher = Field(default_factory=lambda: Launcher.model_validate({}))
    """Who executes the runs; part of no spec."""

    @model_validator(mode="after")
    def _aims_at_accuracies(self) -> Self:
        wrong = [f"{task} {target:g}" for task, target in self.targets.items() if task in TASKS and not 0 < target <= 1]
        if wrong:
            raise ValueError(
                f"targets: expected accuracies above 0 and up to 1, where 0.95 is 95 %, got {', '.join(wrong)}"
            )
        return self

    def spent_on(self, experiment: str) -> Spending:
        """Return seeds, swept rates and tasks of an experiment: the profile's own where nothing is said for it."""
        own = self.experiments.get(experiment, Spending())
        return own.model_copy(
            update={
                "seeds": own.seeds or self.seeds,
                "tuning_seeds": own.tuning_seeds or self.tuning_seeds,
                "learning_rates": own.learning_rates or self.learning_rates,
                "tasks": self.tasks if own.tasks is None else own.tasks,
            }
        )

    def has_body(self, arm: Arm) -> bool:
        """Return whether there is a body for an arm's role; a role that is not known here is found out later."""
        return arm.role is None or self.bodies.get(arm.role, {}) is not None

    def tasks_of(self, experiment: Experiment) -> list[str]:
        """Return the tasks of an experiment that have a budget, in its order."""
        budgets = self.spent_on(experiment.name).tasks or {}
        return [task for task in experiment.tasks if task in budgets]

    def layers(self, task: str, experiment: str | None = None) -> list[Layer]:
        """Return what the profile says of a task's runs, earliest first: of single ones, or of an experiment's."""
        where = f"profile {self.name}: "
        layers = [Layer(f"{where}run", self.run), Layer(f"{where}tasks.{task}", self.tasks.get(task, {}))]
        if experiment in self.experiments:
            own, where = self.experiments[experiment], f"{where}experiments.{experiment}."
            # What is said for an experiment holds before what is said for a task of other experiments.
            layers.append(Layer(f"{where}run", own.run))
            layers.append(Layer(f"{where}tasks.{task}", (own.tasks or {}).get(task, {})))
        return layers
