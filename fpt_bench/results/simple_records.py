"""Floors and simple learners, measured once for a task's data: what every arm is to beat, whatever its body."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from rich.console import Console

from datamodules.metrics import METRICS, best_of
from fpt_bench.config.spec import Argument, RunSpec, explain
from fpt_bench.config.yaml_files import CONFIGS
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import folder_of, simple_learners_file
from fpt_bench.results.lease import Lease
from fpt_bench.results.regular_files import read_regular, why_unread
from fpt_bench.results.result import Count, Score
from fpt_bench.results.result_files import warn_of

KEPT_FILE = CONFIGS / "reference" / "simple-learners.json"
"""Records of the data that the profiles here use; those that somebody makes lie in a folder of runs."""


class SimpleRecord(BaseModel):
    """What needs no learning, and what simple learners reach, on one task's headline test set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    data: Literal["real", "embedded"]
    data_arguments: dict[str, Argument] = Field(default_factory=dict)
    source: str
    """One sentence: where the examples come from."""
    fingerprint: str
    """SHA-256 over all fixed examples."""
    examples: Count
    """Training examples that a run is shown, optimizer steps times batch size; learners see the same."""
    test_examples: Count
    metric: str = "accuracy"
    higher_is_better: bool = True
    is_fraction: bool = True
    """Whether its scores are shown in percent."""
    floors: dict[str, Score]
    """By rule; they depend on the data alone."""
    learners: dict[str, Score] = Field(default_factory=dict)
    """By simple learner; empty where the task has none."""
    versions: dict[str, str]
    """Of Python and the libraries that it was made with."""

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, fields: Any) -> Any:
        """Take from the metric whether scores are fractions, where a record of before does not say it."""
        metric = fields.get("metric") if isinstance(fields, dict) else None
        if not isinstance(metric, str) or metric not in METRICS:
            return fields
        return {"is_fraction": METRICS[metric].is_fraction, **fields}

    @property
    def key(self) -> tuple[str, str, int]:
        """What it is found by: task, data, and how much of them is seen."""
        return self.task, self.fingerprint, self.examples

    @property
    def scores(self) -> dict[str, float]:
        """All of it by name: floors, then simple learners."""
        return {**self.floors, **self.learners}

    @property
    def best(self) -> str:
        """The name of the best of them."""
        return best_of(self.scores, self.higher_is_better)

    @property
    def best_learner(self) -> str | None:
        return best_of(self.learners, self.higher_is_better) if self.learners else None


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    records: tuple[SimpleRecord, ...]


def examples_shown(spec: RunSpec) -> int:
    """Return how many training examples a run is shown, if it is not ended early; one that comes twice counts twice."""
    return spec.max_steps * spec.batch_size


def read_records(path: Path = KEPT_FILE) -> list[SimpleRecord]:
    """Return the records in a file; none where there is no file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no file of records; the message names it.
    """
    try:
        return list(_File.model_validate_json(read_regular(path)).records)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except ValidationError as error:
        wrong = explain(error.errors(), _File)
        raise ValueError(
            f"{path}: expected floors and simple learners in JSON ({wrong}). Remove it and run `learn` again."
        ) from error


def known_records(runs: Path, console: Console, kept: Path | None = None) -> list[SimpleRecord]:
    """Return the records on file, those beside kept results and those in a folder of runs, of which the last wins.

    A sentence says where those of a folder cannot be read.
    """
    found = read_records()
    for folder in (*(() if kept is None else (folder_of(kept),)), runs):
        path = simple_learners_file(folder)
        try:
            found += read_records(path)
        except (OSError, ValueError) as error:
            warn_of([why_unread(path, error)], console)
    return list({record.key: record for record in found}.values())


def add_records(path: Path, records: Iterable[SimpleRecord]) -> None:
    """Add records to a file, as `write_records`; of two processes at once the second finds those of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Lease(path.with_name(f".{path.name}.lease")):
        write_records(path, [*read_records(path), *records])


def write_records(path: Path, records: Iterable[SimpleRecord]) -> None:
    """Write records in an order of their own; of two with one key the later stays."""
    by_key = {record.key: record for record in records}.values()
    ordered = sorted(by_key, key=lambda r: (r.task, r.data, sorted(map(str, r.data_arguments.items())), r.examples))
    write_atomically(path, _File(records=tuple(ordered)).model_dump_json(indent=1) + "\n")
