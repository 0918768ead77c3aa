"""What is kept of a bench to compare later ones with: a JSON file in the repository that can be read in a diff."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.statistics import normalise
from fpt_bench.analysis.sweep import validation_area
from fpt_bench.config.known import TASKS
from fpt_bench.config.measures import UNIT, Rate, Seed, require_fraction
from fpt_bench.config.spec import RunSpec, explain
from fpt_bench.results.regular_files import read_regular
from fpt_bench.results.result import Attempt, Count, RunResult, Score

BASELINE_SCHEMA = 1
"""Number of the form that baselines have here."""
_HAIR = 1e-6


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)


class KeptRun(_Frozen):
    """One run of a cell, at the learning rate that stands for it."""

    seed: Seed
    run: str
    """Run id, which ends in a hash of the whole spec."""
    made: str
    """On what, with which torch; empty where the same need not give the same bits, or this was not recorded."""
    status: Literal["ok", "diverged", "failed"]
    score: Score
    area: Score
    """Under its validation curve, normalised."""


class KeptCell(_Frozen):
    """One task under one arm: what was asked for, what it came to, and its runs."""

    task: str
    arm: str
    spec: dict[str, Any]
    """Fields of RunSpec that all its runs share: all but the seed and the learning rate."""
    learning_rates: tuple[Rate, ...]
    """That were tried."""
    trained_parameters: Count
    data: str
    """The first characters of the data's fingerprint."""
    body: str
    """The first characters of the body's fingerprint; empty where there is none."""
    test_examples: Count
    floor: Score
    perfect: Score
    codes: str = ""
    """Stable codes of its notes, in ascending order, separated by spaces."""
    runs: Annotated[tuple[KeptRun, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_seed_once(self) -> Self:
        if len({run.seed for run in self.runs}) < len(self.runs):
            raise ValueError(f"expected each seed once in {self.task} / {self.arm}")
        return self

    @model_validator(mode="after")
    def _numbers_are_of_one_scale(self) -> Self:
        """Hold every number to the scale from floor to perfection: on a wrong one, no fall is seen."""
        where = f"{self.task} / {self.arm}"
        if self.floor == self.perfect:
            raise ValueError(f"{where}: expected a floor that is not perfection, got {self.floor:g} for both")
        if self.task in TASKS:  # those are scored by accuracy; of others, nobody knows here
            if self.perfect != 1.0:
                raise ValueError(f"{where}: perfect: expected 1, {UNIT}, got {self.perfect:g}")
            require_fraction(f"{where}: floor", self.floor)
            for run in self.runs:
                require_fraction(f"{where}: score of seed {run.seed}", run.score)
        for run in self.runs:
            if run.area > 1 + _HAIR:
                raise ValueError(
                    f"{where}: area of seed {run.seed}: expected at most 1, perfection all along, {UNIT}, "
                    f"got {run.area:g}"
                )
        RunSpec.model_validate({**self.spec, "seed": 0})
        return self

    def share(self, score: float) -> float:
        """Return how much of the way from floor to perfection a score has come."""
        return normalise(score, self.floor, self.perfect)


class Baseline(_Frozen):
    """What is kept of one bench."""

    schema_version: Annotated[int, Field(ge=BASELINE_SCHEMA, le=BASELINE_SCHEMA, alias="schema")] = BASELINE_SCHEMA
    bench: str
    """Experiment and profile, as the folder of its tables is called."""
    cells: Annotated[tuple[KeptCell, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_cell_once(self) -> Self:
        if len({(cell.task, cell.arm) for cell in self.cells}) < len(self.cells):
            raise ValueError("expected each task and arm once")
        return self


def made_on(result: RunResult) -> str:
    """Say what moves the numbers of a run though its spec is the same; empty where it does not settle them.

    A GPU, or a processor whose instructions were not recorded, need not give the same bits again.
    """
    if not result.attempts or any(a.flags is None or "cuda" in a.flags for a in result.attempts):
        return ""
    return " then ".join(dict.fromkeys(_machine(attempt) for attempt in result.attempts))


def _machine(made: Attempt) -> str:
    # Whole sentences: where two of them differ, a reader sees in what.
    flags, torch = " ".join(made.flags or ()), made.versions.get("torch", "of an unknown release")
    return f"torch {torch} on {made.device} ({flags}), {made.threads} x {made.processes} threads"


def keep_cell(cell: Cell) -> KeptCell:
    """Return what is kept of a cell that has a score."""
    first, data = cell.first, cell.data
    return KeptCell(
        task=cell.task,
        arm=cell.arm,
        spec=first.spec.model_dump(mode="json", exclude={"seed", "learning_rate"}),
        learning_rates=tuple(score.rate for score in cell.choice.scores),
        trained_parameters=first.trained_parameters(),
        data=data.fingerprint[:16],
        body=first.body.fingerprint[:16] if first.body else "",
        test_examples=next((r.test_examples for r in cell.runs if r.test_examples is not None), 0),
        floor=data.floor,
        perfect=data.perfect,
        codes=" ".join(cell.codes),
        runs=tuple(_keep_run(result) for result in cell.runs),
    )


def _keep_run(result: RunResult) -> KeptRun:
    assert result.score is not None
    return KeptRun(
        seed=result.spec.seed,
        run=result.spec.run_id,
        made=made_on(result),
        status=result.status,
        score=result.score,
        area=validation_area(result),
    )


def make_baseline(bench: Bench) -> Baseline:
    """Return what is kept of a bench.

    Raises:
        ValueError: a run has no score: what is not in a baseline is never missed.
    """
    if bench.grid.missing:
        left_out = "; ".join(f"{who}: {why}" for who, why in bench.grid.missing.items())
        raise ValueError(f"expected a whole bench to keep it, got one without {left_out}. Run `bench` again with them")
    for cell in bench.cells:
        if not cell.runs or cell.scored < cell.expected:
            raise ValueError(
                f"expected a score of all {cell.expected} runs of {cell.task} / {cell.arm} to keep them, got "
                f"{cell.scored}. Finish the bench first"
            )
    return Baseline(bench=bench.grid.name, cells=tuple(keep_cell(cell) for cell in bench.cells))


def write_baseline(baseline: Baseline) -> str:
    """Return a baseline file's content."""
    return json.dumps(baseline.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        ValueError: the file is no baseline.
    """
    if not path.is_file():
        raise FileNotFoundError(f"baseline {path} does not exist; `make baseline` writes one from the smoke profile")
    content = read_regular(path)
    try:
        return Baseline.model_validate_json(content)
    except ValueError as error:
        wrong = explain(error.errors(), Baseline) if isinstance(error, ValidationError) else str(error)
        raise ValueError(
            f"{path}: expected a baseline in JSON ({wrong}). `check --renew` writes one from a bench"
        ) from error
