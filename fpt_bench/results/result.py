"""What came out: a run's outcome as a frozen value. docs/results-schema.md lists every field."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from datamodules.metrics import best_of, is_enough, scale_in_words
from fpt_bench.config.spec import RunSpec

SCHEMA = 6
"""Number of the form that results have here. It grows with every field, a RunSpec's included, that older code would not
know; `results/migration.py` moves older files."""

SCORE_BOUND = 1e12
Score = Annotated[float, Field(ge=-SCORE_BOUND, le=SCORE_BOUND, allow_inf_nan=False)]
"""A value of a task's metric."""
Count = Annotated[int, Field(ge=0, le=10**15)]
Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
"""Seconds, MiB or tokens a second: no machine reaches the bound."""


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_by_name=True, serialize_by_alias=True
    )


class GroupCount(_Frozen):
    """Parameters of one group."""

    trained: Count
    """Numbers that learn."""
    total: Count
    """All numbers."""


class RecordCount(_Frozen):
    """What became of the records in one file, or for one split."""

    held: Count
    """That the file holds."""
    read: Count
    """That became examples."""
    left_out: dict[str, Count] = Field(default_factory=dict)
    """By reason, those that did not."""


class DataRecord(_Frozen):
    """Which data a run used."""

    kind: Literal["real", "embedded"]
    """The task's own data (files or its generator), or a stand-in that needs no network."""
    source: str
    """One sentence: where the examples come from."""
    fingerprint: str
    """SHA-256 over all fixed examples."""
    as_published: bool | None = None
    """Whether checksums say that its files are those of which papers publish scores; none: no files were read, or this
    was not recorded."""
    metric: str = "accuracy"
    """What scores of this task are."""
    higher_is_better: bool = True
    """Whether a higher score is the better one."""
    perfect: Score = 1.0
    """Score of a model that makes no mistake."""
    is_fraction: bool = True
    """Whether scores are fractions from 0 to 1, which tables show in percent."""
    trivial: dict[str, Score]
    """Score of each rule that needs no learning, by name: some follow from how the task is made, others are measured
    on the headline test set."""
    floor: Score
    """The best of them."""
    records: dict[str, RecordCount] | None = None
    """By split or file, what it was read from; none: it was generated, or this was not recorded."""
    splits: dict[str, Count] | None = None
    """Examples of each fixed split; none: not recorded."""
    classes: Count | None = None
    """Different labels in all fixed splits; none: labels are no classes, or this was not recorded."""
    test_in_training: Count | None = None
    """Examples of the headline test set whose input is a training example's, too; none: training examples are drawn
    fresh, or this was not recorded."""

    @model_validator(mode="after")
    def _is_one_scale(self) -> Self:
        if best_of({"perfect": self.perfect, "floor": self.floor}, self.higher_is_better) == "floor":
            raise ValueError(
                f"expected a perfect score that is no worse than the floor, got {self.perfect:g} and {self.floor:g}, "
                f"where {'higher' if self.higher_is_better else 'lower'} is better"
            )
        if self.trivial and not math.isclose(self.floor, best := self._best_rule()):
            raise ValueError(f"expected the best of the trivial rules, {best:g}, as the floor, got {self.floor:g}")
        return self

    def _best_rule(self) -> float:
        return self.trivial[best_of(self.trivial, self.higher_is_better)]

    @property
    def scale_in_words(self) -> str:
        """What two scores must have in common to be compared."""
        return scale_in_words(self.metric, self.is_fraction, self.higher_is_better, self.perfect)


class BodyRecord(_Frozen):
    """Which body a run used."""

    source: str
    """One sentence: where architecture and weights come from."""
    fingerprint: str
    """SHA-256 of the weights' file, or of the architecture where no file was read."""
    shape: str | None = None
    """Layers, width, heads and where its norms stand. None: not recorded, or an architecture that our transformer does
    not know."""
    pinned: bool | None = None
    """Whether the fingerprint is of the weights' content or of a repository's commit, and not of a mere name; none: not
    recorded."""
    bytes_kept: Count | None = None
    """Numbers that the init keeps of the pretrained body, times the bytes that each has in its file; constants, gains
    and noise count nothing. None: not recorded."""
    trained_by: str | None = None
    """Id of the run of ours that trained it, where the init names a task."""
    trained_score: Score | None = None
    """What that run scored on the test set of its own task: near the floor there, the body learned nothing. None: no
    run of ours trained it, or this was not recorded."""
    execution: str
    """Whose forward pass ran."""
    notes: tuple[str, ...] = ()
    """What was changed to fit the task, such as a stretched position table."""


class Attempt(_Frozen):
    """One process's part in a run: on what, by which code, and where its time went."""

    version: str
    """Of fpt_bench."""
    commit: str | None
    """Git commit of the code, marked where files differ from it; none outside a checkout."""
    versions: dict[str, str]
    """Of Python and the libraries that numbers depend on."""
    device: str
    """Model name of the GPU, or of the processor."""
    flags: tuple[str, ...] | None = None
    """Instructions of the processor that numbers depend on, such as avx512_bf16, and `cuda` where it is a GPU that
    computes; none: not recorded."""
    threads: Annotated[int, Field(ge=1)]
    """Of torch."""
    platform: str
    """Operating system and kernel."""
    processes: Annotated[int, Field(ge=1)] = 1
    """That trained it together; dropout depends on it."""
    first_step: Count = 0
    """Optimizer step that it went on from."""
    phases: dict[str, Amount] = Field(default_factory=dict)
    """Wall-clock seconds by phase: imports, set-up, data, train, validation, test, writing."""


class RunResult(_Frozen):
    """Outcome of one run. Scores are of the metric that `data` names; only tables turn fractions into percent."""

    schema_version: Annotated[int, Field(ge=SCHEMA, le=SCHEMA, alias="schema")] = SCHEMA
    """Number of this form. Of a later one, the file is shown as newer and left as it is."""
    spec: RunSpec
    """All that was asked for."""
    status: Literal["ok", "diverged", "failed"]
    """`ok`: trained and tested; `diverged`: a loss or logit was not finite; `failed`: an error, counts nowhere."""
    error: str | None = None
    """What went wrong, when something did."""
    finished_at: AwareDatetime | None = None
    """When the result was written, UTC; none: not recorded."""
    curve: tuple[tuple[Annotated[int, Field(ge=1)], Score], ...] = ()
    """Validation score by optimizer step."""
    best_step: Count | None = None
    """Step of the first best validation; the weights of that step are tested."""
    validation_score: Score | None = None
    """At the best step."""
    test_score: Score | None = None
    """On the whole headline test set, read once."""
    test_scores: dict[str, Score] = Field(default_factory=dict)
    """By test split, the headline one included."""
    test_examples: Count | None = None
    """Of the headline test set."""
    train_score: Score | None = None
    """On training examples, without dropout, at the best step."""
    readout_moves: Amount | None = None
    """Before the first step: by how much the state that is read out moves, relative to its norm, when every other
    position is given another example's token. Near 0 the readout is deaf to them. None: not recorded."""
    parameters: dict[str, GroupCount] = Field(default_factory=dict)
    """By group, `input` and `readout` included."""
    seconds: Amount = 0.0
    """Wall-clock time of training, validation included, over all attempts."""
    tokens_per_second: Amount | None = None
    """Training positions a second, padding left out."""
    peak_memory_mb: Amount | None = None
    """Largest resident memory of the process so far, or of the GPU's memory during the run, in MiB."""
    data: DataRecord | None = None
    """Which data it used."""
    body: BodyRecord | None = None
    """Which body it used."""
    attempts: tuple[Attempt, ...] = ()
    """One for each time that it was begun or went on; the last one wrote the result."""

    @model_validator(mode="after")
    def _is_one_run(self) -> Self:
        if any(after <= before for (before, _), (after, _) in pairwise(self.curve)):
            raise ValueError("expected a curve whose steps ascend")
        if self.curve and self.best_step not in dict(self.curve):
            raise ValueError(f"expected a best step that is on the curve, got {self.best_step}")
        if self.status == "ok" and (self.test_score is None or self.data is None):
            raise ValueError("expected a run that is ok to have a test score and a record of its data")
        if self.data is None or self.data.is_fraction:
            self._require_fractions()
        return self

    def _require_fractions(self) -> None:
        """Raise a ValueError unless all scores can be fractions."""
        data = self.data
        scores = {
            **{f"curve, step {step}": score for step, score in self.curve},
            **{name: getattr(self, name) for name in ("validation_score", "test_score", "train_score")},
            **{f"test_scores.{split}": score for split, score in self.test_scores.items()},
            **({} if data is None else {"data.floor": data.floor, "data.perfect": data.perfect}),
            **({} if data is None else {f"data.trivial.{rule}": score for rule, score in data.trivial.items()}),
        }
        wrong = [f"{name} {score:g}" for name, score in scores.items() if score is not None and not 0 <= score <= 1]
        if wrong:
            words = "accuracies" if data is None or data.metric == "accuracy" else f"scores of {data.metric}"
            raise ValueError(f"expected {words} from 0 to 1, got {', '.join(wrong)}")

    @property
    def is_over(self) -> bool:
        """Whether nobody asks for this run again: a failed one is done anew by the same command."""
        return self.status != "failed"

    @property
    def on_gpu(self) -> bool:
        """Whether its last attempt was on a GPU; what does not say is of before GPUs."""
        return bool(self.attempts) and "cuda" in (self.attempts[-1].flags or ())

    @property
    def floor(self) -> float | None:
        return self.data.floor if self.data else None

    @property
    def metric(self) -> str:
        """What its scores are."""
        return self.data.metric if self.data else "accuracy"

    @property
    def is_fraction(self) -> bool:
        """Whether its scores are shown in percent."""
        return self.data is None or self.data.is_fraction

    @property
    def higher_is_better(self) -> bool:
        return self.data is None or self.data.higher_is_better

    @property
    def perfect(self) -> float:
        """Score of a model that makes no mistake."""
        return 1.0 if self.data is None else self.data.perfect

    @property
    def is_perfect(self) -> bool:
        """Whether a validation left nothing to learn."""
        score = self.validation_score
        return score is not None and is_enough(score, self.perfect, self.higher_is_better)

    @property
    def unlearned(self) -> float | None:
        """What a diverged run counts as: the worst rule that needs no learning, most often a guess.

        Not the floor, the best of them: arms that train may be below it, and would gain by diverging.
        """
        if self.data is None:
            return None
        rules = self.data.trivial or {"floor": self.data.floor}
        return rules[best_of(rules, not self.higher_is_better)]

    @property
    def score(self) -> float | None:
        """What tables average: a diverged run scores as the worst rule; a failed one has none."""
        if self.status == "failed":
            return None
        return self.unlearned if self.status == "diverged" else self.test_score

    @property
    def other_scores(self) -> dict[str, float]:
        """Scores on the test sets beside the headline's, by name: packed files do not say which came first."""
        equal = [split for split in sorted(self.test_scores) if self.test_scores[split] == self.test_score]
        headline = "test" if "test" in (equal or self.test_scores) else next(iter(equal), None)
        return {split: self.test_scores[split] for split in sorted(self.test_scores) if split != headline}

    @property
    def phases(self) -> Mapping[str, float]:
        """Wall-clock seconds by phase, over all attempts."""
        seconds: Counter[str] = Counter()
        for attempt in self.attempts:
            seconds.update(attempt.phases)  # type: ignore[arg-type]  # of floats, too
        return seconds

    def trained_parameters(self) -> int:
        return sum(count.trained for count in self.parameters.values())

    def numbers(self) -> dict[str, Any]:
        """Return all that two runs of one spec on one machine have in common, bit for bit: not times and attempts."""
        times = {"finished_at", "seconds", "tokens_per_second", "peak_memory_mb", "attempts"}
        return self.model_dump(exclude=times)

    def mixed(self) -> list[str]:
        """Say in which respects its attempts were not made alike, such as `threads: 1, 2`."""
        alike = ({**a.versions, **a.model_dump(exclude={"versions", "first_step", "phases"})} for a in self.attempts)
        values: dict[str, list[str]] = {}
        for attempt in alike:
            for name, value in attempt.items():
                values.setdefault(name, []).append(" ".join(value) if isinstance(value, tuple) else str(value))
        kinds = {name: list(dict.fromkeys(each)) for name, each in values.items()}
        return [f"{name}: {', '.join(each)}" for name, each in kinds.items() if len(each) > 1]


def over_in(results: Iterable[RunResult]) -> dict[str, RunResult]:
    """Return those that are over, by run id: nobody asks for them again."""
    return {result.spec.run_id: result for result in results if result.is_over}
