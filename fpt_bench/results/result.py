"""What came out: a run's outcome as a frozen value."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fpt_bench.config.spec import RunSpec


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GroupCount(_Frozen):
    """Parameters of one group."""

    trained: int
    total: int


class DataRecord(_Frozen):
    """Which data a run used."""

    kind: Literal["real", "embedded"]
    source: str
    """One sentence: where the examples come from."""
    fingerprint: str
    """SHA-256 over all fixed examples."""
    trivial: dict[str, float]
    """Accuracy in [0, 1] of baselines that need no learning, by name."""
    floor: float
    """The largest of them."""


class BodyRecord(_Frozen):
    """Which body a run used."""

    source: str
    """One sentence: where architecture and weights come from."""
    fingerprint: str
    """SHA-256 of the weights' file, or of the architecture where no file was read."""
    execution: str
    """Whose forward pass ran."""
    notes: tuple[str, ...] = ()
    """What was changed to fit the task, such as a stretched position table."""


class Provenance(_Frozen):
    """On what, and by which code, a run was made."""

    version: str
    commit: str | None
    versions: dict[str, str]
    device: str
    threads: int
    platform: str
    processes: int = 1
    """That trained it together; dropout depends on it."""


class RunResult(_Frozen):
    """Outcome of one run. Accuracies are fractions in [0, 1]; only tables turn them into percent."""

    spec: RunSpec
    status: Literal["ok", "diverged", "failed"]
    error: str | None = None
    """What went wrong, when something did."""
    curve: tuple[tuple[int, float], ...] = ()
    """Validation accuracy by optimizer step."""
    best_step: int | None = None
    """Step of the first best validation; the weights of that step are tested."""
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    """On the whole headline test set, read once."""
    test_accuracies: dict[str, float] = Field(default_factory=dict)
    """By test split, the headline one included."""
    test_examples: int | None = None
    train_accuracy: float | None = None
    """On training examples, without dropout, at the best step."""
    parameters: dict[str, GroupCount] = Field(default_factory=dict)
    seconds: float = 0.0
    """Wall-clock time of training, validation included, over all attempts."""
    phases: dict[str, float] = Field(default_factory=dict)
    """Wall-clock seconds by phase, over all attempts: imports, set-up, data, train, validation, test, writing."""
    tokens_per_second: float | None = None
    """Training positions a second, padding left out."""
    peak_memory_mb: float | None = None
    """Largest resident memory of the process so far, or of the GPU's memory during the run, in MiB."""
    data: DataRecord | None = None
    body: BodyRecord | None = None
    provenance: Provenance | None = None

    @property
    def floor(self) -> float | None:
        return self.data.floor if self.data else None

    @property
    def score(self) -> float | None:
        """Accuracy that tables average: a diverged run scores its floor; a failed one has none."""
        return self.floor if self.status == "diverged" else self.test_accuracy

    def trained_parameters(self) -> int:
        return sum(count.trained for count in self.parameters.values())
