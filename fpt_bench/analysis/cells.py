"""What came out of a task under an arm, as typed values. Accuracies are fractions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datamodules.metrics import best_of
from fpt_bench.analysis.comparisons import Difference
from fpt_bench.analysis.intervals import groups_apart, reaches, wilson_half_width
from fpt_bench.analysis.releases import release_of
from fpt_bench.analysis.statistics import Estimate, estimate_mean, whole_way
from fpt_bench.analysis.sweep import Choice, choose_rate, choosing_seeds, is_wanted, validation_area
from fpt_bench.config.published import is_resized
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result import DataRecord, RunResult
from fpt_bench.results.simple_records import SimpleRecord

STATED = "as the profile states it"
ResultsById = Mapping[str, RunResult]


@dataclass(frozen=True)
class Convergence:
    """How soon an arm reaches its task's target."""

    target: float
    """Validation accuracy that counts as there."""
    what: str
    """Which rule or simple learner reaches it on the test set, or where else it is from."""
    steps: float
    """Median over seeds of the first validated optimizer step that is there; infinity where it is none."""
    reached: int
    """Seeds that get there."""
    speed_up: Estimate | None
    """Times fewer steps than the arm that it is compared with; None unless both medians are finite."""


@dataclass(frozen=True)
class Cell:
    """One task under one arm. What is not known is None."""

    task: str
    arm: str
    choice: Choice
    """Which learning rate stands for the cell."""
    tried: tuple[RunResult, ...]
    """All runs that have a result, failed ones too, at every learning rate."""
    expected: int
    """How many runs there will be, over all rates, but those of rates that are given up or not chosen."""
    scored: int
    """How many of the expected runs have a score."""
    tuning: tuple[RunResult, ...] = ()
    """Those of `tried` that the rate was chosen on; none where there is one rate."""
    tuning_seeds: tuple[int, ...] = ()
    """Seeds that choose the rate and are not reported; none where it is chosen on the seeds that are reported."""
    delta: Difference | None = None
    """The arm's score minus that of the arm that it is compared with; judged with all others of the bench."""
    convergence: Convergence | None = None
    published: float | None = None
    """Published accuracy to show beside it."""
    codes: tuple[str, ...] = ()
    """What to be careful with, as `analysis/codes.py` lists it."""
    simple: SimpleRecord | None = None
    """Floors and simple learners on the same data, from as many examples."""

    @classmethod
    def alone(
        cls, task: str, arm: str, specs: Sequence[RunSpec], by_id: ResultsById, tuning_seeds: tuple[int, ...] = ()
    ) -> "Cell":
        """Return a cell as it is by itself, compared with nothing.

        Args:
            task: its row of the bench.
            arm: its column.
            specs: all its runs, in the grid's order.
            by_id: outcomes.
            tuning_seeds: seeds that choose a swept rate and are not reported.
        """
        choice, choosing = choose_rate(specs, by_id, tuning_seeds), choosing_seeds(specs, tuning_seeds)
        asked, was_swept = {spec.run_id: spec for spec in specs}, len(choice.scores) > 1
        # Canonical files sort a spec's mappings, a grid has them as they were asked for: the same run either way.
        tried = tuple(
            by_id[run_id].model_copy(update={"spec": spec}) for run_id, spec in asked.items() if run_id in by_id
        )
        return cls(
            task=task,
            arm=arm,
            choice=choice,
            tried=tried,
            expected=sum(is_wanted(spec, choice, choosing) for spec in specs),
            scored=sum(r.score is not None and is_wanted(r.spec, choice, choosing) for r in tried),
            tuning=tuple(r for r in tried if r.spec.seed in choosing) if was_swept else (),
            tuning_seeds=tuning_seeds if was_swept else (),
        )

    @cached_property
    def at_rate(self) -> tuple[RunResult, ...]:
        """Runs with a result at the chosen rate, but those of tuning seeds."""
        at_rate = (r for r in self.tried if r.spec.learning_rate == self.choice.rate)
        return tuple(r for r in at_rate if r.spec.seed not in self.tuning_seeds)

    @cached_property
    def runs(self) -> tuple[RunResult, ...]:
        """Runs at the chosen rate that have a score."""
        return tuple(r for r in self.at_rate if r.score is not None)

    @property
    def n(self) -> int:
        return len(self.runs)

    @cached_property
    def accuracy(self) -> Estimate | None:
        if not self.runs:
            return None
        found = estimate_mean(self.scores)
        return found if self.learned is None else found.without_interval()

    @property
    def scores(self) -> list[float]:
        """One a run, in the order of the seeds."""
        return [_score(r) for r in self.runs]

    @property
    def unit(self) -> float:
        """What a margin is a fraction of: 1 for fractions, else the way from floor to perfect; negative where lower is
        better."""
        if self.is_fraction:
            return 1.0 if self.higher_is_better else -1.0
        return whole_way(self.data.floor, self.data.perfect)

    @property
    def learned(self) -> int | None:
        """Of scores that fall into two groups far apart, how many are in the better one; None where they do not."""
        values = np.sort([score / self.unit for score in self.scores])
        if len(values) < 2 or not groups_apart(values, 1.0):
            return None
        return len(values) - 1 - int(np.argmax(np.diff(values)))

    @property
    def item_noise(self) -> float | None:
        """Half of the 95 % interval of an accuracy that comes of which examples are in the test set.

        It is the same for all seeds, so that it is in none of their intervals, and mostly cancels in differences. An
        upper bound where an example has several labels. Wilson's: all right on few examples is not certain.
        """
        if self.accuracy is None or not self.first.test_examples or self.data.metric != "accuracy":
            return None
        return wilson_half_width(self.accuracy.mean, self.first.test_examples)

    def count(self, status: str) -> int:
        """Return how many runs at the chosen rate ended so: ok, diverged or failed."""
        return sum(r.status == status for r in self.at_rate)

    @property
    def first(self) -> RunResult:
        """The first run with a score: what all runs of a cell share is read off it."""
        return self.runs[0]

    @property
    def data(self) -> DataRecord:
        """Of a cell that has a score."""
        assert self.first.data is not None, "a run with a score has said what its data are"
        return self.first.data

    @property
    def floor(self) -> float | None:
        return self.data.floor if self.runs else None

    @property
    def floor_name(self) -> str:
        """Of a cell that has a score: the trivial baseline that its floor is."""
        return (
            best_of(dict(sorted(self.data.trivial.items())), self.data.higher_is_better)
            if self.data.trivial
            else "guess"
        )

    @property
    def beaten_by(self) -> str | None:
        """The best rule or simple learner on record, where the cell's mean is not above it."""
        if not self.rules or self.accuracy is None:
            return None
        best = best_of(self.rules, self.data.higher_is_better)
        return best if reaches(self.rules[best], self.accuracy.mean, self.data.higher_is_better) else None

    @property
    def rules(self) -> Mapping[str, float]:
        """Scores of what needs no body: rules, which every result has, and simple learners where they are on record."""
        if not self.runs:
            return {}
        return dict(sorted({**self.data.trivial, **(self.simple.scores if self.simple else {})}.items()))

    @property
    def metric(self) -> str:
        """What its scores are; accuracy where nothing has a score yet."""
        return self.first.metric if self.runs else "accuracy"

    @property
    def is_fraction(self) -> bool:
        """Whether its scores are shown in percent."""
        return not self.runs or self.first.is_fraction

    @property
    def higher_is_better(self) -> bool:
        return not self.runs or self.first.higher_is_better

    @property
    def is_embedded(self) -> bool:
        """Whether the data are a stand-in, which a dagger marks."""
        return bool(self.runs) and self.data.kind == "embedded"

    @property
    def is_resized(self) -> bool:
        """Whether the data are the task's own in other sizes than the published ones, which a double dagger marks."""
        return bool(self.runs) and is_resized(self.first.spec.task, self.data.kind, self.first.spec.data_arguments)

    @property
    def data_source(self) -> str:
        """Of a cell that has a score: where examples come from, and which sizes were set."""
        sizes = ", ".join(f"{name}={value}" for name, value in self.first.spec.data_arguments.items())
        return f"{self.data.source}; {sizes}" if sizes else self.data.source

    @property
    def body_source(self) -> str:
        """Of a cell that has a score: where architecture and weights come from, and the shape, where it is recorded."""
        body = self.first.body
        return "" if body is None else f"{body.source}; {body.shape}" if body.shape else body.source

    @property
    def body_notes(self) -> str:
        return "; ".join(self.first.body.notes) if self.first.body else ""

    @property
    def made_with(self) -> tuple[str, ...]:
        """What can move a number though the spec is the same: releases of torch, and devices."""
        made = [attempt for r in self.runs for attempt in r.attempts]
        return tuple(dict.fromkeys(f"torch {a.versions.get('torch', 'unknown')} on {a.device}" for a in made))

    @property
    def bytes_kept(self) -> int | None:
        """Of a cell that has a score: what its init keeps of the pretrained body; None where it was not recorded."""
        return self.first.body.bytes_kept if self.first.body else None

    @property
    def releases(self) -> tuple[str, ...]:
        """Of torch, that its runs were made with."""
        made = [attempt for r in self.runs for attempt in r.attempts]
        return tuple(dict.fromkeys(release_of(a.versions["torch"]) for a in made if "torch" in a.versions))

    @property
    def seconds(self) -> float:
        """Mean over the runs that have a score."""
        return float(np.mean([r.seconds for r in self.runs]))

    @property
    def core_hours(self) -> float | None:
        """Training of all its runs on processors, those of other rates included: hours times the last attempt's threads
        and processes; None where a run was on a GPU or does not say on what it was. Results of before instructions were
        recorded are all of processors."""
        over = [r for r in self.tried if r.is_over]
        if any(r.on_gpu or not r.attempts for r in over):
            return None
        return sum(r.seconds * r.attempts[-1].threads * r.attempts[-1].processes for r in over) / 3600

    @property
    def examples(self) -> float:
        """Training examples that a run saw, repeated ones as often as they came: mean over the runs with a score."""
        return float(np.mean([r.curve[-1][0] * r.spec.batch_size if r.curve else 0 for r in self.runs]))

    @cached_property
    def areas(self) -> list[float]:
        """Area under the validation curve, one a run, in the order of the seeds."""
        return [validation_area(r) for r in self.runs]

    @property
    def area(self) -> float:
        """Mean over the runs that have a score."""
        return float(np.mean(self.areas))

    @property
    def tuning_seconds(self) -> float:
        """Seconds of workers that were spent on choosing the rate."""
        return sum(r.seconds for r in self.tuning)

    @property
    def train_score(self) -> float | None:
        return _mean(r.train_score for r in self.runs if r.train_score is not None)

    @property
    def gaps(self) -> list[float]:
        """Training minus test accuracy of each run that has both."""
        return [
            r.train_score - r.test_score for r in self.runs if r.train_score is not None and r.test_score is not None
        ]

    @property
    def train_test_gap(self) -> float | None:
        return _mean(self.gaps)


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None


def _score(result: RunResult) -> float:
    assert result.score is not None
    return result.score
