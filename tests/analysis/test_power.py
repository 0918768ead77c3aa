"""Seeds that resolve a difference: against textbook figures, and against what the judge's own page says it costs."""

import math

import numpy as np
import pytest

from fpt_bench.analysis.power import fixed_seeds, judged_seeds, pooled_spread


def test_a_deviation_is_pooled_over_arms_by_hand() -> None:
    # Squares around the means: 0.0008 + 0.0008 with 1 + 2 degrees; a single seed shows nothing.
    found = pooled_spread([[0.70, 0.74], [0.50, 0.52, 0.54], [0.9]])
    assert found is not None
    assert (found.deviation, found.degrees) == (pytest.approx(math.sqrt(0.0016 / 3)), 3)
    # chi-square with 3 degrees is below 0.3518 in 5 of 100.
    assert found.upper == pytest.approx(found.deviation * math.sqrt(3 / 0.3518), rel=1e-3)
    assert pooled_spread([[0.9], [], [0.8]]) is None


def test_the_upper_bound_holds_in_95_of_100_benches() -> None:
    rng = np.random.default_rng(0)
    bounds = [pooled_spread(rng.normal(0, 1, (2, 3)).tolist()) for _ in range(2000)]
    assert np.mean([bound is not None and bound.upper >= 1 for bound in bounds]) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("effect", "seeds"), [(1, 17), (1.5, 9), (2, 6), (3, 4), (5, 3), (0.5, 64), (0.2, 394)])
def test_a_fixed_number_of_seeds_is_the_textbooks(effect: float, seeds: int) -> None:
    assert fixed_seeds(effect) == seeds


def test_a_fixed_number_has_the_power_that_it_says() -> None:
    rng, n = np.random.default_rng(0), int(fixed_seeds(1.5))
    first, second = rng.normal(1.5, 1, (4000, n)), rng.normal(0, 1, (4000, n))
    error = np.sqrt((first.var(-1, ddof=1) + second.var(-1, ddof=1)) / n)
    found = np.abs(first.mean(-1) - second.mean(-1)) / error > 2.120  # t of 16 degrees
    assert 0.79 < found.mean() < 0.87


@pytest.mark.parametrize(("effect", "alone", "one_of_seven"), [(1, 15, 25), (1.5, 9, 14), (2, 7, 10), (3, 5, 7)])
def test_judged_seeds_are_those_of_the_page_on_judging(effect: float, alone: int, one_of_seven: int) -> None:
    assert judged_seeds(effect, [20, 140]) == pytest.approx([alone, one_of_seven], abs=1)


def test_what_is_out_of_reach_is_infinite() -> None:
    assert fixed_seeds(0.01) == math.inf
    assert judged_seeds(0.01, [20]) == [math.inf]


def test_a_family_needs_more_seeds_and_a_larger_effect_fewer() -> None:
    assert fixed_seeds(1.0, 0.05 / 7) == 27
    assert fixed_seeds(40.0) == 2
