"""Probability of improvement against counts by hand and against scipy's statistic of Mann and Whitney."""

import math

import numpy as np
import pytest
from scipy import stats

from fpt_bench.analysis.across_tasks import compare_across_tasks, performance_profile, probability_of_improvement
from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.export import overall_frame
from fpt_bench.report.tables import markdown
from tests.made_up_bench import made_up_bench


def test_it_is_the_share_of_pairs_won_averaged_over_tasks() -> None:
    # Task 1: of 3 x 2 pairs (3, 2), (3, 0), (2, 0), (1, 0) are won and (2, 2) is half. Task 2: all are lost.
    found = probability_of_improvement([[3.0, 2.0, 1.0], [0.0, 0.0]], [[2.0, 0.0], [1.0, 1.0]])
    assert found.mean == pytest.approx((4.5 / 6 + 0) / 2)
    assert found.n == 2


def test_on_one_task_it_is_the_statistic_of_mann_and_whitney() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.normal(0.5, 1, 7), generator.normal(0, 1, 6)
    statistic = stats.mannwhitneyu(first, second).statistic
    assert probability_of_improvement([list(first)], [list(second)]).mean == pytest.approx(statistic / 42)


def test_its_interval_turns_over_with_the_arms_and_holds_the_mean() -> None:
    first, second = [[0.3, 0.5, 0.9], [0.1, 0.2, 0.3]], [[0.4, 0.6, 0.7], [0.0, 0.2, 0.5]]
    one, other = probability_of_improvement(first, second), probability_of_improvement(second, first)
    assert one.mean == pytest.approx(1 - other.mean)
    assert 0 <= one.low < one.mean < one.high <= 1
    assert one.low == pytest.approx(1 - other.high, abs=0.1)


def test_one_seed_has_no_interval() -> None:
    found = probability_of_improvement([[1.0], [1.0, 2.0]], [[0.0, 0.5], [3.0, 4.0]])
    assert (found.mean, math.isinf(found.low), math.isinf(found.high)) == (0.5, True, True)


def test_rounding_is_a_tie() -> None:
    assert probability_of_improvement([[0.1 + 0.2] * 2], [[0.3] * 2]).mean == 0.5


def test_a_profile_falls_and_weighs_tasks_alike() -> None:
    strata = [[0.0, 1.0], [0.2, 0.4, 0.6, 0.8]]
    assert performance_profile(strata, [0.0, 0.4, 0.8, 1.1]) == [1.0, (1 / 2 + 3 / 4) / 2, (1 / 2 + 1 / 4) / 2, 0.0]


def test_a_bench_says_it_beside_its_difference_over_tasks() -> None:
    bench = Bench.of(*made_up_bench())
    language = next(overall for overall in bench.overall if overall.arm == "language")
    random = next(overall for overall in bench.overall if overall.arm == "random")
    assert random.improvement is None
    assert language.improvement is not None
    assert language.improvement.mean == probability_of_improvement(language.scores, random.scores).mean
    frame = overall_frame(bench).set_index("arm")
    assert frame.loc["language", "improvement_mean"] == language.improvement.mean
    page = markdown(bench)
    assert "| beats it " in page
    assert f"| {100 * language.improvement.mean:.0f} %" in page


def test_an_arm_whose_seeds_fall_into_two_groups_on_a_task_has_a_mean_without_an_interval() -> None:
    scores = {
        "copy": {"ours": [0.9, 0.9, 0.1], "theirs": [0.2, 0.3, 0.4], "third": [0.5, 0.6, 0.7]},
        "sort": {"ours": [0.4, 0.5, 0.6], "theirs": [0.2, 0.3, 0.4], "third": [0.5, 0.6, 0.7]},
    }
    opponents = {"ours": "theirs", "theirs": None, "third": "ours"}
    ours, theirs, third = compare_across_tasks(scores, opponents, [("copy", "ours"), ("elsewhere", "theirs")])
    assert [math.isinf(arm.estimate.high) for arm in (ours, theirs, third)] == [True, False, False]
    assert [arm.delta is not None and math.isinf(arm.delta.high) for arm in (ours, third)] == [True, True]
    assert ours.delta is not None
    assert ours.delta.mean == pytest.approx((1.9 / 3 - 0.3 + 0.5 - 0.3) / 2)
