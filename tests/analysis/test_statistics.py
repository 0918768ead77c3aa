"""Statistics against calculations by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from fpt_bench.analysis.statistics import (
    area_under_curve,
    estimate_mean,
    estimate_mean_of_means,
    estimate_paired_difference,
    estimate_speed_up,
    estimate_welch_difference,
    normalise,
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
    assert steps_to_reach(curve, 0.75) == 20
    assert steps_to_reach(curve, 0.95) == 40
    assert math.isinf(steps_to_reach(curve, 0.97))


def test_area_by_hand() -> None:
    # floor 0.5: normalised 0, 0.5, 1 at steps 0, 10, 20 and 1 until 40: (2.5 + 7.5 + 20) / 40
    assert area_under_curve([(10, 0.75), (20, 1.0)], floor=0.5, max_steps=40) == pytest.approx(0.75)


NEVER = (math.inf, 0.0)


def test_speed_up_counts_missed_targets_as_infinite() -> None:
    theirs = [(300.0, 250.0), (400.0, 350.0), (500.0, 450.0)]
    some = estimate_speed_up([(100, 50), (100, 50), NEVER], theirs)
    assert some is not None
    assert (some.mean, some.low, some.high) == (4, -math.inf, math.inf), "no interval where a run does not arrive"
    assert estimate_speed_up([(100, 50)] * 3, [(300, 250), NEVER, NEVER]) is None


def test_the_interval_of_a_speed_up_without_spread_is_what_the_resolution_leaves_open() -> None:
    # The true steps lie in (75, 100] and in (375, 400].
    found = estimate_speed_up([(100, 75)] * 2, [(400, 375)] * 2)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((4, 3.75, 400 / 75))
    # Where validations thin out, theirs lie in (200, 400].
    found = estimate_speed_up([(100, 75)] * 2, [(400, 200)] * 2)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((4, 2, 400 / 75))


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize(("spread", "resolution"), [(0.3, 1), (0.3, 25), (0.1, 60)])
def test_intervals_of_speed_ups_hold_the_true_one_in_95_of_100_benches(
    seeds: int, spread: float, resolution: int
) -> None:
    rng, true = np.random.default_rng(0), 5.0
    held = 0
    for _ in range(500):
        # Seeds arrive at some step and are seen at the next validation.
        ours, theirs = (
            np.ceil(median * np.exp(spread * rng.standard_normal(seeds)) / resolution) * resolution
            for median in (120, 120 * true)
        )
        found = estimate_speed_up(*([(step, step - resolution) for step in steps] for steps in (ours, theirs)))
        assert found is not None
        held += found.low <= true <= found.high
    assert held >= 500 * 0.95 - 2 * math.sqrt(500 * 0.95 * 0.05), f"{held} of 500"


def test_normalised_accuracy_by_hand() -> None:
    assert normalise(0.85, floor=0.75) == pytest.approx(0.4)
    assert normalise(0.4, floor=0.5) == pytest.approx(-0.2)


def test_a_floor_that_is_perfect_ends_no_table() -> None:
    assert normalise(0.5, floor=1.0, perfect=1.0) == -0.5
    assert area_under_curve([(50, 1.0)], floor=1.0, max_steps=100) == 0.0


def test_a_speed_up_outside_of_its_interval_has_none() -> None:
    ours, theirs = [(100.0, 99.0)] * 9, [(100.0, 99.0)] * 5 + [(1000.0, 999.0)] * 4
    found = estimate_speed_up(ours, theirs)
    assert found is not None
    assert (found.mean, math.isinf(found.low), math.isinf(found.high)) == (1.0, True, True)


def test_mean_of_means_by_hand() -> None:
    # Means 0.9 and 0.5; variances of means 0.0004 / 3 and 0.0016 / 3, a quarter of each counts: 0.0005 / 3.
    # Degrees: (0.0005 / 3)^2 / ((0.0001 / 3)^2 / 2 + (0.0004 / 3)^2 / 2) = 2 x 25 / 17; t(0.975, 2.941) = 3.2191
    estimate = estimate_mean_of_means([[0.88, 0.90, 0.92], [0.46, 0.50, 0.54]])
    assert estimate.mean == pytest.approx(0.7)
    assert estimate.deviation == pytest.approx((0.0005 / 3) ** 0.5)
    assert estimate.half_width == pytest.approx(float(stats.t.ppf(0.975, 50 / 17)) * (0.0005 / 3) ** 0.5)
    assert estimate.n == 3


def test_a_task_whose_seeds_agree_adds_nothing_to_the_width() -> None:
    alone = estimate_mean_of_means([[0.0, 0.4, 0.8]], [0.5])
    both = estimate_mean_of_means([[0.0, 0.4, 0.8], [0.9, 0.9, 0.9]])
    assert both.half_width == pytest.approx(alone.half_width)


def test_one_seed_a_task_has_no_interval() -> None:
    estimate = estimate_mean_of_means([[0.2], [0.4, 0.6]])
    assert estimate.mean == pytest.approx(0.35)
    assert math.isinf(estimate.high)
    assert estimate.n == 1


def test_measures_of_the_way_from_floor_to_perfect_know_no_direction() -> None:
    """Errors of 40 that fall to 0 are accuracies of 0.5 that rise to 1."""
    errors, accuracies = [(10, 30.0), (20, 10.0)], [(10, 0.625), (20, 0.875)]
    assert normalise(10.0, 40.0, 0.0) == normalise(0.875, 0.5) == 0.75
    assert area_under_curve(errors, 40.0, 40, 0.0) == area_under_curve(accuracies, 0.5, 40)
    assert steps_to_reach(errors, 22.0, higher_is_better=False) == 20
    assert steps_to_reach(errors, 5.0, higher_is_better=False) == math.inf
