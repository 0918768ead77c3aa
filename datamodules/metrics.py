"""What a score is: the metrics and losses that a task can name, what a label can be, and which of two scores is better.

Loads torch only when a metric is made, so that whoever reads results can ask here, too.
"""

import difflib
import math
import pkgutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    import torchmetrics
    from torch import Tensor

LabelKind = Literal["classes", "numbers", "multi-label"]
"""One of C classes; a number; yes or no. Each of the L labels of an example is one."""
IGNORED = -100
"""Stands where an example has no label, in tasks of ragged labels; where labels are numbers, NaN does."""
LOSSES: Mapping[LabelKind, tuple[str, ...]] = {
    "classes": ("cross-entropy",),
    "numbers": ("squared-error", "absolute-error"),
    "multi-label": ("binary-cross-entropy",),
}
"""By kind of label, the losses that can be named; the first is the one where none is."""
_HAIR = 1e-7
"""What float32 tells from 1, on its lower side; of larger numbers that share."""
Name = TypeVar("Name")


@dataclass(frozen=True)
class Metric:
    """How a task's answers are scored, by a class of torchmetrics or one that behaves like it.

    What it is given: of classes the likeliest one (N,) int64, of numbers (N,) float32, of multi-label tasks the
    probabilities (B, L) float32; and as many labels. Of ragged labels, `ignore_index` says which to pass over, but of
    numbers, where missing ones are left out beforehand.

    Example:
        >>> Metric("rank-correlation", "torchmetrics:KendallRankCorrCoef", "numbers", is_fraction=False).perfect
        1.0
    """

    name: str
    """As tables write it."""
    torchmetric: str
    """The class, as `module:attribute`."""
    label_kind: LabelKind
    """Of the tasks that it scores."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the class, besides sizes and `ignore_index`."""
    higher_is_better: bool = True
    perfect: float = math.nan
    """Score of a model that makes no mistake; 1 unless it is said, which it must be where lower is better."""
    is_fraction: bool = True
    """Whether every score is in [0, 1], and is shown in percent."""

    def __post_init__(self) -> None:
        if math.isnan(self.perfect):
            if not self.higher_is_better:
                raise ValueError(
                    f"metric '{self.name}': expected `perfect`, the score of a model that makes no mistake, where "
                    "lower is better, got none: 0 of most errors"
                )
            object.__setattr__(self, "perfect", 1.0)

    @property
    def scale_in_words(self) -> str:
        """What scores by it can be compared with."""
        return scale_in_words(self.name, self.is_fraction, self.higher_is_better, self.perfect)

    @property
    def mode(self) -> Literal["max", "min"]:
        """Which of two scores is the better one, in Lightning's word."""
        return "max" if self.higher_is_better else "min"

    @property
    def enough(self) -> float:
        """Score beyond which nothing is left to learn: a hair on this side of perfect."""
        return _enough(self.perfect, self.higher_is_better)

    def is_enough(self, score: float) -> bool:
        """Return whether nothing is left to learn."""
        return is_enough(score, self.perfect, self.higher_is_better)

    def make(self, num_classes: int, num_labels: int, ragged: bool, checked: bool = True) -> "torchmetrics.Metric":
        """Return a new metric of torchmetrics that has seen nothing.

        Args:
            num_classes: C, for metrics of classes.
            num_labels: L, for multi-label ones.
            ragged: whether to pass over places without a label.
            checked: whether it looks at its input, for which the program would wait for a GPU.

        Raises:
            ValueError: the class cannot be had or made.
        """
        sizes: dict[LabelKind, dict[str, Any]] = {
            "classes": {"num_classes": num_classes},
            "numbers": {},
            "multi-label": {"num_labels": num_labels},
        }
        more = sizes[self.label_kind]
        if self.label_kind != "numbers":
            more |= {"validate_args": checked, **({"ignore_index": IGNORED} if ragged else {})}
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Metric `.*` will save all targets")  # as many as a test set has
                made: torchmetrics.Metric = pkgutil.resolve_name(self.torchmetric)(**more, **self.arguments)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f"metric '{self.name}': expected a class of torchmetrics as module:attribute, and arguments that it "
                f"takes, got {self.torchmetric} with {', '.join([*more, *self.arguments]) or 'none'}: {error}"
            ) from error
        if getattr(made, "higher_is_better", None) not in (None, self.higher_is_better):
            raise ValueError(
                f"metric '{self.name}': expected higher_is_better={made.higher_is_better}, as {self.torchmetric} has "
                f"it, got {self.higher_is_better}"
            )
        return made

    def update(self, made: "torchmetrics.Metric", said: "Tensor", labels: "Tensor") -> None:
        """Tell a metric that `make` returned of B examples: what was said to them, and labels, both (B, L)."""
        if self.label_kind == "multi-label":
            made.update(said, labels)
        elif self.label_kind == "classes":
            made.update(said.flatten(), labels.flatten())
        else:
            there = ~labels.isnan()
            made.update(said[there], labels[there])


_CLASSIFICATION = "torchmetrics.classification:"
_KNOWN = (
    Metric("accuracy", f"{_CLASSIFICATION}MulticlassAccuracy", "classes", {"average": "micro"}),
    Metric("macro-f1", f"{_CLASSIFICATION}MulticlassF1Score", "classes", {"average": "macro"}),
    Metric("f1", f"{_CLASSIFICATION}MultilabelF1Score", "multi-label", {"average": "micro"}),
    Metric("average-precision", f"{_CLASSIFICATION}MultilabelAveragePrecision", "multi-label", {"average": "macro"}),
    Metric("r2", "datamodules.r2:R2", "numbers", is_fraction=False),
    Metric("spearman", "torchmetrics:SpearmanCorrCoef", "numbers", is_fraction=False),
    Metric(
        "mean-absolute-error", "torchmetrics:MeanAbsoluteError", "numbers",
        higher_is_better=False, perfect=0.0, is_fraction=False,
    ),
    Metric(
        "root-mean-squared-error", "torchmetrics:MeanSquaredError", "numbers", {"squared": False},
        higher_is_better=False, perfect=0.0, is_fraction=False,
    ),
)  # fmt: skip
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _KNOWN}
"""Those that a task can name, by name."""


def scale_in_words(name: str, is_fraction: bool, higher_is_better: bool, perfect: float) -> str:
    """Return what two scores must have in common to be compared.

    Example:
        >>> scale_in_words("accuracy", True, True, 1.0)
        'accuracy from 0 to 1, higher is better, 1 at best'
    """
    unit, way = "from 0 to 1" if is_fraction else "in its own unit", "higher" if higher_is_better else "lower"
    return f"{name} {unit}, {way} is better, {perfect:g} at best"


def is_enough(score: float, perfect: float, higher_is_better: bool) -> bool:
    """Return whether a score is at most a hair from perfect, so that nothing is left to learn."""
    enough = _enough(perfect, higher_is_better)
    return score > enough if higher_is_better else score < enough


def _enough(perfect: float, higher_is_better: bool) -> float:
    hair = _HAIR * max(1.0, abs(perfect))
    return perfect - hair if higher_is_better else perfect + hair


def find_metric(name: str) -> Metric:
    """Return a metric by its name.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name not in METRICS:
        near = difflib.get_close_matches(name, METRICS, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"unknown metric '{name}'.{hint} Known: {', '.join(sorted(METRICS))}, or a Metric of your own")
    return METRICS[name]


def best_of(scores: Mapping[Name, float], higher_is_better: bool = True) -> Name:
    """Return the name of the best score, of equal ones the first: the one place that says what is better.

    Example:
        >>> best_of({"mean": 0.4, "median": 0.3}, higher_is_better=False)
        'median'
    """
    return (max if higher_is_better else min)(scores, key=scores.__getitem__)
