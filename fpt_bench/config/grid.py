"""From an experiment and a profile to a flat list of runs."""

import operator
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from fpt_bench.config.claims import Claim
from fpt_bench.config.experiment import Experiment
from fpt_bench.config.picks import pick_name
from fpt_bench.config.spec import RunSpec
from fpt_bench.names import require_known

GRID_SCHEMA = 4
"""Number of the form that grids have here; it grows with every field that older code would not know."""
OF_THE_PLACE = ("body", "body_path", "body_execution", "precision")
"""Fields of a spec in which two places that do the same may differ."""
_SETTLED_LATER = ("learning_rate", "data", *OF_THE_PLACE)
"""Fields in which runs of one bench differ, or which a plan leaves to the machine."""


class GridRun(BaseModel):
    """A run, and the cell of a table that it belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    arm: str
    spec: RunSpec


class Grid(BaseModel):
    """All runs of one experiment at one profile, and what a table of them must know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)

    schema_version: Annotated[int, Field(ge=GRID_SCHEMA, le=GRID_SCHEMA, alias="schema")] = GRID_SCHEMA
    """Number of this form; a later one is left as it is, an earlier one is moved by `results/migration.py`."""
    experiment: Experiment
    profile: str
    targets: dict[str, float]
    runs: tuple[GridRun, ...]
    """Every run that there may be: of what is reported, at each rate that may be chosen."""
    tuning_seeds: tuple[int, ...] = ()
    """Seeds that choose a swept rate and are not reported; none where the rate is chosen on the reported ones."""
    left_out: tuple[str, ...] = ()
    """Tasks of the experiment that the profile has no budget for."""
    arms_left_out: tuple[str, ...] = ()
    """Arms of the experiment that the profile has no body for; `experiment` is without them."""
    registered: dict[str, AwareDatetime] = Field(default_factory=dict)
    """By a claim's hash, when a bench in its folder of runs held it first, UTC. A part that was picked registers the
    claims of the whole: its runs will judge them."""
    missing: dict[str, str] = Field(default_factory=dict)
    """Arms, tasks, or single cells, that were left out since something was not installed, and what that was."""
    picked: str = Field(default="", exclude_if=operator.not_)
    """Options of the command line that picked a part of the experiment, or other runs; nothing: the whole of it."""

    @model_validator(mode="after")
    def _runs_are_of_the_experiment(self) -> Self:
        for task, arm in self.cells():
            require_known("task of the experiment", task, self.experiment.tasks)
            require_known("arm of the experiment", arm, self.experiment.arms)
        times = Counter((run.task, run.arm, run.spec.seed, run.spec.learning_rate) for run in self.runs)
        for (task, arm, seed, rate), count in times.items():
            if count > 1:
                raise ValueError(
                    f"expected each seed once at a learning rate in {task} / {arm}, got seed {seed} at {rate:g} "
                    f"{count} times: a run counted twice is no second run"
                )
        return self

    @model_validator(mode="after")
    def _names_a_folder(self) -> Self:
        for kind, name in (("an experiment", self.experiment.name), ("a profile", self.profile)):
            if not name or name.startswith(".") or set(name) & set("/\\\0"):
                raise ValueError(f"expected the name of {kind} that a file can have, got {name!r}")
        return self

    @property
    def name(self) -> str:
        return f"{self.experiment.name}-{self.profile}{pick_name(self.picked)}"

    def registering(self, earlier: Iterable["Grid"], now: datetime, claims: Iterable[Claim]) -> "Grid":
        """Return the grid with the time at which each claim was registered: by the first of these grids, else now.

        Args:
            earlier: grids of this experiment at this profile, whole or picked.
            now: UTC.
            claims: of the whole experiment.
        """
        known = first_registered(earlier)
        return self.model_copy(update={"registered": {claim.hash: known.get(claim.hash, now) for claim in claims}})

    def is_of_the_bench_of(self, other: "Grid") -> bool:
        """Return whether two grids are of one experiment at one profile, either of them whole or picked."""
        ours, theirs = self.experiment, other.experiment
        return (ours.name, self.profile, ours.question) == (theirs.name, other.profile, theirs.question) and all(
            arm == theirs.arms.get(name, arm) for name, arm in ours.arms.items()
        )

    def other_than(self, before: "Grid") -> str | None:
        """Say in what a grid of the same name is another bench than this one; None where it is this one.

        Seeds, tasks, arms and learning rates may come and go: they are the bench as it grows. What one run of it was
        asked for may not change, but for what the machine settles.
        """
        ours, theirs = self.experiment, before.experiment
        if (ours.name, self.profile) != (theirs.name, before.profile):
            return f"experiment {theirs.name} at profile {before.profile}"
        for name in ("question", "baseline"):
            if getattr(ours, name) != getattr(theirs, name):
                return f"its {name} is '{getattr(theirs, name)}'"
        for name, arm in ours.arms.items():
            if name in theirs.arms and theirs.arms[name] != arm:
                return f"its arm {name} is {theirs.arms[name].model_dump(exclude_defaults=True)}"
        return self._other_runs_than(before)

    def _other_runs_than(self, before: "Grid") -> str | None:
        """Say what the runs of a task and arm were asked for otherwise in another grid; None where none were."""
        ours, theirs = self._asked(), before._asked()
        for cell in (cell for cell in ours if cell in theirs):
            for name, now in ours[cell].items():
                if theirs[cell][name] != now:
                    return f"{name} of {' / '.join(cell)} is {theirs[cell][name]} there, not {now}"
        return None

    def _asked(self) -> dict[tuple[str, str], dict[str, object]]:
        """Return what was asked for of each task and arm, whatever the seed, the rate, their source and the machine."""
        return {cell: specs[0].model_dump(exclude={"seed", *_SETTLED_LATER}) for cell, specs in self.cells().items()}

    @property
    def tried_out(self) -> str | None:
        """A sentence, where another profile answers the question; None where this one does."""
        if self.experiment.is_answered_at(self.profile):
            return None
        where = f"--profile {self.experiment.profile}"
        return f"{self.name}: tried out; its question is answered and its claims judged at {where}"

    @property
    def seeds_that_chose(self) -> tuple[int, ...]:
        """Seeds that chose a rate and are not reported: none where no arm is swept."""
        swept = any(len({spec.learning_rate for spec in specs}) > 1 for specs in self.cells().values())
        return self.tuning_seeds if swept else ()

    @property
    def differences(self) -> int:
        """How many its table judges together: of each arm to its opponent on each task, with seeds or without."""
        cells = self.cells()
        return sum((task, self.experiment.opponent(arm)) in cells for task, arm in cells)

    def cells(self) -> dict[tuple[str, str], list[RunSpec]]:
        """Return the runs of each (task, arm), in the grid's order: all seeds at each learning rate."""
        cells: dict[tuple[str, str], list[RunSpec]] = {}
        for run in self.runs:
            cells.setdefault((run.task, run.arm), []).append(run.spec)
        return cells


def first_registered(grids: Iterable[Grid]) -> dict[str, datetime]:
    """Return when each claim, by its hash, was registered first by one of these grids."""
    first: dict[str, datetime] = {}
    for grid in grids:
        for hash_, when in grid.registered.items():
            first[hash_] = min(when, first.get(hash_, when))
    return first


def without_cells(grid: Grid, missing: Mapping[tuple[str, str], str]) -> Grid:
    """Return a grid without some cells, (task, arm), and with why they are missing.

    An arm without a run is none of the experiment any more; claims stay as they were registered.

    Raises:
        FileNotFoundError: the baseline arm, or everything, is missing.
    """
    runs = tuple(run for run in grid.runs if (run.task, run.arm) not in missing)
    arms = {run.arm for run in runs}
    if missing and grid.experiment.baseline not in arms:
        why = next(why for (_, arm), why in missing.items() if arm == grid.experiment.baseline)
        raise FileNotFoundError(f"{grid.name}: nothing can be compared without the baseline arm: {why}")
    experiment = grid.experiment.model_copy(
        update={"arms": {name: arm for name, arm in grid.experiment.arms.items() if name in arms}}
    )
    tasks = {run.task for run in runs}
    names = {
        (task, arm): f"task {task}" if task not in tasks else f"arm {arm}" if arm not in arms else f"{arm} on {task}"
        for task, arm in missing
    }
    said = {names[cell]: why for cell, why in missing.items()}
    return grid.model_copy(update={"runs": runs, "experiment": experiment, "missing": said})
