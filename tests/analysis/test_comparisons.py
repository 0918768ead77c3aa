"""Differences of arms as one family, and what becomes of a claim, against calculations by hand."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.comparisons import Pair, compare_family
from fpt_bench.analysis.docket import JudgedClaim, judge_claim
from fpt_bench.config.claims import Claim
from fpt_bench.report.tables import markdown
from fpt_bench.results.result import RunResult
from tests.made_up import made_up_grid, made_up_result

FAR = Pair([0.90, 0.92, 0.91, 0.93, 0.90, 0.92], [0.70, 0.74, 0.71, 0.69, 0.72, 0.73])
NEAR = Pair([0.80, 0.81, 0.79], [0.80, 0.82, 0.78])


def test_holm_is_over_all_differences_those_without_a_spread_too() -> None:
    constant, single = Pair([1.0, 1.0], [0.5, 0.5]), Pair([0.9], [0.1, 0.2])
    found = compare_family({"far": FAR, "near": NEAR, "constant": constant, "single": single}, margin=0.05)
    p = {key: stats.ttest_ind(pair.first, pair.second, equal_var=False).pvalue for key, pair in
         (("far", FAR), ("near", NEAR))}  # fmt: skip
    assert found["far"].p == pytest.approx(p["far"])
    assert found["far"].holm == pytest.approx(4 * p["far"]), "one has too few seeds so far, one no spread"
    assert found["near"].holm == pytest.approx(1.0)
    assert (found["constant"].p, found["constant"].holm) == (None, None), "no spread, no p-value"
    assert math.isinf(found["single"].estimate.low)
    assert (found["single"].verdict, found["single"].word) == (None, "open")


def test_a_word_is_harder_to_get_in_a_larger_family() -> None:
    # Alone e = 49 settles it at 20; among ten it takes 200.
    clear = Pair([0.90, 0.92, 0.91, 0.93], [0.80, 0.82, 0.81, 0.79])
    alone = compare_family({"clear": clear}, 0.05)["clear"]
    among = compare_family({"clear": clear, **{str(i): NEAR for i in range(9)}}, 0.05)["clear"]
    assert (alone.word, among.word) == ("better", "open")
    assert alone.verdict is not None
    assert among.verdict is not None
    assert alone.verdict.better == among.verdict.better


def test_differences_without_seeds_so_far_are_of_the_family() -> None:
    """A word that falls while a bench is unfinished is not taken back when the rest has its seeds."""
    clear = Pair([0.90, 0.92, 0.91, 0.93], [0.80, 0.82, 0.81, 0.79])
    early, late = (
        compare_family({"clear": clear, **others}, 0.05, family=10)["clear"]
        for others in ({}, {str(i): NEAR for i in range(9)})
    )
    assert (early.word, late.word) == ("open", "open")
    assert early.holm == late.holm == pytest.approx(10 * (early.p or math.nan))
    assert [_of_bit_xor(tasks) for tasks in (("bit-xor",), ("bit-xor", "mnist", "cifar"))] == ["better", "open"]


def _of_bit_xor(tasks: tuple[str, ...]) -> str:
    """Return the word of a table of these tasks, of which bit-xor alone has its seeds."""
    scores = {"pretrained": [0.90, 0.92, 0.91, 0.93], "random": [0.80, 0.82, 0.81, 0.79]}
    runs = [made_up_result("bit-xor", s, x, init) for init, arm in scores.items() for s, x in enumerate(arm)]
    cell = Bench.of(made_up_grid(tasks, (0, 1, 2, 3)), runs).cell("bit-xor", "language")
    assert cell is not None
    assert cell.delta is not None
    return cell.delta.word


def test_no_word_is_given_of_seeds_in_two_groups_or_flat_ones() -> None:
    groups = Pair([0.75, 0.75, 0.99, 0.99, 0.98, 0.75], [0.1, 0.12, 0.11, 0.1, 0.12, 0.11])
    flat = Pair([1.0] * 6, [0.5, 0.52, 0.51, 0.5, 0.53, 0.52])
    found = compare_family({"groups": groups, "flat": flat}, 0.05)
    assert [difference.word for difference in found.values()] == ["open", "open"]
    assert found["flat"].verdict is not None
    assert found["flat"].verdict.word == "better", "by an assumption that is visibly wrong"


def test_lower_is_better_in_a_unit_below_zero() -> None:
    # Errors of about 2 against 8, the floor is 10: six tenths of the way from floor to perfect.
    errors = Pair([2.0, 2.1, 1.9, 2.0, 2.2, 1.8], [8.0, 8.2, 7.9, 8.1, 7.8, 8.0], unit=0.0 - 10.0)
    found = compare_family({"errors": errors}, 0.05)["errors"]
    assert found.estimate.mean == pytest.approx(-6.0), "in units of the score"
    assert found.word == "better"


def test_a_wild_score_of_one_task_hides_no_two_groups_of_another() -> None:
    groups = Pair([0.75, 0.75, 0.99, 0.99, 0.98, 0.75], [0.1, 0.12, 0.11, 0.1, 0.12, 0.13])
    wild = Pair([0.5, 0.52, 0.51, 0.49, 0.5, -3.0], [0.5, 0.51, 0.52, 0.5, 0.48, 0.49])
    found = compare_family({"groups": groups, "wild": wild}, 0.05)["groups"]
    assert found.verdict is not None
    assert (found.verdict.apart, found.word) == (True, "open")


def claim(**fields: object) -> Claim:
    said = {"better": "language", "worse": "random", "tasks": ["bit-xor"], "refuted_by": "-", "source": "-"}
    return Claim.model_validate(said | fields)


def bench(language: list[float], random: list[float]) -> Bench:
    seeds = tuple(range(max(len(language), len(random))))
    scores = {"pretrained": language, "random": random}
    results = [
        made_up_result("bit-xor", seed, score, init, curve=((50, score), (100, score)))
        for init, values in scores.items()
        for seed, score in enumerate(values)
    ]
    return Bench.of(made_up_grid(("bit-xor", "mnist"), seeds=seeds), results)


HIGH, LOW = [0.90, 0.92, 0.91, 0.93, 0.90, 0.92], [0.70, 0.74, 0.71, 0.69, 0.72, 0.73]


@pytest.mark.parametrize(
    ("stated", "language", "random", "outcome"),
    [
        (claim(), HIGH, LOW, "supported"),
        (claim(), LOW, HIGH, "refuted"),
        (claim(), HIGH[:2], LOW[:2], "open"),
        (claim(tasks=["bit-xor", "mnist"]), HIGH, LOW, "open"),
        (claim(tasks=["bit-xor", "mnist"]), LOW, HIGH, "refuted"),
        (claim(), [0.7, 0.701, 0.7, 0.701, 0.7, 0.701], [0.701, 0.7, 0.701, 0.7, 0.701, 0.7], "equivalent"),
        (claim(verdict="same"), [0.7, 0.701, 0.7, 0.701, 0.7, 0.701], [0.701, 0.7, 0.701, 0.7, 0.701, 0.7],
         "supported"),
        (claim(verdict="same"), HIGH, LOW, "refuted"),
        (claim(verdict="same", margin=0.19), HIGH, LOW, "open"),
        (claim(measure="area"), HIGH, LOW, "supported"),
        (claim(measure="learned", reached=0.9), [0.95] * 8, [0.6] * 8, "supported"),
        (claim(measure="learned", reached=0.9), [0.95, 0.95, 0.6], [0.6] * 3, "open"),
        (claim(measure="learned", reached=0.9), [float(np.float32(0.9))] * 8, [0.6] * 8, "supported"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_claim(stated: Claim, language: list[float], random: list[float], outcome: str) -> None:
    judged = judge_claim(stated, bench(language, random))
    assert judged.outcome == outcome
    assert judged.missing == tuple(task for task in stated.tasks if task == "mnist")


def test_of_many_tasks_it_takes_more_to_refute_that_arms_are_the_same() -> None:
    """One task of many lies beyond the margin by chance more often than one of one."""
    others = ["mnist", "cifar", "cifar-lra", "listops", "bit-memory", "homology"]
    for tasks, outcome in ((["bit-xor"], "refuted"), (["bit-xor", *others], "open")):
        judged = judge_claim(claim(verdict="same", margin=0.13, tasks=tasks), bench(HIGH, LOW))
        assert ([verdict.cautious for verdict in judged.verdicts], judged.outcome) == (["better"], outcome)


def test_a_task_without_seeds_is_of_the_family() -> None:
    """Or a word could be taken back by seeds of another task, that say nothing."""
    random = [0.80, 0.82, 0.81, 0.79]
    alone = judge_claim(claim(), bench([0.90, 0.92, 0.91, 0.93], random))
    among = judge_claim(claim(tasks=["bit-xor", "mnist"]), bench([0.90, 0.92, 0.91, 0.93], random))
    (verdict,), (same,) = alone.verdicts, among.verdicts
    assert 20 < verdict.better == same.better < 60
    assert (verdict.word, same.word) == ("better", "better")
    three = judge_claim(claim(tasks=["bit-xor", "mnist", "cifar"]), bench([0.90, 0.92, 0.91, 0.93], random))
    assert three.verdicts[0].word == "open"


def test_lower_is_better_in_fractions_too() -> None:
    """Errors of 10 % beside 40 %: the sign of a difference is no matter of the unit."""

    def of_errors(result: RunResult) -> RunResult:
        assert result.data is not None
        data = result.data.model_copy(
            update={"metric": "error", "higher_is_better": False, "perfect": 0.0, "floor": 0.5}
        )
        return result.model_copy(update={"data": data})

    grid = made_up_grid(("bit-xor", "mnist"), seeds=tuple(range(6)))
    results = [
        of_errors(made_up_result("bit-xor", seed, score - 0.6, init, curve=((100, score - 0.6),)))
        for init, scores in (("pretrained", LOW), ("random", HIGH))
        for seed, score in enumerate(scores)
    ]
    table = Bench.of(grid, results)
    language = table.cell("bit-xor", "language")
    assert language is not None
    assert language.delta is not None
    assert (language.unit, language.delta.word) == (-1.0, "better")
    assert table.best_of_task("bit-xor") == language
    assert judge_claim(claim(), table).outcome == "supported"


def test_who_overfits_less_is_the_gap_to_training() -> None:
    def gaps(language: Sequence[float | None]) -> Bench:
        runs = [
            made_up_result("bit-xor", seed, 0.6, init, curve=((100, 0.6),)).model_copy(update={"train_score": score})
            for init, scores in (("pretrained", language), ("random", HIGH))
            for seed, score in enumerate(scores)
        ]
        return Bench.of(made_up_grid(("bit-xor", "mnist"), seeds=tuple(range(6))), runs)

    assert judge_claim(claim(measure="gap"), gaps(LOW)).outcome == "supported"
    assert judge_claim(claim(), gaps(LOW)).outcome == "open", "scores are alike"
    assert judge_claim(claim(measure="gap"), gaps([None] * 6)).missing == ("bit-xor",), "nobody measured it"


def test_a_claim_without_two_seeds_of_both_arms_is_open() -> None:
    judged = judge_claim(claim(), bench(HIGH, [0.7]))
    assert judged == JudgedClaim(claim(), None, ("bit-xor",)), "no run was judged by"
    assert judged.outcome == "open"


def test_a_claim_says_how_many_of_its_runs_it_was_registered_after() -> None:
    first, later = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 9))
    grid = made_up_grid(("bit-xor",))
    grid = grid.registering((), first, grid.experiment.claims)
    assert grid.registering((grid,), later, grid.experiment.claims).registered == grid.registered, "it was known before"
    changed = grid.experiment.model_copy(update={"claims": (claim(margin=0.1),)})
    assert set(grid.registering((grid,), later, changed.claims).registered.values()) == {later}

    def result(seed: int, score: float, init: str, day: int) -> RunResult:
        made = made_up_result("bit-xor", seed, score, init, curve=((50, score), (100, score)))
        return made.model_copy(update={"finished_at": datetime(2026, 1, day, tzinfo=UTC)})

    results = [result(seed, 0.9, "pretrained", 2) for seed in range(3)]
    results += [result(seed, 0.5, "random", 2) for seed in range(2)]
    judged = judge_claim(grid.experiment.claims[0], Bench.of(grid, results))
    assert (judged.registered, judged.earlier, judged.runs) == (first, 0, 5)
    old = Bench.of(grid, [*results, result(2, 0.5, "random", 1).model_copy(update={"finished_at": None})])
    assert judge_claim(grid.experiment.claims[0], old).earlier == 1, "nobody knows when it was over"
    assert "2026-01-01 00:00, after 1 of its 6 runs" in markdown(old)
