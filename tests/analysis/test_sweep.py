"""Sweeps: the rate is chosen on validation alone, hopeless rates are given up, and never the best one."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from fpt_bench.analysis.cells import Cell
from fpt_bench.analysis.sweep import Choice, choose_rate, given_up_runs, next_runs
from fpt_bench.config.grid import Grid
from fpt_bench.results.result import RunResult
from tests.made_up import made_up_grid, made_up_result

RATES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
ARM = ("bit-xor", "random")
Curve = tuple[float, ...]
"""Validation accuracies at steps 10, 20, ..."""


def grid_of(rates: tuple[float, ...] = RATES, seeds: int = 3) -> Grid:
    grid = made_up_grid(("bit-xor",), tuple(range(seeds)), rates)
    return grid.model_copy(update={"runs": tuple(run for run in grid.runs if run.arm == "random")})


def outcome(rate: float, seed: int, curve: Curve, test: float | None = 0.5, diverged: bool = False) -> RunResult:
    points = tuple((10 * (place + 1), accuracy) for place, accuracy in enumerate(curve))
    status = "diverged" if diverged else "ok"
    return made_up_result("bit-xor", seed, None if diverged else test, "random", status, points, rate)


def by_id(results: list[RunResult]) -> dict[str, RunResult]:
    return {result.spec.run_id: result for result in results}


def choice_of(grid: Grid, results: list[RunResult]) -> Choice:
    return choose_rate(grid.cells()[ARM], by_id(results))


def firsts(scores: Mapping[float, float]) -> list[RunResult]:
    """First seeds that reached their accuracy early and stayed there."""
    return [outcome(rate, 0, (score,) * 8) for rate, score in scores.items()]


def planned(grid: Grid, results: list[RunResult]) -> set[tuple[float, int]]:
    return {(spec.learning_rate, spec.seed) for spec in next_runs(grid, by_id(results))}


def play(grid: Grid, world: Mapping[tuple[float, int], Curve]) -> list[RunResult]:
    """Do what is planned until nothing is, with the outcomes of a world in which every run has one."""
    results: list[RunResult] = []
    while specs := next_runs(grid, by_id(results)):
        results += [
            outcome(spec.learning_rate, spec.seed, world[spec.learning_rate, spec.seed], test=spec.learning_rate)
            for spec in specs
        ]
    return results


def test_every_rate_gets_its_first_seed_before_any_gets_a_second() -> None:
    grid = grid_of()
    assert planned(grid, []) == {(rate, 0) for rate in RATES}
    part = firsts({1e-5: 0.5, 1e-3: 0.9})
    assert planned(grid, part) == {(1e-4, 0), (1e-2, 0), (1e-1, 0)}


def test_hopeless_rates_are_given_up_and_their_runs_are_waited_for_by_nobody() -> None:
    grid = grid_of()
    results = firsts({1e-5: 0.5, 1e-4: 0.52, 1e-3: 0.9, 1e-2: 0.51, 1e-1: 0.5})
    assert {rate for rate, _ in planned(grid, results)} == {1e-4, 1e-3, 1e-2}, "the neighbours of the best are kept"
    assert [score.given_up for score in choice_of(grid, results).scores] == [True, False, False, False, True]
    assert len(given_up_runs(grid, by_id(results))) == 4


@pytest.mark.parametrize(
    ("score", "kept"),
    [(0.81, True), (0.79, True), (0.71, True), (0.69, False)],
)
def test_a_rate_is_kept_from_half_of_the_best_rates_rise_on(score: float, kept: bool) -> None:
    # Floor 0.5, best 0.9: half of the rise is 0.2, so rates below 0.7 are hopeless.
    results = firsts({1e-5: 0.5, 1e-4: 0.5, 1e-3: 0.5, 1e-2: 0.9, 1e-1: 0.9})
    grid = grid_of()
    results[0] = outcome(1e-5, 0, (score,) * 8)
    assert ((1e-5, 1) in planned(grid, results)) is kept


def test_where_nothing_was_learned_nothing_is_given_up() -> None:
    results = firsts({1e-5: 0.5, 1e-4: 0.5, 1e-3: 0.58, 1e-2: 0.5, 1e-1: 0.5})
    assert planned(grid_of(), results) == {(rate, seed) for rate in RATES for seed in (1, 2)}


def test_a_slow_starter_is_kept_while_its_accuracy_rises() -> None:
    results = firsts({1e-4: 0.5, 1e-3: 0.95, 1e-2: 0.95, 1e-1: 0.5})
    slow = outcome(1e-5, 0, (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.51, 0.54))
    flat = outcome(1e-5, 0, (0.5, 0.54, 0.5, 0.5, 0.5, 0.5, 0.53, 0.54))
    assert (1e-5, 1) in planned(grid_of(), [slow, *results])
    assert (1e-5, 1) not in planned(grid_of(), [flat, *results])


def test_a_rate_is_taken_up_again_when_the_best_ones_first_seed_was_luck() -> None:
    grid = grid_of(seeds=2)
    results = firsts({1e-5: 0.65, 1e-4: 0.55, 1e-3: 0.55, 1e-2: 0.95, 1e-1: 0.55})
    assert (1e-5, 1) not in planned(grid, results)
    results += [outcome(rate, 1, (0.5,) * 8) for rate in (1e-3, 1e-2, 1e-1)]
    # 1e-2 now stands at 0.725, of which 0.65 is no longer hopelessly short; 0.55 still is.
    assert planned(grid, results) == {(1e-5, 1)}
    results.append(outcome(1e-5, 1, (0.9,) * 8))
    assert planned(grid, results) == set()
    assert choice_of(grid, results).rate == 1e-5


def test_no_rate_that_would_have_won_with_its_one_score_is_left_out_in_200_random_worlds() -> None:
    generator = np.random.default_rng(0)
    given_up = 0
    for _ in range(200):
        grid = grid_of()
        world = {}
        for rate in RATES:
            level, spread = generator.uniform(0.4, 1.0), generator.uniform(0, 0.3)
            for seed in range(3):
                world[rate, seed] = tuple(np.clip(generator.normal(level, spread, 8), 0, 1).tolist())
        choice = choice_of(grid, play(grid, world))
        scores = {score.rate: score for score in choice.scores}
        for score in choice.scores:
            given_up += score.given_up
            assert score.complete or score.given_up
            assert not score.given_up or score.mean < scores[choice.rate].mean - 0.1
        assert scores[choice.rate].complete
        assert scores[choice.rate].mean == max(score.mean for score in choice.scores if score.complete)
    assert given_up > 50, "the rule must have had something to do"


def test_full_ties_go_to_the_smaller_rate_and_test_accuracy_plays_no_part() -> None:
    grid = grid_of((1e-4, 1e-3, 1e-2), seeds=1)
    results = [outcome(1e-4, 0, (0.6,), 0.99), outcome(1e-3, 0, (0.8,), 0.5), outcome(1e-2, 0, (0.8,), 0.9)]
    choice = choice_of(grid, results)
    assert (choice.rate, choice.edge, choice.provisional) == (1e-3, False, False)


def test_ties_at_a_ceiling_go_to_the_rate_that_gets_there_soonest() -> None:
    grid = grid_of((1e-4, 1e-3, 1e-2), seeds=2)
    slow, fast, middling = (0.5, 0.6, 1.0), (0.9, 1.0, 1.0), (0.6, 1.0, 1.0)
    curves = {1e-4: slow, 1e-3: fast, 1e-2: middling}
    results = [outcome(rate, seed, curve) for rate, curve in curves.items() for seed in (0, 1)]
    choice = choice_of(grid, results)
    assert choice.rate == 1e-3
    assert [score.mean for score in choice.scores] == [1, 1, 1]
    assert choice.scores[0].area < choice.scores[2].area < choice.scores[1].area
    results[-1] = outcome(1e-2, 1, (0.99, 1.0, 1.0))
    results[-2] = outcome(1e-2, 0, (0.99, 1.0, 0.9999))
    assert choice_of(grid, results).rate == 1e-2, "the mean of best validations is the same: the area decides"


def test_means_that_differ_by_the_order_of_a_sum_alone_are_a_tie() -> None:
    grid = grid_of((1e-4, 1e-3), seeds=3)
    scores = {1e-4: (0.6, 0.8, 0.9), 1e-3: (0.9, 0.8, 0.6)}
    assert np.mean(scores[1e-4]) < np.mean(scores[1e-3]), "as floats are added"
    results = [
        outcome(rate, seed, (score,)) for rate, of_seeds in scores.items() for seed, score in enumerate(of_seeds)
    ]
    assert choice_of(grid, results).rate == 1e-4


def tuned_grid(reported: int = 2) -> Grid:
    """A grid whose seeds 0 and 1 choose, and whose later ones are reported."""
    return grid_of((1e-4, 1e-3, 1e-2), seeds=2 + reported).model_copy(update={"tuning_seeds": (0, 1)})


def test_seeds_that_are_reported_wait_for_the_choice_and_have_the_chosen_rate_alone() -> None:
    grid = tuned_grid()
    rates = (1e-4, 1e-3, 1e-2)
    assert planned(grid, []) == {(rate, 0) for rate in rates}
    results = [outcome(rate, 0, (score,) * 8) for rate, score in zip(rates, (0.7, 0.9, 0.8), strict=True)]
    assert planned(grid, results) == {(rate, 1) for rate in rates}
    waited = {run.spec.run_id for run in grid.runs} - given_up_runs(grid, by_id(results))
    assert len(waited) == 6 + 2, "one rate, whichever it will be, is reported"
    results += [outcome(rate, 1, (score,) * 8) for rate, score in zip(rates, (0.7, 0.8, 0.95), strict=True)]
    assert planned(grid, results) == {(1e-2, 2), (1e-2, 3)}
    cell = Cell.alone(*ARM, grid.cells()[ARM], by_id(results), grid.tuning_seeds)
    assert (cell.n, cell.expected, cell.scored, len(cell.tuning)) == (0, 8, 6, 6)
    assert cell.tuning_seconds == 60
    results += [outcome(1e-2, seed, (0.6,) * 8, test=0.55) for seed in (2, 3)]
    assert planned(grid, results) == set()
    cell = Cell.alone(*ARM, grid.cells()[ARM], by_id(results), grid.tuning_seeds)
    assert [r.spec.seed for r in cell.runs] == [2, 3]
    assert cell.choice.rate == 1e-2, "what is reported plays no part in the choice"
    assert (cell.choice.provisional, cell.choice.scores[0].expected) == (False, 2)
    assert (cell.expected, cell.scored, len(cell.tuning)) == (8, 8, 6)
    assert len(given_up_runs(grid, by_id(results))) == 4


def test_a_rate_that_is_given_up_is_not_reported_and_its_seeds_are_not_expected() -> None:
    grid = grid_of(RATES, seeds=4).model_copy(update={"tuning_seeds": (0, 1)})
    world = {(rate, seed): ((0.9 if rate == 1e-3 else 0.5),) * 8 for rate in RATES for seed in range(4)}
    results = play(grid, world)
    done = [(r.spec.learning_rate, r.spec.seed) for r in results]
    assert done == [*((rate, 0) for rate in RATES), (1e-4, 1), (1e-3, 1), (1e-2, 1), (1e-3, 2), (1e-3, 3)]
    cell = Cell.alone(*ARM, grid.cells()[ARM], by_id(results), grid.tuning_seeds)
    assert (cell.expected, cell.scored, len(cell.tuning)) == (8, 8, 8), "of the ten, two are of rates given up"
    assert len({run.spec.run_id for run in grid.runs} - given_up_runs(grid, by_id(results))) == len(results)


def test_an_arm_with_one_rate_has_no_tuning_and_reports_all_its_seeds() -> None:
    grid = grid_of((1e-3,), seeds=4).model_copy(update={"tuning_seeds": (0, 1)})
    results = [outcome(1e-3, seed, (0.8,)) for seed in range(4)]
    assert len(planned(grid, [])) == 2
    cell = Cell.alone(*ARM, grid.cells()[ARM], by_id(results), grid.tuning_seeds)
    assert (cell.n, cell.expected, cell.tuning) == (4, 4, ())


def test_fresh_seeds_are_reported_as_they_are_and_those_that_chose_are_too_good() -> None:
    rng, rates = np.random.default_rng(0), (1e-4, 1e-3, 1e-2)
    fresh, chosen_on = tuned_grid(reported=3), grid_of(rates, seeds=2)
    reported = {"fresh": [], "chosen on": []}
    for _ in range(150):
        # Equal rates: seeds lie around 80 % with a deviation of 4 points, on validation as on test.
        levels = {(rate, seed): float(rng.normal(0.8, 0.04)) for rate in rates for seed in range(5)}
        results = by_id([outcome(rate, seed, (level,), level) for (rate, seed), level in levels.items()])
        for name, grid in (("fresh", fresh), ("chosen on", chosen_on)):
            cell = Cell.alone(*ARM, grid.cells()[ARM], results, grid.tuning_seeds)
            assert cell.accuracy is not None
            reported[name].append(cell.accuracy.mean)
    error = 0.04 / np.sqrt(3) / np.sqrt(150)
    assert abs(np.mean(reported["fresh"]) - 0.8) < 3 * error
    assert np.mean(reported["chosen on"]) > 0.8 + 0.015


def test_a_diverged_run_scores_as_the_worst_rule() -> None:
    grid = grid_of((1e-3, 1e-2, 1e-1), seeds=2)
    results = [outcome(1e-3, seed, (0.75,)) for seed in (0, 1)] + [outcome(1e-1, seed, (0.6,)) for seed in (0, 1)]
    results += [outcome(1e-2, 0, (0.95,)), outcome(1e-2, 1, (0.95,), diverged=True)]
    choice = choice_of(grid, results)
    assert choice.scores[1].mean == pytest.approx((0.95 + 0.5) / 2)
    assert choice.scores[1].diverged == 1
    assert choice.rate == 1e-3
    assert choice.edge, "the smallest rate is the best"


def test_a_rate_that_diverges_is_no_better_than_one_that_trains_below_the_floor() -> None:
    grid = grid_of((1e-3, 1e-2), seeds=1)
    floors = {"floor": 0.846, "trivial": {"copy and average": 0.846, "guess": 0.5}}
    results = [outcome(1e-3, 0, (0.757,)), outcome(1e-2, 0, (0.757,), diverged=True)]
    below = [r.model_copy(update={"data": r.data and r.data.model_copy(update=floors)}) for r in results]
    choice = choice_of(grid, below)
    assert choice.rate == 1e-3
    assert [score.mean for score in choice.scores] == [0.757, 0.5]
    assert choice.scores[1].area < choice.scores[0].area < 0


def test_a_rate_that_lacks_a_seed_is_not_chosen_and_makes_the_choice_provisional() -> None:
    grid = grid_of((1e-4, 1e-3, 1e-2), seeds=2)
    results = [outcome(rate, seed, (0.7,)) for rate in (1e-4, 1e-3) for seed in (0, 1)]
    lost = outcome(1e-2, 1, (0.9,)).model_copy(update={"status": "failed", "validation_score": None})
    choice = choice_of(grid, [*results, outcome(1e-2, 0, (0.9,)), lost])
    assert choice.rate == 1e-4
    assert choice.provisional


def test_one_rate_is_no_sweep() -> None:
    grid = grid_of((1e-3,))
    assert len(planned(grid, [])) == 3
    choice = choice_of(grid, [])
    assert (choice.rate, choice.edge, choice.provisional) == (1e-3, False, False)
    assert math.isnan(choice.scores[0].mean)


def errors(rate: float, seed: int, *scores: float, perfect: float = 0.0) -> RunResult:
    """A run of a task of which less is better; what needs no learning scores 40."""
    result = outcome(rate, seed, (0.5,) * len(scores))
    assert result.data is not None
    kind = {"metric": "mean-absolute-error", "higher_is_better": False, "perfect": perfect, "is_fraction": False}
    data = result.data.model_copy(update={**kind, "floor": 40.0, "trivial": {"mean": 40.0}})
    curve = tuple((10 * (place + 1), score) for place, score in enumerate(scores))
    best = min(curve, key=lambda point: point[1])
    fields = {"data": data, "curve": curve, "best_step": best[0], "validation_score": best[1]}
    return result.model_copy(update=fields)


def test_of_a_metric_of_which_less_is_better_the_lowest_rate_is_chosen() -> None:
    grid = grid_of(RATES[:3], seeds=1)
    results = [errors(rate, 0, score) for rate, score in zip(RATES, (30.0, 12.0, 20.0), strict=False)]
    choice = choice_of(grid, results)
    assert choice.rate == RATES[1]
    assert [score.mean for score in choice.scores] == [30.0, 12.0, 20.0]


def test_hopeless_and_rising_are_shares_of_the_way_where_scores_are_no_fractions() -> None:
    """Of a floor of 40: more than 4, and more than half of the best rate's rise, behind is hopeless; 0.8 is rising."""
    grid = grid_of()
    flat = [errors(rate, 0, *[score] * 8) for rate, score in zip(RATES, (26.0, 25.0, 12.0, 10.0, 12.0), strict=True)]
    assert choice_of(grid, flat).rate == 1e-2
    assert {score.rate for score in choice_of(grid, flat).scores if score.given_up} == {1e-5}, "25 is half of the way"
    rising = [errors(1e-5, 0, *[27.0] * 6, 26.5, 26.0), *flat[1:]]
    assert not any(score.given_up for score in choice_of(grid, rising).scores)
    slow = [errors(1e-5, 0, *[26.5] * 6, 26.4, 26.0), *flat[1:]]
    assert {score.rate for score in choice_of(grid, slow).scores if score.given_up} == {1e-5}


def test_a_failed_first_run_does_not_turn_the_direction() -> None:
    grid = grid_of(RATES[:2], seeds=2)
    failed = RunResult(spec=errors(RATES[0], 0, 30.0).spec, status="failed", error="no")
    done = [failed, errors(RATES[0], 1, 30.0), errors(RATES[1], 0, 12.0), errors(RATES[1], 1, 14.0)]
    assert choice_of(grid, done).rate == RATES[1]


def test_while_a_run_that_chooses_has_failed_nothing_is_reported() -> None:
    grid = tuned_grid()
    results = [outcome(rate, seed, (0.7,) * 8) for rate in (1e-4, 1e-3, 1e-2) for seed in (0, 1)]
    failed = results[-1].model_copy(update={"status": "failed", "error": "it failed", "test_score": None})
    assert planned(grid, [*results[:-1], failed]) == set(), "the rate that it is of may be the one"
    assert planned(grid, results[:-1]) == {(1e-2, 1)}, "it is done again by the next bench"
