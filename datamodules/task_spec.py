"""What a model may know of a task: shapes, kind of labels, metric and loss.

Shapes use the contract's glossary: T positions, D features a position, V vocabulary, L labels an example, R positions
read out, C classes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import torchmetrics

from datamodules.metrics import LOSSES, METRICS, LabelKind, Metric, find_metric

InputKind = Literal["vectors", "tokens"]


@dataclass(frozen=True)
class TaskSpec:
    """What a model must know about a task, known before any file is read.

    Raises:
        ValueError: sizes that no model could serve, such as R not dividing L, or a metric or loss that does not fit.

    Example:
        >>> spec = TaskSpec("bit-xor", "vectors", input_size=1, max_length=10, num_classes=2,
        ...                 num_labels=5, read_positions=5, trivial={"guess": 0.5})
        >>> spec.trivial
        {'guess': 0.5}
        >>> spec = TaskSpec("weight", "vectors", input_size=1, max_length=10, label_kind="numbers", metric="r2")
        >>> spec.num_classes, spec.loss_name
        (1, 'squared-error')
    """

    name: str
    input_kind: InputKind
    input_size: int
    """D for vectors; V, the padding id included, for tokens."""
    max_length: int
    """Largest T of any batch."""
    num_classes: int = 1
    """C; 1 where labels are no classes."""
    num_labels: int = 1
    read_positions: int = 1
    """R: the last R real positions are read out; it divides L."""
    trivial: Mapping[str, float] = field(default_factory=dict)
    """Score of what needs neither learning nor a file, such as a guess among classes, by name."""
    label_kind: LabelKind = "classes"
    ragged: bool = False
    """Whether some places hold no label but IGNORED, or NaN among numbers: loss and metric pass over them."""
    metric: str | Metric = "accuracy"
    """One of METRICS, or an own one."""
    loss: str | None = None
    """One of LOSSES of the kind of label; None: its first."""

    def __post_init__(self) -> None:
        for name, kinds in (("input_kind", get_args(InputKind)), ("label_kind", get_args(LabelKind))):
            if getattr(self, name) not in kinds:
                raise ValueError(
                    f"task {self.name!r}: expected {name} to be one of {', '.join(kinds)}, got {getattr(self, name)!r}"
                )
        for size in ("input_size", "max_length", "num_labels", "read_positions"):
            if getattr(self, size) < 1:
                raise ValueError(f"task {self.name!r}: expected {size} of at least 1, got {getattr(self, size)}")
        if self.label_kind == "classes" and self.num_classes < 2:
            raise ValueError(
                f"task {self.name!r}: expected num_classes of at least 2, got {self.num_classes}. Where labels are no "
                "classes, say label_kind='numbers' or 'multi-label'"
            )
        if self.label_kind != "classes" and self.num_classes != 1:
            raise ValueError(
                f"task {self.name!r}: expected no num_classes where labels are {self.label_kind}, "
                f"got {self.num_classes}. Leave it out"
            )
        if self.label_kind == "multi-label" and self.num_labels < 2:
            raise ValueError(
                f"task {self.name!r}: expected num_labels of at least 2 where labels are multi-label, got "
                f"{self.num_labels}. A single yes or no is one of 2 classes"
            )
        self._require_fitting()
        self._require_trivial()
        if self.num_labels % self.read_positions:
            raise ValueError(
                f"task {self.name!r}: expected read_positions to divide num_labels, "
                f"got {self.read_positions} and {self.num_labels}"
            )
        if self.read_positions > self.max_length:
            raise ValueError(
                f"task {self.name!r}: expected at most {self.max_length} positions to read, got {self.read_positions}"
            )

    def _require_fitting(self) -> None:
        """Raise a ValueError unless metric and loss are of the kind of label."""
        try:
            measure = self.measure
        except ValueError as error:
            raise ValueError(f"task {self.name!r}: {error}") from error
        if METRICS.get(measure.name, measure) != measure:
            raise ValueError(
                f"task {self.name!r}: expected a metric of your own to have a name of its own, got {measure.name!r}, "
                "by which another one is known here"
            )
        if measure.label_kind != self.label_kind:
            fitting = ", ".join(name for name, metric in METRICS.items() if metric.label_kind == self.label_kind)
            raise ValueError(
                f"task {self.name!r}: expected a metric of {self.label_kind} such as {fitting}, got "
                f"{measure.name!r}, which is of {measure.label_kind}"
            )
        if self.loss_name not in LOSSES[self.label_kind]:
            raise ValueError(
                f"task {self.name!r}: expected loss to be {' or '.join(LOSSES[self.label_kind])} where labels are "
                f"{self.label_kind}, got {self.loss!r}"
            )

    def _require_trivial(self) -> None:
        """Raise a ValueError unless what is stated can be scores of the metric."""
        measure = self.measure
        for name, score in self.trivial.items():
            if measure.is_fraction and not 0 <= score <= 1:
                words = "accuracies" if measure.name == "accuracy" else f"scores of {measure.name}"
                raise ValueError(
                    f"task {self.name!r}: expected {words} from 0 to 1 in trivial, got {score} for {name!r}"
                )
            if not math.isfinite(score):
                raise ValueError(f"task {self.name!r}: expected finite scores in trivial, got {score} for {name!r}")

    @property
    def measure(self) -> Metric:
        """The metric that `metric` is or names."""
        return self.metric if isinstance(self.metric, Metric) else find_metric(self.metric)

    @property
    def loss_name(self) -> str:
        """The loss that trains it."""
        return self.loss or LOSSES[self.label_kind][0]

    def make_metric(self, checked: bool = True) -> torchmetrics.Metric:
        """Return a new metric of torchmetrics for this task, to be told of by `measure.update`."""
        return self.measure.make(self.num_classes, self.num_labels, self.ragged, checked)
