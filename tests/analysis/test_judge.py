"""The judge against calculations by hand, and against planted dockets of which the truth is known."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from fpt_bench.analysis import e_values
from fpt_bench.analysis.e_values import (
    EFFECT_VARIANCE,
    bounded_log_evidence,
    e_bh,
    learned_log_evidence,
    normal_log_evidence,
    t_log_evidence,
)
from fpt_bench.analysis.intervals import holm, mean_over_tasks, welch_difference
from fpt_bench.analysis.judge import ENOUGH_TO_TELL, FLAT, STUCK, Docket, Rule, judge
from fpt_bench.analysis.score_table import pick_pairs, read_scores
from tests.judge_simulation import (
    KINDS,
    MARGIN,
    coverage_at_every_look,
    coverage_of_bounded,
    draw,
    false_words,
    fixed_coverage,
    learned_words,
    seeds_needed,
)

RULE = Rule(margin=0.05)
HIGH, LOW = [0.90, 0.92, 0.91, 0.93, 0.90, 0.91], [0.70, 0.74, 0.71, 0.69, 0.72, 0.71]


def word(first: list[float], second: list[float], rule: Rule = RULE) -> str:
    return judge({"task": (first, second)}, rule).verdicts[0].word


@pytest.mark.parametrize(("n", "t"), [(3, 2.0), (5, -1.0), (8, 4.0)])
def test_evidence_is_the_mean_of_noncentral_over_central_t(n: int, t: float) -> None:
    """The closed form against its definition: a half-normal prior on the effect, by quadrature."""

    def weighted(effect: float) -> float:
        prior = 2 * stats.norm.pdf(effect, scale=EFFECT_VARIANCE**0.5)
        return float(prior * stats.nct.pdf(t, 2 * n - 2, effect * (n / 2) ** 0.5))

    expected = integrate.quad(weighted, 0, 9)[0] / stats.t.pdf(t, 2 * n - 2)
    assert float(np.exp(t_log_evidence(t, 2 * n - 2, n / 2))) == pytest.approx(expected, rel=1e-6)


def test_evidence_rests_on_welchs_degrees_of_freedom() -> None:
    # One arm flat: t = 1 / sqrt(1 / 4) with the 3 degrees of freedom of the other, not with 6.
    assert normal_log_evidence(1.0, (1.0, 0.0), (4, 4)) == pytest.approx(t_log_evidence(2.0, 3, 2))
    assert normal_log_evidence(1.0, (1.0, 1.0), (4, 4)) == pytest.approx(t_log_evidence(2**0.5, 6, 2))


def test_fewer_degrees_of_freedom_never_make_more_evidence() -> None:
    """So that Welch's are on the safe side of the pooled ones, with which arms of one deviation are exact."""
    t = np.geomspace(0.01, 1e4, 400)[:, None]
    for n in (2, 3, 5, 10, 30):
        log = t_log_evidence(t, np.linspace(n - 1, 2 * n - 2, 30), n / 2)
        grows = np.diff(log, axis=1) >= -1e-12
        assert grows[log[:, :-1] > 0.5].all()


def test_unit_and_origin_of_scores_do_not_matter() -> None:
    first, second = np.array(HIGH), np.array(LOW)
    percent = judge({"task": (100 * first - 40, 100 * second - 40)}, Rule(margin=5, low=-40, high=60)).verdicts[0]
    plain = judge({"task": (first, second)}, RULE).verdicts[0]
    assert (percent.better, percent.same) == pytest.approx((plain.better, plain.same), rel=1e-6)
    assert percent.difference.low == pytest.approx(100 * plain.difference.low)


def test_bounded_evidence_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e_values, "STAKES", np.array([0.5, 0.9]))
    # Differences 0.4 and -0.2 against <= 0.1 in [-1, 1]: gains 0.3 / 1.1 and -0.3 / 1.1.
    expected = np.mean([(1 + s * 3 / 11) * (1 - s * 3 / 11) for s in (0.5, 0.9)])
    assert float(np.exp(bounded_log_evidence([0.4, -0.2], 0.1, 1.0))) == pytest.approx(expected)


def test_bounded_evidence_is_fair_under_any_law() -> None:
    """Its mean after four pairs is 1 at the difference in question, summed over all outcomes of a lopsided law."""
    values, chances = np.array([0.5, -0.1]), np.array([0.2, 0.8])
    outcomes = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T
    mean = (chances[outcomes].prod(1) * np.exp(bounded_log_evidence(values[outcomes], 0.02, 1.0))).sum()
    assert mean == pytest.approx(1.0)


def test_evidence_of_who_learned_by_hand() -> None:
    # 1 of 1 against 0 of 1: prior 1/2 each; the largest under "no better" is 1/2 each: no evidence at all.
    assert learned_log_evidence((1, 1), (0, 1)) == pytest.approx(0.0, abs=1e-9)
    # 4 of 4 against 0 of 4: (1/2 1.18/1.36 2.18/2.36 3.18/3.36)² over 2^-8.
    prior = (0.5 * 1.18 / 1.36 * 2.18 / 2.36 * 3.18 / 3.36) ** 2
    assert np.exp(learned_log_evidence((4, 4), (0, 4))) == pytest.approx(prior * 2**8)
    # Against a difference of -0.3 or less, 4 of 4 twice: the best that allows is chances 0.7 and 1.
    assert np.exp(learned_log_evidence((4, 4), (4, 4), -0.3)) == pytest.approx(prior / 0.7**4)


@pytest.mark.parametrize("exceeded", [-0.3, 0.0, 0.2])
@pytest.mark.parametrize("chance", [0.1, 0.5, 0.75])
def test_evidence_of_who_learned_is_fair_or_worse(exceeded: float, chance: float) -> None:
    """Its mean is at most 1 wherever the statement holds, summed over all counts of five seeds an arm."""
    first = min(1.0, max(0.0, chance + exceeded))
    total = sum(
        stats.binom.pmf(k, 5, first)
        * stats.binom.pmf(o, 5, chance)
        * np.exp(learned_log_evidence((k, 5), (o, 5), exceeded))
        for k in range(6)
        for o in range(6)
        if first - chance <= exceeded + 1e-12
    )
    assert total <= 1


def test_e_bh_by_hand() -> None:
    # Family of 4 at 5 %: thresholds 80, 40, 26.7, 20 for the first, second, third, fourth.
    assert e_bh(np.log([41.0, 3.0, 45.0, 1.0]), 0.05).tolist() == [True, False, True, False]
    assert e_bh(np.log([39.0, 3.0, 45.0, 1.0]), 0.05).tolist() == [False] * 4
    assert e_bh(np.log([21.0, 21.0, 21.0, 21.0]), 0.05).tolist() == [True] * 4
    assert e_bh(np.log([[90.0, 1.0], [1.0, 1.0]]), 0.05).tolist() == [[True, False], [False, False]]


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])


def test_welch_equals_scipys() -> None:
    first, second = [0.71, 0.74, 0.69, 0.80], [0.60, 0.65, 0.61]
    expected = stats.ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval()
    found = welch_difference(first, second)
    assert (found.interval.low, found.interval.high, found.p) == pytest.approx(
        (interval.low, interval.high, expected.pvalue)
    )


def test_mean_over_one_task_is_welch() -> None:
    assert mean_over_tasks([(HIGH, LOW)]) == welch_difference(HIGH, LOW).interval


def test_each_word_falls() -> None:
    assert word(HIGH, LOW) == "better"
    assert word(LOW, HIGH) == "worse"
    assert word(HIGH, [score + 0.002 for score in HIGH[::-1]]) == "same"
    assert word([0.5, 0.9], [0.4, 0.8]) == "open"


def test_lower_scores_may_be_the_better_ones() -> None:
    assert word(HIGH, LOW, Rule(margin=0.05, higher=False)) == "worse"
    assert word(LOW, HIGH, Rule(margin=0.05, higher=False)) == "better"
    assert word(LOW, HIGH, Rule(margin=0.5, seeds="learned", reached=0.8, higher=False)) == "better"


def test_tasks_that_settle_nothing_alone_do_so_together() -> None:
    docket = judge({f"task {i}": ([0.6, 0.7, 0.65], [0.5, 0.58, 0.55]) for i in range(4)}, RULE)
    assert {verdict.word for verdict in docket.verdicts} == {"open"}
    assert docket.better_anywhere == pytest.approx(docket.verdicts[0].better ** 4)
    assert docket.better_anywhere > 20 > 1 > docket.worse_anywhere


def test_a_real_difference_within_the_margin_is_the_same() -> None:
    verdict = judge({"task": (HIGH, [score - 0.04 for score in HIGH])}, Rule(margin=0.2)).verdicts[0]
    assert verdict.better > 20
    assert verdict.word == "same"


def test_a_word_needs_more_evidence_in_a_larger_family() -> None:
    first, second = [0.80, 0.83, 0.78, 0.81, 0.79], [0.72, 0.76, 0.74, 0.75, 0.77]
    alone = judge({"task": (first, second)}, RULE)
    others = {f"task {i}": ([0.2, 0.8, 0.4], [0.3, 0.9, 0.1]) for i in range(6)}
    together = judge({"task": (first, second)} | others, RULE)
    assert alone.verdicts[0].better == together.verdicts[0].better
    assert 20 < alone.verdicts[0].better < 140
    assert (alone.verdicts[0].word, together.verdicts[0].word) == ("better", "open")


def test_the_interval_ends_where_evidence_does() -> None:
    difference = judge({"task": (HIGH, LOW)}, RULE).verdicts[0].difference
    variances = (float(np.var(HIGH, ddof=1)), float(np.var(LOW, ddof=1)))
    at_low = normal_log_evidence(difference.estimate - difference.low, variances, (6, 6))
    at_high = normal_log_evidence(difference.high - difference.estimate, variances, (6, 6))
    assert (float(np.exp(at_low)), float(np.exp(at_high))) == pytest.approx((40, 40), rel=1e-6)
    unknown = judge({"task": ([0.5, 0.9], [0.4, 0.8])}, RULE).verdicts[0].difference
    assert (unknown.low, unknown.high) == (-1, 1)


def test_arms_may_have_different_numbers_of_seeds() -> None:
    verdict = judge({"task": (HIGH, LOW[:4])}, RULE).verdicts[0]
    assert verdict.counts == (6, 4)
    assert verdict.better < judge({"task": (HIGH, LOW)}, RULE).verdicts[0].better


def test_rounding_is_no_evidence() -> None:
    """Means of ten and of twelve equal floats differ by 1e-16."""
    docket = judge({"task": ([0.7] * 10, [0.7] * 12)}, RULE)
    assert (docket.better_anywhere, docket.worse_anywhere) == (docket.worse_anywhere, docket.better_anywhere)
    assert docket.worse_anywhere <= 1


def test_seeds_that_rounding_tells_apart_do_not_vary() -> None:
    first = [0.95 - 0.9, 1.0 - 0.95, 0.9 - 0.85, 0.8 - 0.75, 0.85 - 0.8]
    second = [0.6 - 0.5, 0.9 - 0.8, 0.7 - 0.6, 0.8 - 0.7, 1.0 - 0.9]
    assert min(np.ptp(first), np.ptp(second)) > 0
    (verdict,) = judge({"task": (first, second)}, RULE).verdicts
    assert verdict.flat
    assert verdict.cautious == "open"


def test_what_cannot_be_normal_is_seen() -> None:
    near = {"nearly flat": (LOW, [0.99, 0.991, 0.992])}
    docket = judge(
        {"gap": ([0.75, 0.75, 0.99], LOW), "flat": ([1.0, 1.0, 1.0], LOW), "plain": (HIGH, LOW)} | near, RULE
    )
    assert [(v.apart, v.flat) for v in docket.verdicts] == [(True, False), (False, True), (False, False), (False, True)]


def narrower(ratio: float, seeds: int) -> np.ndarray:
    """Return the narrower arm's range as a share of the wider's, of the first 2, 3, ... seeds of 40,000 pairs."""
    rng = np.random.default_rng(0)
    first, second = (rng.standard_normal((40_000, seeds)) * scale for scale in (1, ratio))
    ranges = [np.maximum.accumulate(arm, 1) - np.minimum.accumulate(arm, 1) for arm in (first, second)]
    return (np.minimum(*ranges)[:, 1:] / np.maximum(*ranges)[:, 1:]).T


def test_an_arm_is_called_flat_and_stuck_as_rarely_by_accident_as_is_said() -> None:
    alike = (narrower(1, ENOUGH_TO_TELL) <= FLAT).mean(1)
    assert [*alike[[0, 1, -1]]] == pytest.approx([0.25, 0.08, 0.01], abs=0.005)
    for ratio, stays in ((8, 0.99), (5, 0.74)):
        shares = narrower(ratio, 20)
        stuck = shares[ENOUGH_TO_TELL - 2] <= STUCK
        assert (shares[-1][stuck] <= FLAT).mean() == pytest.approx(stays, abs=0.05)
    assert stuck.mean() == pytest.approx(0.01, abs=0.003)


def test_who_learned_is_counted() -> None:
    docket = judge({"task": ([0.99, 0.98, 0.7, 0.99], [0.5, 0.6, 0.5, 0.5])}, Rule(0.3, seeds="learned", reached=0.9))
    assert docket.verdicts[0].learned == (3, 0)
    assert docket.mean is None


def test_a_task_whose_seeds_fall_into_two_groups_leaves_the_family_without_a_mean() -> None:
    even, apart = ([0.80, 0.81, 0.82], [0.70, 0.71, 0.72]), ([0.75, 0.75, 0.99], [0.70, 0.71, 0.72])
    assert judge({"even": even}, Rule(0.05)).mean is not None
    assert judge({"even": even, "apart": apart}, Rule(0.05)).mean is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": 0.0}, "expected a margin above 0 and below 1, got 0"),
        ({"margin": float("nan")}, "expected a margin above 0 and below 1, got nan"),
        ({"margin": 1.0}, "expected a margin above 0 and below 1, got 1"),
        ({"margin": 0.1, "level": 5}, "expected a level between 0 and 1, as 0.05, got 5"),
        ({"margin": 0.1, "low": 1.0, "high": 0.0}, "expected a range of scores from low to high, got 1 to 0"),
        ({"margin": 0.1, "seeds": "learned"}, "expected the score that counts as learned where"),
        ({"margin": 0.1, "seeds": "learned", "reached": 90.0}, "counts as learned from 0 to 1, got 90"),
        ({"margin": 0.1, "seeds": "learned", "reached": float("nan")}, "counts as learned from 0 to 1, got nan"),
    ],
)
def test_a_rule_that_settles_nothing_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rule(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([0.5], "task 'b': expected at least two seeds of each arm, got 1"),
        ([0.5, float("nan")], "task 'b': expected scores from 0 to 1, got nan"),
        ([50.0, 60.0], "task 'b': expected scores from 0 to 1, got 50"),
    ],
)
def test_nothing_is_judged_in_half(scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge({"a": (HIGH, LOW), "b": (HIGH, scores)}, RULE)


def test_a_docket_is_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    rows = [f"copy,{arm},{seed},{s}" for arm, scores in (("a", HIGH), ("b", LOW)) for seed, s in enumerate(scores)]
    path.write_text("\n".join(["task,arm,seed,score", *rows[::-1]]) + "\n")
    assert pick_pairs(read_scores(path), "a", "b") == {"copy": (HIGH, LOW)}, "in the order of seeds"
    docket = judge(pick_pairs(read_scores(path), "a", "b"), RULE)
    assert isinstance(docket, Docket)
    json.dumps([docket.verdicts[0].better, docket.verdicts[0].difference.low])


def test_the_judge_stands_alone() -> None:
    """numpy, scipy and its own three files: it can be read, and taken away, without the rest."""
    own = {"fpt_bench.analysis.e_values", "fpt_bench.analysis.intervals"}
    for module in ("judge", "e_values", "intervals"):
        tree = ast.parse((Path(e_values.__file__).parent / f"{module}.py").read_text())
        names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert {name for name in names if name and name.startswith("fpt_bench")} <= own


@pytest.mark.parametrize("kinds", KINDS)
def test_false_words_are_rare_where_looking_at_intervals_is_not(kinds: tuple[str, str]) -> None:
    found = false_words(400, kinds, seed=0)
    assert {name: share for name, share in found.items() if "judge" in name and share > 0.05} == {}
    assert min(found["better, intervals"], found["same, intervals"]) > 0.4


def test_a_flat_arm_beside_a_normal_one_is_judged_as_safely() -> None:
    """With the pooled degrees of freedom, about 6 % instead of 2.5 % on a single task."""
    looks = draw(np.random.default_rng(0), 600, ("normal", "flat"), np.zeros(7))
    assert float((looks.log_above(0) >= np.log(20)).any(-1).mean()) < 0.035


def test_words_fall_at_the_seeds_that_are_promised() -> None:
    median, most, share = seeds_needed(100, KINDS[0], "better", 2.0, seed=0)
    assert (median, most) <= (8, 10)
    assert share > 0.99
    assert seeds_needed(100, KINDS[0], "same", MARGIN, seed=0)[0] <= 15


def test_intervals_hold_at_every_look() -> None:
    for kinds in KINDS:
        assert coverage_at_every_look(7000, kinds, seed=0) >= 0.95
    assert coverage_of_bounded(300, seed=0) >= 0.95


@pytest.mark.parametrize("kinds", KINDS)
def test_better_on_some_task_is_rarely_said_of_none(kinds: tuple[str, str]) -> None:
    together = draw(np.random.default_rng(0), 600, kinds, np.zeros(7)).log_above(0).sum(1)
    assert float((together >= np.log(20)).any(-1).mean()) <= 0.05


def test_who_learned_is_rarely_judged_wrong() -> None:
    found = learned_words(300, (0.5, 0.5), 0.3, seed=0)
    assert max(found["better"], found["outside"]) <= 0.05
    assert learned_words(100, (0.95, 0.65), 0.3, seed=0)["same"] <= 0.05


def test_fixed_intervals_cover_what_the_bootstrap_does_not() -> None:
    found = fixed_coverage(300, 3, seed=0)
    assert min(found["welch"], found["mean over tasks"]) > 0.92
    assert found["bootstrap of interquartile mean"] < 0.9
