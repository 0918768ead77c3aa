"""Statistics against calculations by hand."""

import math

import pytest
from scipy import stats

from fpt_bench.analysis.statistics import (
    area_under_curve,
    converged_accuracy,
    estimate_interquartile_mean,
    estimate_mean,
    estimate_paired_difference,
    estimate_welch_difference,
    normalise,
    speed_up,
    steps_to_reach,
)


def test_mean_interval_by_hand() -> None:
    # mean 0.9, sd 0.02, t(0.975, 2) = 4.30265: half width 4.30265 * 0.02 / sqrt(3) = 0.049683
    estimate = estimate_mean([0.88, 0.90, 0.92])
    assert estimate.mean == pytest.approx(0.9)
    assert estimate.deviation == pytest.approx(0.02)
    assert estimate.half_width == pytest.approx(0.049683, abs=1e-6)
    assert estimate.n == 3


def test_one_value_has_no_finite_interval() -> None:
    assert math.isinf(estimate_mean([0.5]).high)


def test_pairing_removes_what_seeds_share() -> None:
    first, second = [0.5, 0.7, 0.9], [0.4, 0.6, 0.8]
    assert estimate_paired_difference(first, second).half_width == pytest.approx(0, abs=1e-12)
    assert estimate_welch_difference(first, second).half_width > 0.3


def test_welch_interval_equals_scipys() -> None:
    first, second = [0.71, 0.74, 0.69, 0.80], [0.60, 0.65, 0.61]
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    estimate = estimate_welch_difference(first, second)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))


def test_welch_of_identical_constants_is_certain() -> None:
    estimate = estimate_welch_difference([1.0, 1.0], [0.5, 0.5])
    assert (estimate.low, estimate.high) == (0.5, 0.5)


def test_convergence_by_hand() -> None:
    curve = [(10, 0.5), (20, 0.8), (30, 0.7), (40, 0.96)]
    assert converged_accuracy(0.5, 1.0) == pytest.approx(0.95)
    assert steps_to_reach(curve, 0.75) == 20
    assert steps_to_reach(curve, 0.95) == 40
    assert math.isinf(steps_to_reach(curve, 0.97))


def test_area_by_hand() -> None:
    # floor 0.5: normalised 0, 0.5, 1 at steps 0, 10, 20 and 1 until 40: (2.5 + 7.5 + 20) / 40
    assert area_under_curve([(10, 0.75), (20, 1.0)], floor=0.5, max_steps=40) == pytest.approx(0.75)


def test_speed_up_counts_missed_targets_as_infinite() -> None:
    assert speed_up([100, 100, math.inf], [300, 400, 500]) == 4
    assert speed_up([100, 100, 100], [300, math.inf, math.inf]) is None


def test_normalised_accuracy_by_hand() -> None:
    assert normalise(0.85, floor=0.75) == pytest.approx(0.4)
    assert normalise(0.4, floor=0.5) == pytest.approx(-0.2)


def test_interquartile_mean_by_hand() -> None:
    # 9 values in order: -1 0 | 0.1 0.2 0.3 0.4 0.5 | 0.9 9: a quarter of 9 is 2 whole values at either end
    estimate = estimate_interquartile_mean([[0.1, 9.0, -1.0], [0.2, 0.0, 0.4], [0.5, 0.3, 0.9]])
    assert estimate.mean == pytest.approx(0.3)
    assert estimate.n == 3


def test_the_bootstrap_draws_within_tasks_only() -> None:
    # Seeds agree within each task: drawing them again changes nothing, however far apart the tasks are.
    estimate = estimate_interquartile_mean([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]])
    assert (estimate.low, estimate.mean, estimate.high) == pytest.approx((0.5, 0.5, 0.5))


def test_the_bootstrap_of_two_seeds_by_hand() -> None:
    # Tasks (0, 1) and (0, 1): of four values the middle two are averaged. Each of the 16 draws is equally likely; the
    # number of ones is 0 to 4 with chances 1 4 6 4 1 of 16, their middle means 0, 0, 1/2, 1, 1: the ends are 0 and 1.
    estimate = estimate_interquartile_mean([[0.0, 1.0], [0.0, 1.0]])
    assert (estimate.low, estimate.mean, estimate.high) == (0.0, 0.5, 1.0)
    # Variance: (5 x 1/4 + 5 x 1/4) / 16 = 0.15625
    assert estimate.deviation == pytest.approx(0.15625**0.5, abs=0.02)


def test_one_seed_a_task_has_no_interval() -> None:
    estimate = estimate_interquartile_mean([[0.2], [0.4, 0.6]])
    assert math.isinf(estimate.high)
    assert estimate.n == 1


def test_measures_of_the_way_from_floor_to_perfect_know_no_direction() -> None:
    """Errors of 40 that fall to 0 are accuracies of 0.5 that rise to 1."""
    errors, accuracies = [(10, 30.0), (20, 10.0)], [(10, 0.625), (20, 0.875)]
    assert normalise(10.0, 40.0, 0.0) == normalise(0.875, 0.5) == 0.75
    assert area_under_curve(errors, 40.0, 40, 0.0) == area_under_curve(accuracies, 0.5, 40)
    assert converged_accuracy(40.0, 20.0) == 22.0
    assert steps_to_reach(errors, 22.0, higher_is_better=False) == 20
    assert steps_to_reach(errors, 5.0, higher_is_better=False) == math.inf
