"""Metrics, losses and kinds of label: what fits, what each scores by hand, and what does not fit in one sentence."""

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from datamodules.checks import check_task, find_faults
from datamodules.constants import constant_scores
from datamodules.contract import TEST, TaskSpec
from datamodules.examples import ArrayExamples
from datamodules.metrics import IGNORED, METRICS, Metric, best_of, find_metric
from tests.scored_tasks import Bits, Flags, Ragged, RaggedShares, Share

NUMBERS: dict[str, Any] = {"label_kind": "numbers", "metric": "r2", "trivial": {"mean": 0.0}}


def spec(**fields: Any) -> TaskSpec:
    return TaskSpec("made-up", "vectors", 3, 4, **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"num_classes": 2, "metric": "acuracy"},
            "unknown metric 'acuracy'. Did you mean 'accuracy'? Known: accuracy,",
        ),
        (
            {"num_classes": 2, "metric": "r2"},
            "expected a metric of classes such as accuracy, macro-f1, got 'r2', which is of numbers",
        ),
        ({**NUMBERS, "metric": "accuracy"}, "expected a metric of numbers such as r2, spearman, mean-absolute-error"),
        ({**NUMBERS, "num_classes": 2}, "expected no num_classes where labels are numbers, got 2. Leave it out"),
        ({}, "expected num_classes of at least 2, got 1. Where labels are no classes, say label_kind='numbers'"),
        (
            {**NUMBERS, "loss": "cross-entropy"},
            "expected loss to be squared-error or absolute-error where labels are num",
        ),
        ({**NUMBERS, "trivial": {"mean": math.nan}}, "expected finite scores in trivial, got nan for 'mean'"),
        (
            {"label_kind": "multi-label", "num_labels": 2, "metric": "f1", "trivial": {"all": 66.7}},
            "expected scores of f1 from 0 to 1 in trivial, got 66.7 for 'all'",
        ),
        ({"num_classes": 2, "trivial": {"guess": 50.0}}, "expected accuracies from 0 to 1 in trivial, got 50.0"),
        (
            {"label_kind": "multi-label", "metric": "f1", "trivial": {"all": 0.5}},
            "expected num_labels of at least 2 where labels are multi-label, got 1. A single yes or no is one of 2 cl",
        ),
        (
            {"label_kind": "regression"},
            "expected label_kind to be one of classes, numbers, multi-label, got 'regression'",
        ),
    ],
)
def test_what_does_not_fit_is_a_sentence(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"task 'made-up': {message}")):
        spec(**fields)


@pytest.mark.parametrize(
    "torchmetric", ["torchmetrics:R3Score", "torchmetrix:R2Score", "torchmetrics:MeanMetrics", "r2"]
)
def test_a_metric_that_cannot_be_had_is_a_sentence(torchmetric: str) -> None:
    own = Metric("own", torchmetric, "numbers")
    with pytest.raises(
        ValueError, match=f"metric 'own': expected a class of torchmetrics as module:attribute.*{torchmetric}"
    ):
        spec(**{**NUMBERS, "metric": own}).make_metric()


def test_defaults_mean_accuracy_and_cross_entropy() -> None:
    plain = spec(num_classes=4)
    assert (plain.measure, plain.loss_name) == (METRICS["accuracy"], "cross-entropy")
    assert plain.measure.enough == 1 - 1e-7


def test_the_best_rule_is_the_lowest_where_lower_is_better() -> None:
    rules = {"mean": 0.4, "median": 0.3, "zero": 2.0}
    assert best_of(rules) == "zero"
    assert best_of(rules, higher_is_better=False) == "median"
    assert best_of({1: 0.5, 2: 0.9, 3: 0.9}) == 2, "the first of equal ones"


def test_enough_lies_on_this_side_of_perfect() -> None:
    error = find_metric("mean-absolute-error")
    assert error.is_enough(0.0)
    assert not error.is_enough(0.001)
    assert find_metric("r2").is_enough(1.0)
    assert not find_metric("r2").is_enough(0.999)


def score(task: TaskSpec, said: torch.Tensor, labels: torch.Tensor) -> float:
    metric = task.make_metric()
    for rows in (slice(0, 1), slice(1, None)):  # as batches come
        task.measure.update(metric, said[rows], labels[rows])
    return float(metric.compute())


def test_missing_labels_are_passed_over_by_every_metric() -> None:
    classes = spec(num_classes=3, num_labels=2, ragged=True)
    labels = torch.tensor([[0, IGNORED], [2, 1], [IGNORED, 1]])
    assert score(classes, torch.tensor([[0, 0], [2, 2], [1, 1]]), labels) == 0.75

    numbers = spec(**{**NUMBERS, "metric": "mean-absolute-error", "num_labels": 2, "ragged": True})
    labels = torch.tensor([[1.0, math.nan], [2.0, 3.0], [math.nan, -1.0]])
    assert score(numbers, torch.tensor([[1.5, 9.0], [2.0, 2.0], [9.0, -1.5]]), labels) == pytest.approx(2 / 4)

    flags = spec(label_kind="multi-label", metric="f1", num_labels=2, ragged=True, trivial={"all": 0.5})
    labels = torch.tensor([[1, IGNORED], [0, 1], [IGNORED, 1]])
    said = torch.tensor([[0.9, 0.9], [0.8, 0.7], [0.9, 0.1]])
    assert score(flags, said, labels) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1)), "2 right, 1 too many, 1 missed"


def test_probabilities_of_multi_label_reach_the_metric() -> None:
    flags = spec(label_kind="multi-label", metric="average-precision", num_labels=2, trivial={"all": 0.5})
    labels = torch.tensor([[1, 1], [0, 0], [1, 1], [0, 0]])
    said = torch.tensor([[0.9, 0.9], [0.8, 0.8], [0.7, 0.7], [0.1, 0.1]])
    assert score(flags, said, labels) == pytest.approx((1 + 2 / 3) / 2), "answers of 0 and 1 would be tied"


def test_constants_are_scored_in_the_metric() -> None:
    asked, seen = torch.tensor([[0.0], [0.0], [3.0]]), torch.tensor([[1.0], [1.0], [4.0]])
    error = spec(**{**NUMBERS, "metric": "mean-absolute-error"})
    assert constant_scores(error, asked, seen) == pytest.approx(
        {"mean of training": 5 / 3, "median of training": 4 / 3, "best constant": 1.0}
    )
    assert constant_scores(spec(**NUMBERS), asked, None) == {"best constant": 0.0}, "the mean explains nothing"
    flags = spec(label_kind="multi-label", metric="f1", num_labels=2, trivial={"all": 0.5})
    assert constant_scores(flags, torch.tensor([[1, 0], [1, 0], [0, 1]]), None)["best constant"] == pytest.approx(2 / 3)
    ragged = spec(num_classes=3, ragged=True)
    labels = torch.tensor([[IGNORED], [1], [1], [2]])
    assert constant_scores(ragged, labels, None) == {"best constant": 2 / 3}


@pytest.mark.parametrize("task", [Share, Flags, Ragged, RaggedShares])
def test_tasks_of_every_kind_are_sound(task: type[Bits]) -> None:
    check_task(task)


def spoiled(base: type[Bits], change: Any = lambda labels: labels, **fields: Any) -> type[Bits]:
    class Spoiled(base):  # type: ignore[misc, valid-type]
        spec = replace(base.spec, **fields)

        def examples(self, split: str) -> ArrayExamples:
            found = super().examples(split)
            return ArrayExamples(found.inputs, change(found.labels) if split == TEST else found.labels)

    return Spoiled


def put(row: int, value: float) -> Any:
    def change(labels: NDArray[np.generic]) -> NDArray[np.generic]:
        labels = labels.copy()
        labels[row] = value
        return labels

    return change


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            spoiled(Share, put(3, np.inf)),
            "expected finite labels, got NaN or infinity in 1 of 32. Where NaN stands for a",
        ),
        (
            spoiled(Share, put(3, np.nan)),
            "expected finite labels, got NaN or infinity in 1 of 32. Where NaN stands for a",
        ),
        (spoiled(RaggedShares, put(3, -np.inf)), "expected finite labels, got NaN or infinity in 4 of "),
        (
            spoiled(RaggedShares, put(3, np.nan)),
            "expected at least 1 label in every example, got none in 1 of 32. Leave",
        ),
        (spoiled(Ragged, put(3, IGNORED)), "expected at least 1 label in every example, got none in 1 of 32. Leave"),
        (
            spoiled(Ragged, ragged=False),
            "expected labels from 0 to 1 (num_classes is 2), got -100. Where some are miss",
        ),
        (spoiled(Ragged, put(3, 2)), "expected labels from 0 to 1 (num_classes is 2), got 2"),
        (spoiled(Flags, put(3, 2)), "expected labels from 0 to 1, got 2"),
        (
            spoiled(Flags, lambda labels: labels.astype(np.float32)),
            "expected labels of int64 where they are multi-label, g",
        ),
        (
            spoiled(Share, lambda labels: labels.astype(np.int64)),
            "expected labels of float32 where they are numbers, got int64",
        ),
    ],
)
def test_labels_that_are_not_what_the_task_says_are_a_sentence(task: type[Bits], message: str) -> None:
    faults = find_faults(task())
    assert message in faults[-1]


def test_a_metric_of_ones_own_has_a_name_of_its_own() -> None:
    """Floors of another metric would stand beside its scores."""
    macro = Metric("accuracy", "torchmetrics.classification:MulticlassAccuracy", "classes", {"average": "macro"})
    with pytest.raises(ValueError, match="expected a metric of your own to have a name of its own, got 'accuracy'"):
        spec(num_classes=4, metric=macro)
    assert spec(num_classes=4, metric=replace(macro, name="macro-accuracy")).measure.name == "macro-accuracy"
    assert spec(num_classes=4, metric=METRICS["accuracy"]).measure == METRICS["accuracy"]


@pytest.mark.parametrize("perfect", [1.0, 10.0, 100.0, -50.0])
def test_perfection_is_seen_in_float32_too(perfect: float) -> None:
    measure = Metric("made-up", "torchmetrics:MeanMetric", "numbers", is_fraction=False, perfect=perfect)
    assert torch.gt(torch.tensor(perfect), measure.enough), "as Lightning asks"
    assert measure.is_enough(perfect)
    assert not measure.is_enough(perfect - 1e-3)


def test_a_constant_without_a_score_is_no_floor() -> None:
    kendall = Metric("kendall", "torchmetrics:KendallRankCorrCoef", "numbers", is_fraction=False)
    task = TaskSpec("order", "vectors", 1, 1, label_kind="numbers", metric=kendall, trivial={"chance": 0.0})
    labels = torch.tensor([[1.0], [2.0], [4.0]])
    assert constant_scores(task, labels, labels) == {}


def test_a_metric_of_errors_says_what_perfect_is_and_no_metric_turns_its_class_around() -> None:
    with pytest.raises(
        ValueError, match="metric 'mse': expected `perfect`, the score of a model that makes no mistake"
    ):
        Metric("mse", "torchmetrics:MeanSquaredError", "numbers", higher_is_better=False, is_fraction=False)
    noise = Metric("psnr", "torchmetrics:PeakSignalNoiseRatio", "numbers", {"data_range": 1.0}, is_fraction=False)
    (fault,) = find_faults(type("Noise", (Share,), {"spec": replace(Share.spec, metric=noise, trivial={})})())
    assert "expected no rule to be better than perfect, 1 of psnr, got" in fault
    forgotten = Metric("mse", "torchmetrics:MeanSquaredError", "numbers", is_fraction=False)
    with pytest.raises(ValueError, match="metric 'mse': expected higher_is_better=False, as torchmetrics:Mean"):
        forgotten.make(0, 1, ragged=False)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-4, 0.0), (50.0, 101_325.0)])
def test_r2_is_the_same_in_every_unit(scale: float, offset: float) -> None:
    random = np.random.default_rng(0)
    labels = random.normal(size=500)
    said = 0.5 * labels + 0.3 * random.normal(size=500)
    in_unit = [torch.tensor(offset + scale * each, dtype=torch.float32) for each in (said, labels)]
    made = METRICS["r2"].make(0, 1, ragged=False)
    for first in range(0, 500, 100):
        METRICS["r2"].update(made, *(each[first : first + 100, None] for each in in_unit))
    expected = r2_score(in_unit[1].double().numpy(), in_unit[0].double().numpy())
    assert float(made.compute()) == pytest.approx(expected, rel=1e-9)


def test_r2_of_labels_without_spread_is_perfect_or_nothing() -> None:
    for said, score in ((3.0, 1.0), (3.1, 0.0)):
        made = METRICS["r2"].make(0, 1, ragged=False)
        made.update(torch.full((4,), said), torch.full((4,), 3.0))
        assert float(made.compute()) == score
    made = METRICS["r2"].make(0, 1, ragged=False)
    made.update(torch.ones(1), torch.ones(1))
    with pytest.raises(ValueError, match="expected at least 2 labels, got 1"):
        made.compute()
